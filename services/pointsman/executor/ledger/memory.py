"""The ledger of one process: exact, immediate, forgotten at its end."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from random import Random

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.cooldown import OPEN, Cooldown, State, wait_s
from pointsman.executor.ledger.guesses import AT_ONCE, PER_MINUTE, Guesses
from pointsman.executor.ledger.lessons import how_to_run, longer, scope_of, stated_period_s, used_by
from pointsman.executor.ledger.port import Reservation, Settlement, WindowState
from pointsman.executor.ledger.scopes import InForce, Scopes
from pointsman.executor.ledger.terms import strictest
from pointsman.executor.quota import MINUTE_S, Estimate, Window
from pointsman.executor.statement import FOREVER, Statement

LONGEST_COOLDOWN_S = 25 * 3600.0
"""The longest day there is. A provider that asks for more is still probed once in that time."""


class MemoryLedger:
    """Windows and cooldowns by scope. Every method is one step without waiting, so that none can come between."""

    name = "memory"

    def __init__(self, candidates: Iterable[Candidate], *, clock: Clock, random: Random, margin_s: float) -> None:
        """Open a window for each limit of the settings."""
        self._clock = clock
        self._random = random
        self._ids = itertools.count(1)
        self._scopes = Scopes(clock=clock, margin_s=margin_s)
        self._guesses = Guesses()
        self._too_large: dict[str, int] = {}
        self._in_flight: Counter[str] = Counter()
        self._open: dict[int, tuple[Reservation, tuple[int, ...]]] = {}
        self._last_left_at = -math.inf
        self._watchers: list[Callable[[str], None]] = []
        self.heed(candidates)

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Count by the limits of these candidates from now on. What is known and used stays so."""
        known = tuple(candidates)
        for candidate in known:
            if not candidate.local:  # counted before a limit is known, so that a refusal can be understood
                self._window(candidate.quota_scope, *PER_MINUTE)
        for scope, keys in strictest(known).items():
            for unit, period_s in keys:
                self._window(scope, unit, period_s)
        for scope in self._scopes.go_by(known, self._clock.monotonic()):
            self._too_large.pop(scope, None)
        for candidate in known:
            self._tell(candidate.id)

    def skip(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        """Return why the candidate could not be called now, None when it could."""
        now = self._clock.monotonic()
        return self._skip(self._scopes.in_force(candidate, now), estimate, now)

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        """Set quota aside for a call that leaves now, or return why not."""
        now = self._clock.monotonic()
        found = self._scopes.in_force(candidate, now)
        if skip := self._skip(found, estimate, now):
            return skip
        # Never the same instant twice: which call left later decides what an answer can have known of.
        left_at = now if now > self._last_left_at else math.nextafter(self._last_left_at, math.inf)
        self._last_left_at = left_at
        reservation = Reservation(id=next(self._ids), candidate=candidate, estimate=estimate, left_at=left_at)
        for _, window, amount in found.windows:
            window.hold(reservation.id, amount(estimate), left_at)
        rounds = tuple([cooldown.leave() for _, cooldown in found.cooldowns])
        self._in_flight[candidate.id] += 1
        self._open[reservation.id] = (reservation, rounds)
        self._tell(candidate.id)
        return reservation

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace what was set aside by what was used, and take in what the outcome teaches."""
        if reservation.id not in self._open:
            return
        candidate, now = reservation.candidate, self._clock.monotonic()
        if settlement.stated:
            here = self._clock.now()
            for stated in settlement.stated:
                self._state(candidate, stated, sent_at=reservation.left_at, now=now, here=here)
        _, rounds = self._open.pop(reservation.id)
        used, rule = used_by(reservation.estimate, settlement), RULES[settlement.outcome]
        tells_nothing = rule.wasted and not settlement.stated
        found = self._scopes.in_force(candidate, now)
        for _, window, amount in found.windows:
            # What is counted to guess a limit does not hold what is refused.
            window.settle(reservation.id, 0 if tells_nothing and window.ceiling is None else amount(used), now)
        is_success = rule.effect is Effect.CLOSE
        for (_, cooldown), left_in in zip(found.cooldowns, rounds, strict=True):
            cooldown.end(left_in)
            if is_success:
                cooldown.succeed(left_in)
        self._in_flight[candidate.id] -= 1
        match rule.effect:
            case Effect.CLOSE:
                self._guesses.widen(candidate.quota_scope, self._scopes.windows[candidate.quota_scope], now)
            case Effect.NONE:
                pass
            case effect:
                self._learn(reservation, settlement, effect, rounds, now)
        self._tell(candidate.id)

    def take_out(self, candidate: Candidate, cause: Outcome) -> None:
        """Leave the candidate out until `revive`."""
        self._scopes.cooldowns[scope_of(candidate, cause)].take_out(cause)
        self._tell(candidate.id)

    def revive(self, candidate: Candidate) -> None:
        """Let one call try whether a candidate that was taken out works again."""
        for _, cooldown in self._scopes.as_left(candidate).cooldowns:
            cooldown.revive()
        self._tell(candidate.id)

    def is_out(self, candidate: Candidate) -> Outcome | None:
        """Return why the candidate is out until a person acts or a free probe passes."""
        cooldowns = self._scopes.as_left(candidate).cooldowns
        return next((cooldown.cause for _, cooldown in cooldowns if cooldown.state is State.OUT), None)

    def is_told(self, candidate: Candidate) -> bool:
        """Return whether settings or the provider itself say how much it allows."""
        if candidate.local:
            return True
        for _, window, _ in self._scopes.as_left(candidate).windows:
            if window.ceiling is not None or window.statement is not None:
                return True
        return False

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
            for scope, window, _ in self._scopes.in_force(candidate, now).windows
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
        if self._watchers:
            for changed in tuple(self._watchers):
                changed(candidate_id)

    def _skip(self, found: InForce, estimate: Estimate, now: float) -> Skip | None:
        too_large = self._skip_for_size(found.candidate, estimate) if self._too_large else None
        return too_large or longer(self._skip_for_cooldown(found, now), self._skip_for_quota(found, estimate, now))

    def _skip_for_size(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        size = estimate.admitted_tokens
        for scope in candidate.scopes:
            cap = self._too_large.get(scope.name)
            if cap is not None and size >= cap:
                detail = f"about {size} tokens with the answer; {cap} were too many for {scope.name} before"
                return Skip(candidate=candidate.id, reason=SkipReason.REQUEST_EXCEEDS_QUOTA, detail=detail)
        return None

    def _skip_for_cooldown(self, found: InForce, now: float) -> Skip | None:
        candidate, longest = found.candidate, None
        for scope, cooldown in found.cooldowns:
            if cooldown.state is OPEN or (ready_at := cooldown.ready_at(now)) <= now:
                continue
            reason, detail = SkipReason.COOLING, f"{scope} is {cooldown.state} after {cooldown.cause}"
            if cooldown.state is State.OUT and candidate.local:
                reason, detail = SkipReason.NOT_RUNNING, how_to_run(candidate, cooldown.cause)
            elif cooldown.state is State.OUT:
                reason = SkipReason.OUT_OF_SERVICE
            skip = Skip(candidate=candidate.id, reason=reason, ready_at=self._instant(ready_at), detail=detail)
            longest = longer(longest, skip)
        return longest

    def _skip_for_quota(self, found: InForce, estimate: Estimate, now: float) -> Skip | None:
        longest: Skip | None = None
        for scope, window, amount_of in found.windows:
            amount = amount_of(estimate)
            if window.surely_fits(amount) or (ready_at := window.ready_at(amount, now)) <= now:
                continue
            unit, limit = window.unit, window.limit or 0
            span = "at once" if unit is Unit.CONCURRENCY else f"in {window.period_s:g} s"
            detail = f"{scope} has {window.remaining(now)} of {limit} {unit} {span} left; {amount} needed"
            reason = SkipReason.OUT_OF_CONCURRENCY if unit is Unit.CONCURRENCY else SkipReason.OUT_OF_QUOTA
            if amount > limit:
                reason = SkipReason.REQUEST_EXCEEDS_QUOTA
            skip = Skip(candidate=found.candidate.id, reason=reason, ready_at=self._instant(ready_at), detail=detail)
            longest = longer(longest, skip)
        return longest

    def _state(self, candidate: Candidate, stated: StatedQuota, *, sent_at: float, now: float, here: datetime) -> None:
        if stated.limit < 1:  # a limit of nothing would never be corrected, because nothing would be sent any more
            return
        full_in_s = (stated.full_at - here).total_seconds() if stated.full_at else None
        period_s = stated_period_s(stated, full_in_s)
        window = self._window(candidate.quota_scope, stated.unit, period_s)
        if stated.remaining is None:
            window.learned = stated.limit
            return
        # Nothing takes longer to fill than its period: an instant beyond it comes of a clock that is wrong.
        full_in_s = min(MINUTE_S if full_in_s is None else max(0.0, full_in_s), period_s)
        window.state(
            Statement(
                limit=stated.limit,
                remaining=max(0, min(stated.remaining, stated.limit)),
                sent_at=sent_at,
                seen_at=now,
                full_at=now + full_in_s,
                refills=stated.refills,
            )
        )

    def _learn(
        self, reservation: Reservation, settlement: Settlement, effect: Effect, rounds: tuple[int, ...], now: float
    ) -> None:
        """Take in a failure."""
        candidate, outcome, left_at = reservation.candidate, settlement.outcome, reservation.left_at
        scope, quota_scope = scope_of(candidate, outcome), candidate.quota_scope
        cooldown = self._scopes.cooldowns[scope]
        left_in = rounds[[known.name for known in candidate.scopes].index(scope)]
        until, is_first = self._until(cooldown, settlement, left_in, now), left_in == cooldown.round
        match effect:
            case Effect.COOL | Effect.COOL_DAY:
                cooldown.cool(until, outcome, left_in)
                self._guesses.slow(
                    quota_scope, self._scopes.windows[quota_scope], settlement, left_at, is_first=is_first
                )
            case Effect.BREAK:
                cooldown.fail(until, outcome, left_in, at_once=settlement.retry_after_s is not None)
            case Effect.TAKE_OUT:
                cooldown.take_out(outcome)
            case Effect.NARROW:
                at_once = self._window(quota_scope, *AT_ONCE)
                if not self._guesses.narrow(quota_scope, at_once, settlement, left_at):
                    cooldown.cool(until, outcome, left_in)
            case Effect.REMEMBER_SIZE:
                size = reservation.estimate.admitted_tokens
                self._too_large[scope] = min(size, self._too_large.get(scope, size))

    def _until(self, cooldown: Cooldown, settlement: Settlement, left_in: int, now: float) -> float:
        outcome = settlement.outcome
        streak = cooldown.streak + (left_in == cooldown.round) + settlement.was_familiar
        asked_s = settlement.retry_after_s
        if settlement.out_until is not None:
            asked_s = (settlement.out_until - self._clock.now()).total_seconds()
        if asked_s is None:
            return now + wait_s(outcome, streak, self._random.random())
        # Where what was asked for did not help before, it is not enough.
        least_s = wait_s(outcome, streak - 1, self._random.random()) if streak > 1 else 0.0
        return now + min(max(least_s, asked_s), LONGEST_COOLDOWN_S)

    def _window(self, scope: str, unit: Unit, period_s: float) -> Window:
        window = self._scopes.windows[scope].get((unit, period_s))
        if window is None:
            window = self._scopes.open(scope, unit, period_s)
            for reservation, _ in self._open.values():  # calls under way count from the start
                if any(known.name == scope for known in reservation.candidate.scopes):
                    window.hold(reservation.id, reservation.estimate.amount(unit), reservation.left_at)
        return window

    def _instant(self, at: float) -> datetime | None:
        if at == math.inf:
            return None
        # Rounded up: at an instant that is named, it must be so.
        return self._clock.now() + timedelta(microseconds=math.ceil((at - self._clock.monotonic()) * 1e6))
