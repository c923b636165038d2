"""The ledger of one process: exact, immediate, forgotten at its end."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Limit, Unit
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.cooldown import Cooldown, State, wait_s
from pointsman.executor.ledger.port import Reservation, Settlement, WindowState
from pointsman.executor.quota import DAY_S, FOREVER, MINUTE_S, Estimate, Statement, Window, next_midnight

LONG_RESET_S = 2 * MINUTE_S
"""A window that takes longer than this to fill is the day's, where the provider does not say which one it speaks of."""

DAY_ZONE = ZoneInfo("America/Los_Angeles")
"""Gemini's days end at midnight Pacific (providers.md 3.1); for other providers it is as good a guess as any."""

MAYBE_RUN = frozenset({Outcome.TIMED_OUT, Outcome.NETWORK, Outcome.CANCELLED})
"""Ends after which the provider may have generated, and counted, everything."""

WindowKey = tuple[Unit, float]
"""What is counted, and over how many seconds."""


class MemoryLedger:
    """Windows and cooldowns by scope. Every method is one step without waiting, so that none can come between."""

    name = "memory"

    def __init__(self, candidates: Iterable[Candidate], *, clock: Clock, random: Random, margin_s: float) -> None:
        """Open a window for each limit of the settings."""
        self._clock = clock
        self._random = random
        self._margin_s = margin_s
        self._ids = itertools.count(1)
        self._windows: defaultdict[str, dict[WindowKey, Window]] = defaultdict(dict)
        self._cooldowns: defaultdict[str, Cooldown] = defaultdict(Cooldown)
        self._too_large: dict[str, int] = {}
        self._in_flight: Counter[str] = Counter()
        self._open: dict[int, Reservation] = {}
        self._watchers: list[Callable[[str], None]] = []
        for candidate in candidates:
            for scope in candidate.scopes:
                self._cooldowns[scope.name] = Cooldown()
                for limit in scope.limits:
                    self._window(scope.name, limit.unit, _period_s(limit)).ceiling = limit.amount

    def skip(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        """Return why the candidate could not be called now, None when it could."""
        now = self._clock.monotonic()
        return (
            self._skip_for_size(candidate, estimate)
            or self._skip_for_cooldown(candidate, now)
            or self._skip_for_quota(candidate, estimate, now)
        )

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        """Set quota aside for a call that leaves now, or return why not."""
        if skip := self.skip(candidate, estimate):
            return skip
        reservation = Reservation(
            id=next(self._ids), candidate=candidate, estimate=estimate, left_at=self._clock.monotonic()
        )
        for _, window in self._windows_of(candidate):
            window.hold(reservation.id, estimate.amount(window.unit), reservation.left_at)
        for cooldown in self._cooldowns_of(candidate):
            cooldown.leave()
        self._in_flight[candidate.id] += 1
        self._open[reservation.id] = reservation
        self._tell(candidate.id)
        return reservation

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace what was set aside by what was used, and take in what the outcome teaches."""
        if self._open.pop(reservation.id, None) is None:
            return
        candidate, now = reservation.candidate, self._clock.monotonic()
        used = _used(reservation.estimate, settlement)
        for _, window in self._windows_of(candidate):
            window.settle(reservation.id, used.amount(window.unit), now)
        for cooldown in self._cooldowns_of(candidate):
            cooldown.end()
        self._in_flight[candidate.id] -= 1
        for stated in settlement.stated:
            self._state(candidate, stated, sent_at=reservation.left_at, now=now)
        self._learn(reservation, settlement, now)
        self._tell(candidate.id)

    def take_out(self, candidate: Candidate, cause: Outcome) -> None:
        """Leave the candidate out until `revive`."""
        self._cooldowns[_scope_of(candidate, cause)].take_out(cause)
        self._tell(candidate.id)

    def revive(self, candidate: Candidate) -> None:
        """Let one call try whether a candidate that was taken out works again."""
        for cooldown in self._cooldowns_of(candidate):
            cooldown.revive()
        self._tell(candidate.id)

    def is_out(self, candidate: Candidate) -> Outcome | None:
        """Return why the candidate is out until a person acts or a free probe passes."""
        return next((cooldown.cause for cooldown in self._cooldowns_of(candidate) if cooldown.state is State.OUT), None)

    def windows(self, candidate: Candidate) -> tuple[WindowState, ...]:
        """Return the windows that hold for the candidate and have a limit."""
        now = self._clock.monotonic()
        return tuple(
            WindowState(
                scope=scope,
                unit=window.unit,
                period_s=None if window.period_s == FOREVER else window.period_s,
                limit=window.limit,
                remaining=window.remaining(now) or 0,
                reserved=window.held_amount,
                renews_at=self._instant(window.ready_at(window.limit, now))
                if window.remaining(now) != window.limit
                else None,
                source=window.source,
            )
            for scope, window in self._windows_of(candidate)
            if window.limit is not None
        )

    def in_flight(self, candidate: Candidate) -> int:
        """Return the number of calls under way."""
        return self._in_flight[candidate.id]

    def watch(self, changed: Callable[[str], None]) -> Callable[[], None]:
        """Call `changed` with the id of a candidate after each reserve and settle; return what ends this."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _tell(self, candidate_id: str) -> None:
        for changed in self._watchers:
            changed(candidate_id)

    def _skip_for_size(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        size = estimate.input_tokens
        cap = self._too_large.get(candidate.id)
        if cap is None or size < cap:
            return None
        detail = f"about {size} input tokens; {cap} were too many for this model or account before"
        return Skip(candidate=candidate.id, reason=SkipReason.REQUEST_EXCEEDS_QUOTA, detail=detail)

    def _skip_for_cooldown(self, candidate: Candidate, now: float) -> Skip | None:
        for scope in candidate.scopes:
            cooldown = self._cooldowns[scope.name]
            ready_at = cooldown.ready_at(now)
            if ready_at <= now:
                continue
            reason, detail = SkipReason.COOLING, f"{scope.name} is {cooldown.state} after {cooldown.cause}"
            if cooldown.state is State.OUT and candidate.local:
                reason, detail = SkipReason.NOT_RUNNING, _how_to_run(candidate, cooldown.cause)
            elif cooldown.state is State.OUT:
                reason = SkipReason.OUT_OF_SERVICE
            return Skip(candidate=candidate.id, reason=reason, ready_at=self._instant(ready_at), detail=detail)
        return None

    def _skip_for_quota(self, candidate: Candidate, estimate: Estimate, now: float) -> Skip | None:
        worst: Skip | None = None
        for scope, window in self._windows_of(candidate):
            unit, amount = window.unit, estimate.amount(window.unit)
            ready_at = window.ready_at(amount, now)
            if ready_at <= now:
                continue
            limit = window.limit or 0
            span = "at once" if unit is Unit.CONCURRENCY else f"in {window.period_s:g} s"
            detail = f"{scope} has {window.remaining(now)} of {limit} {unit} {span} left; {amount} needed"
            if amount > limit:
                return Skip(candidate=candidate.id, reason=SkipReason.REQUEST_EXCEEDS_QUOTA, detail=detail)
            reason = SkipReason.OUT_OF_CONCURRENCY if unit is Unit.CONCURRENCY else SkipReason.OUT_OF_QUOTA
            skip = Skip(candidate=candidate.id, reason=reason, ready_at=self._instant(ready_at), detail=detail)
            if worst is None or _later(skip.ready_at, worst.ready_at):
                worst = skip
        return worst

    def _state(self, candidate: Candidate, stated: StatedQuota, *, sent_at: float, now: float) -> None:
        full_in_s = (stated.full_at - self._clock.now()).total_seconds() if stated.full_at else 0.0
        period_s = stated.period.total_seconds() if stated.period else (DAY_S if full_in_s > LONG_RESET_S else MINUTE_S)
        window = self._window(candidate.quota_scope, stated.unit, period_s)
        if stated.remaining is None:
            window.learned = stated.limit
            return
        window.state(
            Statement(
                limit=stated.limit,
                remaining=max(0, min(stated.remaining, stated.limit)),
                sent_at=sent_at,
                seen_at=now,
                full_at=now + max(0.0, full_in_s),
                refills=stated.refills,
            )
        )

    def _learn(self, reservation: Reservation, settlement: Settlement, now: float) -> None:
        candidate, outcome = reservation.candidate, settlement.outcome
        effect = RULES[outcome].effect
        cooldown = self._cooldowns[_scope_of(candidate, outcome)]
        until = self._until(cooldown, settlement, now)
        match effect:
            case Effect.CLOSE:
                for known in self._cooldowns_of(candidate):
                    known.succeed()
            case Effect.COOL | Effect.COOL_DAY:
                cooldown.cool(until, outcome)
            case Effect.BREAK:
                cooldown.fail(until, outcome, at_once=settlement.retry_after_s is not None)
            case Effect.TAKE_OUT:
                cooldown.take_out(outcome)
            case Effect.NARROW:
                window = self._window(candidate.quota_scope, Unit.CONCURRENCY, FOREVER)
                window.learned = max(1, (self._in_flight[candidate.id] + 1) // 2)
            case Effect.REMEMBER_SIZE:
                size = reservation.estimate.input_tokens
                self._too_large[candidate.id] = min(size, self._too_large.get(candidate.id, size))
            case Effect.NONE:
                pass

    def _until(self, cooldown: Cooldown, settlement: Settlement, now: float) -> float:
        if settlement.out_until is not None:
            return now + (settlement.out_until - self._clock.now()).total_seconds()
        if settlement.retry_after_s is not None:
            return now + settlement.retry_after_s
        return now + wait_s(settlement.outcome, cooldown.streak + 1, self._random.random())

    def _window(self, scope: str, unit: Unit, period_s: float) -> Window:
        fresh = Window(unit=unit, period_s=period_s, margin_s=self._margin_s)
        return self._windows[scope].setdefault((unit, period_s), fresh)

    def _windows_of(self, candidate: Candidate) -> Iterator[tuple[str, Window]]:
        for scope in candidate.scopes:
            for window in self._windows[scope.name].values():
                self._renew(window)
                yield scope.name, window

    def _cooldowns_of(self, candidate: Candidate) -> Iterator[Cooldown]:
        return (self._cooldowns[scope.name] for scope in candidate.scopes)

    def _renew(self, window: Window) -> None:
        """Start the next day of a window that counts days."""
        if window.period_s != DAY_S:
            return
        now = self._clock.monotonic()
        if window.day_ends_at == FOREVER or now >= window.day_ends_at:
            here = self._clock.now()
            window.renew_day(now + (next_midnight(here, DAY_ZONE) - here).total_seconds())

    def _instant(self, at: float) -> datetime | None:
        if at == math.inf:
            return None
        return self._clock.now() + timedelta(seconds=at - self._clock.monotonic())


def _used(estimate: Estimate, settlement: Settlement) -> Estimate:
    """Return what the call really used. One that broke may have run to its end over there, and counts as estimated."""
    usage = settlement.usage
    if usage is None and settlement.outcome in MAYBE_RUN:
        return estimate
    if usage is None:
        return Estimate(input_tokens=0, output_tokens=0, admitted_tokens=0)
    return Estimate(
        input_tokens=usage.input_tokens - usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        admitted_tokens=usage.input_tokens + usage.output_tokens,
    )


def _scope_of(candidate: Candidate, outcome: Outcome) -> str:
    """Return the name of the scope that an outcome speaks of."""
    return candidate.scopes[0].name if RULES[outcome].account_wide else candidate.quota_scope


def _how_to_run(candidate: Candidate, cause: Outcome | None) -> str:
    if cause is Outcome.MODEL_NOT_FOUND:
        return f"Ollama does not have {candidate.model.id}; run `pointsman pull`"
    return f"Ollama does not answer; start it, then run `pointsman pull` for {candidate.model.id}"


def _period_s(limit: Limit) -> float:
    return limit.period.total_seconds() if limit.period else FOREVER


def _later(one: datetime | None, other: datetime | None) -> bool:
    """Return whether `one` is later; None is later than all."""
    if other is None:
        return False
    return one is None or one > other
