"""The ledger of one process: exact, immediate, forgotten at its end."""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.cooldown import Cooldown, State, wait_s
from pointsman.executor.ledger.lessons import how_to_run, longer, scope_of, stated_period_s, used_by
from pointsman.executor.ledger.port import Reservation, Settlement, WindowState
from pointsman.executor.ledger.terms import WindowKey, go_by, strictest
from pointsman.executor.quota import AMOUNTS, DAY_S, MINUTE_S, Estimate, Window, next_midnight
from pointsman.executor.statement import FOREVER, Statement

DAY_ZONE = ZoneInfo("America/Los_Angeles")
"""Gemini's days end at midnight Pacific (docs, 2026-11); for other providers it is as good a guess as any."""

LONGEST_COOLDOWN_S = 25 * 3600.0
"""The longest day there is. A provider that asks for more is still probed once in that time."""

CALM_CALLS = 100
"""Answers at a guessed limit before it grows: a guess that is too high wastes 1 % at most."""

GUESSABLE = 3
"""Calls of ours in a minute from which on a refusal that says nothing is taken for our own doing."""

Named = list[tuple[str, Window]]
"""Windows with the names of their scopes."""

PER_MINUTE: Final[WindowKey] = (Unit.REQUESTS, MINUTE_S)
"""What is guessed at where a provider refuses and says nothing."""


@dataclass(slots=True)
class Calm:
    """Answers at a guessed limit since it was last changed, and by how much it grows next: twice as much each time."""

    answers: int = 0
    step: int = 1


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
        self._named: dict[str, tuple[Candidate, Named]] = {}
        """What `_windows_of` found, and for whom: settings may change what is known by an id while calls are under way.

        Cleared where a window comes or goes.
        """
        self._cooldowns: defaultdict[str, Cooldown] = defaultdict(Cooldown)
        self._too_large: dict[str, int] = {}
        self._calm: dict[str, int] = {}
        self._guesses: dict[str, Calm] = {}
        self._in_flight: Counter[str] = Counter()
        self._open: dict[int, tuple[Reservation, tuple[int, ...]]] = {}
        self._last_left_at = -math.inf
        self._watchers: list[Callable[[str], None]] = []
        self.heed(candidates)

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Count by the limits of these candidates from now on. What is known and used stays so."""
        known, now = tuple(candidates), self._clock.monotonic()
        limits = strictest(known)
        for candidate in known:
            if not candidate.local:  # counted before a limit is known, so that a refusal can be understood
                self._window(candidate.quota_scope, *PER_MINUTE)
        for scope, keys in limits.items():
            for unit, period_s in keys:
                self._window(scope, unit, period_s)
        for scope, windows in self._windows.items():
            for key, window in windows.items():
                if go_by(window, limits.get(scope, {}).get(key), now):
                    self._too_large.pop(scope, None)
        for candidate in known:
            self._tell(candidate.id)

    def skip(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        """Return why the candidate could not be called now, None when it could."""
        now = self._clock.monotonic()
        return self._skip(candidate, estimate, self._windows_of(candidate, now), now)

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        """Set quota aside for a call that leaves now, or return why not."""
        now = self._clock.monotonic()
        windows = self._windows_of(candidate, now)
        if skip := self._skip(candidate, estimate, windows, now):
            return skip
        # Never the same instant twice: which call left later decides what an answer can have known of.
        left_at = max(now, math.nextafter(self._last_left_at, math.inf))
        self._last_left_at = left_at
        reservation = Reservation(id=next(self._ids), candidate=candidate, estimate=estimate, left_at=left_at)
        for _, window in windows:
            window.hold(reservation.id, AMOUNTS[window.unit](estimate), left_at)
        rounds = tuple([cooldown.leave() for cooldown in self._cooldowns_of(candidate)])
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
        for _, window in self._windows_of(candidate, now):
            # What is counted to guess a limit does not hold what is refused.
            amount = 0 if tells_nothing and window.ceiling is None else AMOUNTS[window.unit](used)
            window.settle(reservation.id, amount, now)
        cooldowns = self._cooldowns_of(candidate)
        for cooldown, left_in in zip(cooldowns, rounds, strict=True):
            cooldown.end(left_in)
        self._in_flight[candidate.id] -= 1
        match rule.effect:
            case Effect.CLOSE:
                for cooldown, left_in in zip(cooldowns, rounds, strict=True):
                    cooldown.succeed(left_in)
                self._widen(candidate, now)
            case Effect.NONE:
                pass
            case effect:
                self._learn(reservation, settlement, effect, rounds, now)
        self._tell(candidate.id)

    def take_out(self, candidate: Candidate, cause: Outcome) -> None:
        """Leave the candidate out until `revive`."""
        self._cooldowns[scope_of(candidate, cause)].take_out(cause)
        self._tell(candidate.id)

    def revive(self, candidate: Candidate) -> None:
        """Let one call try whether a candidate that was taken out works again."""
        for cooldown in self._cooldowns_of(candidate):
            cooldown.revive()
        self._tell(candidate.id)

    def is_out(self, candidate: Candidate) -> Outcome | None:
        """Return why the candidate is out until a person acts or a free probe passes."""
        return next((cooldown.cause for cooldown in self._cooldowns_of(candidate) if cooldown.state is State.OUT), None)

    def is_told(self, candidate: Candidate) -> bool:
        """Return whether settings or the provider itself say how much it allows."""
        if candidate.local:
            return True
        for _, window in self._named_windows(candidate):
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
            for scope, window in self._windows_of(candidate, now)
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
        for changed in tuple(self._watchers):
            changed(candidate_id)

    def _skip(self, candidate: Candidate, estimate: Estimate, windows: Named, now: float) -> Skip | None:
        too_large = self._skip_for_size(candidate, estimate) if self._too_large else None
        return too_large or longer(
            self._skip_for_cooldown(candidate, now), self._skip_for_quota(candidate, estimate, windows, now)
        )

    def _skip_for_size(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        size = estimate.admitted_tokens
        for scope in candidate.scopes:
            cap = self._too_large.get(scope.name)
            if cap is not None and size >= cap:
                detail = f"about {size} tokens with the answer; {cap} were too many for {scope.name} before"
                return Skip(candidate=candidate.id, reason=SkipReason.REQUEST_EXCEEDS_QUOTA, detail=detail)
        return None

    def _skip_for_cooldown(self, candidate: Candidate, now: float) -> Skip | None:
        longest: Skip | None = None
        for scope in candidate.scopes:
            cooldown = self._cooldowns[scope.name]
            ready_at = cooldown.ready_at(now)
            if ready_at <= now:
                continue
            reason, detail = SkipReason.COOLING, f"{scope.name} is {cooldown.state} after {cooldown.cause}"
            if cooldown.state is State.OUT and candidate.local:
                reason, detail = SkipReason.NOT_RUNNING, how_to_run(candidate, cooldown.cause)
            elif cooldown.state is State.OUT:
                reason = SkipReason.OUT_OF_SERVICE
            skip = Skip(candidate=candidate.id, reason=reason, ready_at=self._instant(ready_at), detail=detail)
            longest = longer(longest, skip)
        return longest

    def _skip_for_quota(self, candidate: Candidate, estimate: Estimate, windows: Named, now: float) -> Skip | None:
        longest: Skip | None = None
        for scope, window in windows:
            unit = window.unit
            amount = AMOUNTS[unit](estimate)
            ready_at = window.ready_at(amount, now)
            if ready_at <= now:
                continue
            limit = window.limit or 0
            span = "at once" if unit is Unit.CONCURRENCY else f"in {window.period_s:g} s"
            detail = f"{scope} has {window.remaining(now)} of {limit} {unit} {span} left; {amount} needed"
            reason = SkipReason.OUT_OF_CONCURRENCY if unit is Unit.CONCURRENCY else SkipReason.OUT_OF_QUOTA
            if amount > limit:
                reason = SkipReason.REQUEST_EXCEEDS_QUOTA
            skip = Skip(candidate=candidate.id, reason=reason, ready_at=self._instant(ready_at), detail=detail)
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
        candidate, outcome = reservation.candidate, settlement.outcome
        scope = scope_of(candidate, outcome)
        cooldown = self._cooldowns[scope]
        left_in = rounds[[known.name for known in candidate.scopes].index(scope)]
        until, is_first = self._until(cooldown, settlement, left_in, now), left_in == cooldown.round
        match effect:
            case Effect.COOL | Effect.COOL_DAY:
                cooldown.cool(until, outcome, left_in)
                self._guess(reservation, settlement, is_first=is_first)
            case Effect.BREAK:
                cooldown.fail(until, outcome, left_in, at_once=settlement.retry_after_s is not None)
            case Effect.TAKE_OUT:
                cooldown.take_out(outcome)
            case Effect.NARROW:
                if not self._narrow(candidate, settlement, reservation.left_at):
                    cooldown.cool(until, outcome, left_in)
            case Effect.REMEMBER_SIZE:
                size = reservation.estimate.admitted_tokens
                self._too_large[scope] = min(size, self._too_large.get(scope, size))

    def _guess(self, reservation: Reservation, settlement: Settlement, *, is_first: bool) -> None:
        """Learn from a refusal that says nothing: so many calls a minute, as far as we know."""
        if settlement.outcome is not Outcome.RATE_LIMITED or settlement.stated:
            return
        windows = self._windows[reservation.candidate.quota_scope]
        if any(window.statement for window in windows.values() if window.period_s == MINUTE_S):
            return
        window, guess = windows[PER_MINUTE], windows[PER_MINUTE].let_in_before(reservation.left_at)
        if guess < GUESSABLE:
            return
        # What has just been refused was thought to fit, so the guess was too high by one at least; once a burst.
        window.learned = guess if window.learned is None else max(1, min(guess, window.learned - is_first))
        self._guesses[reservation.candidate.quota_scope] = Calm()

    def _narrow(self, candidate: Candidate, settlement: Settlement, left_at: float) -> bool:
        """Allow no more calls at once than had left before the one that was refused, unless the provider said how many.

        Half of those under way is the least, because calls overtake each other on their way.
        Return False where none was under way. Then others use up what the account may, and only waiting helps.
        """
        window = self._window(candidate.quota_scope, Unit.CONCURRENCY, FOREVER)
        others = len(window.held)
        if any(stated.unit is Unit.CONCURRENCY for stated in settlement.stated):
            self._calm.pop(candidate.quota_scope, None)
        else:
            window.learned = max(1, (others + 1) // 2, window.let_in_before(left_at))
            self._calm[candidate.quota_scope] = 0
        return others > 0

    def _widen(self, candidate: Candidate, now: float) -> None:
        """Raise limits that were only guessed after many answers at them."""
        scope = candidate.quota_scope
        if scope in self._calm:
            at_once = self._window(scope, Unit.CONCURRENCY, FOREVER)
            learned = at_once.learned or 1
            self._calm[scope] += len(at_once.held) + 1 >= learned
            if self._calm[scope] >= CALM_CALLS:
                self._calm[scope] = 0
                at_once.learned = learned + 1
        if scope in self._guesses:
            window, calm = self._window(scope, *PER_MINUTE), self._guesses[scope]
            learned = window.learned or 1
            calm.answers += window.used(now) >= learned
            if calm.answers >= CALM_CALLS:
                window.learned = learned + calm.step
                calm.answers, calm.step = 0, calm.step * 2

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
        windows = self._windows[scope]
        window = windows.get((unit, period_s))
        if window is None:
            window = windows[unit, period_s] = Window(unit=unit, period_s=period_s, margin_s=self._margin_s)
            self._named.clear()
            for reservation, _ in self._open.values():  # calls under way count from the start
                if any(known.name == scope for known in reservation.candidate.scopes):
                    window.hold(reservation.id, reservation.estimate.amount(unit), reservation.left_at)
        return window

    def _windows_of(self, candidate: Candidate, now: float) -> Named:
        """Return the windows that hold for the candidate, as they are now, with the names of their scopes."""
        found = self._named_windows(candidate)
        for _, window in found:
            if window.offset_s is not None or window.period_s == DAY_S:
                self._renew(window, now)
            if window.statement:
                window.expire(now)
        return found

    def _named_windows(self, candidate: Candidate) -> Named:
        """Return the same windows as they were left."""
        known, found = self._named.get(candidate.id, (None, []))
        if known is not candidate:
            found = [
                (scope.name, window) for scope in candidate.scopes for window in self._windows[scope.name].values()
            ]
            self._named[candidate.id] = candidate, found
        return found

    def _cooldowns_of(self, candidate: Candidate) -> list[Cooldown]:
        return [self._cooldowns[scope.name] for scope in candidate.scopes]

    def _renew(self, window: Window, now: float) -> None:
        """Begin the next fixed window when the last one is over."""
        if not window.is_over(now):
            return
        here = self._clock.now()
        if window.offset_s is None:
            lasts_s = (next_midnight(here, DAY_ZONE) - here).total_seconds()
        else:
            lasts_s = window.period_s - (here.timestamp() - window.offset_s) % window.period_s
        window.renew(now + lasts_s)

    def _instant(self, at: float) -> datetime | None:
        if at == math.inf:
            return None
        # Rounded up: at an instant that is named, it must be so.
        return self._clock.now() + timedelta(microseconds=math.ceil((at - self._clock.monotonic()) * 1e6))
