"""What one account at a provider has left, and whether a request is let in. Arithmetic only: no clock, no wire."""

from dataclasses import dataclass
from decimal import Decimal

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.problem import Problem
from pointsman.simulator.scenario import LimitProfile, ModelProfile, ProviderProfile
from pointsman.simulator.windows import Window, window

_MTOK = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What a provider says about one of its windows: what is left, and in how many seconds it is full again."""

    limit: LimitProfile
    left: float
    full_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A request that was let in; give it back to `Account.settle` exactly once.

    `price_share` is which share of the model's prices it costs: that of the hour at which it came in.
    """

    model: ModelProfile
    input_tokens: int
    price_share: Decimal

    def cost_usd(self, output_tokens: int) -> Decimal:
        """Return its price, once so many tokens were made."""
        used = Used(model=self.model, price_share=self.price_share)
        used.add(self.input_tokens, output_tokens)
        return used.cost_usd


@dataclass(slots=True, kw_only=True)
class Used:
    """The tokens that a model was paid for at a share of its prices, those from its cache apart.

    Priced when somebody asks, which is seldom.
    """

    model: ModelProfile
    price_share: Decimal
    plain_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def add(self, input_tokens: int, output_tokens: int) -> None:
        """Count a request."""
        cached = self.model.cached_tokens(input_tokens)
        self.plain_tokens += input_tokens - cached
        self.cached_tokens += cached
        self.output_tokens += output_tokens

    @property
    def cost_usd(self) -> Decimal:
        """Their price."""
        model = self.model
        paid = self.plain_tokens * model.usd_per_mtok_input + self.cached_tokens * model.usd_per_mtok_cached_input
        return (paid + self.output_tokens * model.usd_per_mtok_output) * self.price_share / _MTOK


class Account:
    """The windows, the slots and the money of one account.

    Nothing in it awaits, so nothing comes between asking and taking.
    """

    def __init__(self, profile: ProviderProfile) -> None:
        """Begin with full windows, no call in flight, and the whole balance."""
        self._profile = profile
        scopes = {"account": profile.limits} | {model.limit_scope: model.limits for model in profile.models}
        self._windows = {
            scope: [(limit, window(limit)) for limit in limits if limit.unit is not Unit.CONCURRENCY]
            for scope, limits in scopes.items()
        }
        self._slots = {
            scope: limit for scope, limits in scopes.items() for limit in limits if limit.unit is Unit.CONCURRENCY
        }
        self._held_by = {
            model.id: self._windows["account"] + self._windows[model.limit_scope] for model in profile.models
        }
        self._scopes_of = {model.id: ("account", model.limit_scope) for model in profile.models}
        self._in_flight = dict.fromkeys(scopes, 0)
        self._used: dict[tuple[str, Decimal], Used] = {}

    def admit(
        self, model: ModelProfile, *, input_tokens: int, requested_tokens: int, now: float
    ) -> Admission | Problem:
        """Let a request in and charge it, or say why not. `requested_tokens` is the bound of the output asked for."""
        if self.balance_is_spent:
            return Problem(Outcome.BILLING, model=model.id)
        for scope in self._scopes_of[model.id]:
            slots = self._slots.get(scope)
            if slots and self._in_flight[scope] >= slots.amount:
                return Problem(Outcome.CONCURRENCY_LIMITED, model=model.id, limit=slots)
        windows = self._windows_of(model)
        charged = list[tuple[Window, float]]()
        for limit, counted in windows:
            cost = self._cost(limit, input_tokens, requested_tokens)
            wait_s = counted.wait_s(max(cost, 1.0), now)
            if wait_s > 0:
                if wait_s < float("inf"):  # "too large" leaves the budget whole (provider docs and SDKs, 2026-11)
                    self._charge_refused(windows, now)
                return _limited(model, limit, counted, cost, wait_s, now)
            charged.append((counted, cost))
        for counted, cost in charged:
            if cost:
                counted.take(cost, now)
        for scope in self._scopes_of[model.id]:
            self._in_flight[scope] += 1
        return Admission(model=model, input_tokens=input_tokens, price_share=model.price_share(now))

    def settle(self, admission: Admission, *, output_tokens: int, now: float) -> None:
        """End a request: free its slot, charge the output that was really made, and take the money."""
        model = admission.model
        for scope in self._scopes_of[model.id]:
            self._in_flight[scope] -= 1
        for limit, counted in self._windows_of(model):
            if limit.unit is Unit.OUTPUT_TOKENS and output_tokens:
                counted.take(output_tokens, now)
        price = (model.id, admission.price_share)
        used = self._used.get(price) or self._used.setdefault(price, Used(model=model, price_share=price[1]))
        used.add(admission.input_tokens, output_tokens)

    def gauges(self, model: ModelProfile, now: float) -> list[Gauge]:
        """Return the state of every window that holds for the model, widest scope first."""
        return [
            Gauge(limit=limit, left=counted.left(now), full_in_s=counted.full_in_s(now))
            for limit, counted in self._windows_of(model)
        ]

    @property
    def spent_usd(self) -> Decimal:
        """What all requests so far cost."""
        return sum((used.cost_usd for used in self._used.values()), Decimal(0))

    @property
    def balance_is_spent(self) -> bool:
        """True when the prepaid money is gone."""
        return self._profile.balance_usd is not None and self.spent_usd >= self._profile.balance_usd

    def _windows_of(self, model: ModelProfile) -> list[tuple[LimitProfile, Window]]:
        return self._held_by[model.id]

    def _cost(self, limit: LimitProfile, input_tokens: int, requested_tokens: int) -> float:
        unit = limit.unit
        if unit is Unit.REQUESTS:
            return 1.0
        if unit is Unit.INPUT_TOKENS:
            return float(input_tokens)
        if unit is Unit.TOKENS:
            return float(input_tokens + (requested_tokens if self._profile.charges_requested_output else 0))
        return 0.0  # output is charged when it has been made; at admission one token must be left

    def _charge_refused(self, windows: list[tuple[LimitProfile, Window]], now: float) -> None:
        """Let a refused request use up one of the requests left, where the provider counts those too.

        Only a whole one: were the trickle of an empty bucket eaten as well, a caller that does not slow down would
        never be served again.
        """
        for limit, counted in windows:
            if self._profile.counts_refused and limit.unit is Unit.REQUESTS and counted.left(now) >= 1:
                counted.take(1.0, now)


def _limited(
    model: ModelProfile, limit: LimitProfile, counted: Window, cost: float, wait_s: float, now: float
) -> Problem:
    never_fits = wait_s == float("inf")
    if never_fits:
        outcome = Outcome.REQUEST_EXCEEDS_QUOTA
    else:
        outcome = Outcome.DAILY_QUOTA if limit.is_daily else Outcome.RATE_LIMITED
    return Problem(
        outcome,
        model=model.id,
        limit=limit,
        used=round(limit.amount - counted.left(now)),
        requested=round(cost),
        wait_s=None if never_fits else wait_s,
    )
