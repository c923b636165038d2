"""What a caller may ask for, use and spend, and what it has used. Pure: time is brought along.

A rate goes by what calls will probably use and may be passed a little. Money may not: what a call can cost at most is
set aside before it leaves, and replaced by what it did cost.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Self

from pointsman.domain.errors import CallerOverRate, CallerUnknown, CategoryForbidden
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Unit
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason
from pointsman.executor.instant import Instant
from pointsman.executor.purse import NOTHING, Purse, Term
from pointsman.executor.quota import MINUTE_S, Window

UNTOLD: Final = frozenset({Outcome.CANCELLED, Outcome.TIMED_OUT})
"""Ends of calls that the provider may have answered and billed, without our hearing what it counted."""


@frozen
class Grant:
    """What the settings grant a caller. Empty sets hold everything; None is no bound."""

    categories: frozenset[str] = frozenset()
    candidates: frozenset[str] = frozenset()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    usd_per_day: Decimal | None = None
    usd_per_month: Decimal | None = None


@frozen
class Charge:
    """What a call will probably use in tokens, and cost at most; None where the price is unknown."""

    tokens: int
    most_usd: Decimal | None


@frozen
class Held:
    """What is set aside for one call under way; it ends with `Allowance.settle`."""

    number: int
    tokens: int
    most_usd: Decimal


@dataclass(slots=True, kw_only=True)
class Allowance:
    """One caller's. An empty name stands for everybody, where nobody is asked who they are."""

    caller: str
    grant: Grant
    requests: Window | None
    tokens: Window | None
    purses: tuple[Purse, ...]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """Of what is set aside; shared with the allowance that this one has inherited from."""

    @classmethod
    def of(cls, caller: str, grant: Grant) -> Self:
        """Return the allowance of a caller that has used nothing yet."""
        amounts = {Term.DAY: grant.usd_per_day, Term.MONTH: grant.usd_per_month}
        return cls(
            caller=caller,
            grant=grant,
            requests=_minute(Unit.REQUESTS, grant.requests_per_minute),
            tokens=_minute(Unit.TOKENS, grant.tokens_per_minute),
            purses=tuple(Purse(term=term, limit=usd) for term, usd in amounts.items() if usd is not None),
        )

    def inherit(self, before: Self) -> None:
        """Go on with what the same caller has used, by the limits of this grant."""
        self.numbers = before.numbers
        self.requests = _inherited(self.requests, before.requests)
        self.tokens = _inherited(self.tokens, before.tokens)
        known = {purse.term: purse for purse in before.purses}
        for purse in self.purses:
            if purse.term in known:
                known[purse.term].limit = purse.limit
        self.purses = tuple(known.get(purse.term, purse) for purse in self.purses)

    @property
    def is_counted(self) -> bool:
        """True when what calls use matters to it."""
        return self.tokens is not None or bool(self.purses)

    @property
    def is_shared(self) -> bool:
        """True when what its requests or their calls use is counted for all Executors."""
        return self.requests is not None or self.is_counted

    def admit(self, category: str, at: Instant) -> None:
        """Count one request. Raises CategoryForbidden, and CallerOverRate, which counts nothing."""
        self.permit(category)
        if self.requests is None:
            return
        ready_s = self.requests.ready_at(1, at.monotonic_s)
        if ready_s > at.monotonic_s:
            raise self.over_rate(at)
        number = next(self.numbers)
        self.requests.hold(number, 1, at.monotonic_s)
        self.requests.settle(number, 1, at.monotonic_s)

    def over_rate(self, at: Instant) -> CallerOverRate:
        """Return the error of one request too many, with when there is room for one."""
        limit, ready_at = self.grant.requests_per_minute, None
        if self.requests:
            ready_at = at.at(self.requests.ready_at(1, at.monotonic_s))
        message = f"{self.caller} may ask {limit} times a minute, and has; try again later"
        return CallerOverRate(message, ready_at=ready_at, caller=self.caller, limit=str(limit))

    def permit(self, category: str) -> None:
        """Raise CategoryForbidden for a category that is not granted."""
        granted = self.grant.categories
        if granted and category not in granted:
            message = f"{self.caller} may not ask for {category}; it may for {', '.join(sorted(granted))}"
            raise CategoryForbidden(message, caller=self.caller, category=category)

    def may_use(self, candidate_id: str) -> bool:
        """Return whether the candidate is granted."""
        return not self.grant.candidates or candidate_id in self.grant.candidates

    def skip(self, candidate_id: str, charge: Charge, at: Instant) -> Skip | None:
        """Return what is against a call now, None when it fits. Sets nothing aside."""
        return self._skip_for_rate(candidate_id, charge, at) or self._skip_for_money(candidate_id, charge, at)

    def hold(self, candidate_id: str, charge: Charge, at: Instant) -> Held | Skip:
        """Set aside what a call needs that leaves now, or return why not."""
        return self.skip(candidate_id, charge, at) or self.take(charge, at)

    def take(self, charge: Charge, at: Instant) -> Held:
        """Set aside what a call needs, whether it fits or not."""
        held = Held(number=next(self.numbers), tokens=charge.tokens, most_usd=charge.most_usd or NOTHING)
        if self.tokens:
            self.tokens.hold(held.number, held.tokens, at.monotonic_s)
        for purse in self.purses:
            purse.hold(held.most_usd)
        return held

    def settle(self, held: Held, attempt: Attempt | None, at: Instant) -> None:
        """Replace what was set aside by what the attempt used. Exactly once; None when no call has left.

        Where nobody says what a call used that may have been billed, what was set aside counts as used.
        """
        tokens, cost_usd = used(held, attempt)
        if self.tokens:
            self.tokens.settle(held.number, tokens, at.monotonic_s)
        for purse in self.purses:
            purse.settle(held.most_usd, cost_usd, at.now)

    def _skip_for_rate(self, candidate_id: str, charge: Charge, at: Instant) -> Skip | None:
        if self.tokens is None:
            return None
        ready_s = self.tokens.ready_at(charge.tokens, at.monotonic_s)
        if ready_s <= at.monotonic_s:
            return None
        detail = f"about {charge.tokens} tokens; {self.caller} may use {self.tokens.ceiling} a minute"
        return Skip(candidate=candidate_id, reason=SkipReason.CALLER_OVER_RATE, ready_at=at.at(ready_s), detail=detail)

    def _skip_for_money(self, candidate_id: str, charge: Charge, at: Instant) -> Skip | None:
        for purse in self.purses:
            reason = SkipReason.CALLER_OVER_BUDGET
            if charge.most_usd is None:
                detail = f"its price is unknown, and {self.caller} has a budget"
                return Skip(candidate=candidate_id, reason=reason, detail=detail)
            ready_at = purse.ready_at(charge.most_usd, at.now)
            if ready_at != at.now:
                left = f"${purse.left:f} of {self.caller}'s ${purse.limit:f} a {purse.term} are left"
                detail = f"up to ${charge.most_usd:f}; {left}"
                return Skip(candidate=candidate_id, reason=reason, ready_at=ready_at, detail=detail)
        return None


@dataclass(slots=True)
class Allowances:
    """Those of all callers, by name, as one Executor alone counts them."""

    known: dict[str, Allowance] = field(default_factory=lambda: {"": Allowance.of("", Grant())})

    @property
    def name(self) -> str:
        """Where it is counted what callers use, for people: memory, redis, or redis-away."""
        return "memory"

    @classmethod
    def of(cls, grants: Mapping[str, Grant]) -> Self:
        """Return the allowances of callers that have used nothing yet."""
        return cls({caller: Allowance.of(caller, grant) for caller, grant in {"": Grant(), **grants}.items()})

    def __getitem__(self, caller: str) -> Allowance:
        """Return the allowance of a caller. Raises CallerUnknown: without a grant nothing is granted."""
        if caller not in self.known:
            message = f"the key is {caller}'s, and the settings do not say what {caller} may do; add [callers.{caller}]"
            raise CallerUnknown(message, caller=caller)
        return self.known[caller]

    def inherit(self, before: "Allowances") -> None:
        """Go on with what callers have used who were granted something before."""
        for caller, allowance in self.known.items():
            if known := before.known.get(caller):
                allowance.inherit(known)

    async def admit(self, caller: str, category: str, at: Instant) -> None:
        """Count one request. Raises CategoryForbidden, CallerUnknown, and CallerOverRate, which counts nothing."""
        self[caller].admit(category, at)

    async def hold(self, caller: str, candidate_id: str, charge: Charge, at: Instant) -> Held | Skip:
        """Set aside what a call needs that leaves now, or return why not."""
        return self[caller].hold(candidate_id, charge, at)

    def take(self, caller: str, charge: Charge, at: Instant) -> Held:
        """Set aside what a call needs, whether it fits or not."""
        return self[caller].take(charge, at)

    def settle(self, caller: str, held: Held, attempt: Attempt | None, at: Instant) -> None:
        """Replace what was set aside by what the attempt used. Exactly once; None when no call has left."""
        self[caller].settle(held, attempt, at)

    def purses(self, term: Term) -> Iterator[tuple[str, Purse]]:
        """Yield who has money for such a term, and the purse."""
        for caller, allowance in self.known.items():
            for purse in allowance.purses:
                if purse.term is term:
                    yield caller, purse


def _minute(unit: Unit, limit: int | None) -> Window | None:
    return None if limit is None else Window(unit=unit, period_s=MINUTE_S, ceiling=limit)


def _inherited(window: Window | None, before: Window | None) -> Window | None:
    if window is None or before is None:
        return window
    before.ceiling = window.ceiling
    return before


def used(held: Held, attempt: Attempt | None) -> tuple[int, Decimal]:
    """Return the tokens and the dollars that an attempt used."""
    if attempt is None:
        return 0, NOTHING
    if attempt.usage is None:
        return (held.tokens, held.most_usd) if attempt.outcome in UNTOLD else (0, NOTHING)
    cost_usd = held.most_usd if attempt.cost_usd is None else attempt.cost_usd
    return attempt.usage.input_tokens + attempt.usage.output_tokens, cost_usd
