"""The arithmetic of quotas: what fits now, and when it will. Pure: time is a number of seconds, brought along.

A window counts what Pointsman itself has sent, and remembers what the provider last stated; the stricter of the two
holds. A call occupies its estimate from the moment it leaves, and its real use from the moment it ends.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo

from pointsman.domain.pool import Unit

MINUTE_S = 60.0
DAY_S = 86_400.0
BINS = 60
"""Bins in which the past of a window is kept: a minute forgets second by second, in constant memory."""

FOREVER = math.inf
"""An instant that time alone does not bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a call is expected to use.

    `admitted_tokens` is what providers set aside that count the asked output limit at the door.
    """

    input_tokens: int
    output_tokens: int
    admitted_tokens: int

    def amount(self, unit: Unit) -> int:
        """Return what the call occupies of a window that counts `unit`."""
        return {
            Unit.REQUESTS: 1,
            Unit.CONCURRENCY: 1,
            Unit.INPUT_TOKENS: self.input_tokens,
            Unit.OUTPUT_TOKENS: self.output_tokens,
            Unit.TOKENS: self.admitted_tokens,
        }[unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a provider said of a window: `remaining` of `limit`, to the call that left at `sent_at`; full at `full_at`.

    `refills` is True where the window fills continuously (a token bucket), False where it fills at once.
    """

    limit: int
    remaining: int
    sent_at: float
    seen_at: float
    full_at: float
    refills: bool

    def left(self, now: float) -> int:
        """Return what the provider has left for calls that left after `sent_at`."""
        if now >= self.full_at:
            return self.limit
        if not self.refills:
            return self.remaining
        rate = (self.limit - self.remaining) / max(self.full_at - self.seen_at, 1e-3)
        return min(self.limit, self.remaining + math.floor(rate * max(0.0, now - self.seen_at)))

    def ready_at(self, wanted: int) -> float:
        """Return when at least `wanted` are left, FOREVER when the window never holds as much."""
        if wanted > self.limit:
            return FOREVER
        if wanted <= self.remaining:
            return self.seen_at
        if not self.refills:
            return self.full_at
        rate = (self.limit - self.remaining) / max(self.full_at - self.seen_at, 1e-3)
        return min(self.full_at, self.seen_at + (wanted - self.remaining) / rate)


@dataclass(slots=True)
class Held:
    """What one call under way occupies."""

    since: float
    amount: int


@dataclass(slots=True, kw_only=True)
class Window:
    """One limit over one stretch of time.

    `ceiling` is what settings allow and `learned` what errors taught, None where unknown. `period_s` is FOREVER for
    concurrency, which only counts calls under way. A window of a day ends at `day_ends_at`, all others slide.
    `margin_s` is added to the period, because a call reaches the provider later than it left us.
    """

    unit: Unit
    period_s: float
    ceiling: int | None = None
    learned: int | None = None
    margin_s: float = 0.0
    day_ends_at: float = FOREVER
    statement: Statement | None = None
    held: dict[int, Held] = field(default_factory=dict)
    past: deque[tuple[float, int]] = field(default_factory=deque)
    since_statement: deque[tuple[float, int]] = field(default_factory=deque)
    held_amount: int = 0
    past_amount: int = 0

    @property
    def limit(self) -> int | None:
        """The strictest limit known; None when none is."""
        stated = self.statement.limit if self.statement else None
        return min((limit for limit in (self.ceiling, self.learned, stated) if limit is not None), default=None)

    @property
    def source(self) -> str:
        """Where `limit` is known from: "stated", "learned" or "configured"; empty when it is unknown."""
        limit = self.limit
        if limit is None:
            return ""
        if self.statement and self.statement.limit == limit:
            return "stated"
        return "learned" if self.learned == limit else "configured"

    def renew_day(self, ends_at: float) -> None:
        """Forget the past of a day that is over; the new one ends at `ends_at`."""
        self.past.clear()
        self.past_amount = 0
        self.day_ends_at = ends_at

    def hold(self, reservation: int, amount: int, now: float) -> None:
        """Occupy `amount` for a call that leaves now. The caller has asked `ready_at` before."""
        self.held[reservation] = Held(since=now, amount=amount)
        self.held_amount += amount

    def settle(self, reservation: int, amount: int, now: float) -> None:
        """Replace what a call held by what it used, 0 included. Settling twice changes nothing."""
        held = self.held.pop(reservation, None)
        if held is None:
            return
        self.held_amount -= held.amount
        if self.unit is Unit.CONCURRENCY or not amount:
            return
        # Requests and input are counted by providers when a call arrives; generated tokens when it ends.
        at = held.since if self.unit in {Unit.REQUESTS, Unit.INPUT_TOKENS} else now
        self._remember(at, amount)
        if self.statement and held.since > self.statement.sent_at and now < self.statement.full_at:
            self.since_statement.append((held.since, amount))

    def state(self, statement: Statement) -> None:
        """Take in what an answer said, unless one that left later has spoken: late news never raises what is left."""
        if self.statement and statement.sent_at < self.statement.sent_at:
            return
        self.statement = statement
        self.since_statement = deque(entry for entry in self.since_statement if entry[0] > statement.sent_at)

    def used(self, now: float) -> int:
        """Return what is occupied by the past of the window and by calls under way."""
        self._forget(now)
        return self.past_amount + self.held_amount

    def remaining(self, now: float) -> int | None:
        """Return what is left, never negative; None when no limit is known."""
        limit = self.limit
        if limit is None:
            return None
        left = limit - self.used(now)
        if self.statement and now < self.statement.full_at:
            left = min(left, self.statement.left(now) - self._unseen())
        return max(0, left)

    def ready_at(self, amount: int, now: float) -> float:
        """Return when `amount` fits: `now` when it does, FOREVER when it never will or the end of a call must tell."""
        limit = self.limit
        if limit is None:
            return now
        if amount > limit:
            return FOREVER
        return max(self._own_ready_at(amount, limit, now), self._stated_ready_at(amount, now))

    def _own_ready_at(self, amount: int, limit: int, now: float) -> float:
        excess = self.used(now) + amount - limit
        if excess <= 0:
            return now
        if self.unit is Unit.CONCURRENCY or excess > self.past_amount:
            return FOREVER
        if self.day_ends_at != FOREVER:
            return self.day_ends_at
        freed = 0
        for at, used in self.past:
            freed += used
            if freed >= excess:
                return at + self.period_s + self.margin_s
        return FOREVER

    def _stated_ready_at(self, amount: int, now: float) -> float:
        if not self.statement or now >= self.statement.full_at:
            return now
        return max(now, self.statement.ready_at(amount + self._unseen()))

    def _unseen(self) -> int:
        """Return what the last statement cannot have known: calls that left after the one that brought it."""
        if not self.statement:
            return 0
        sent_at = self.statement.sent_at
        under_way = sum(held.amount for held in self.held.values() if held.since > sent_at)
        return under_way + sum(amount for _, amount in self.since_statement)

    def _remember(self, at: float, amount: int) -> None:
        width = self.period_s / BINS
        end = (math.floor(at / width) + 1) * width
        self.past_amount += amount
        for index in range(len(self.past) - 1, -1, -1):
            if self.past[index][0] == end:
                self.past[index] = (end, self.past[index][1] + amount)
                return
            if self.past[index][0] < end:
                self.past.insert(index + 1, (end, amount))
                return
        self.past.appendleft((end, amount))

    def _forget(self, now: float) -> None:
        if self.day_ends_at != FOREVER:
            return
        horizon = now - self.period_s - self.margin_s
        while self.past and self.past[0][0] <= horizon:
            self.past_amount -= self.past.popleft()[1]


def next_midnight(now: datetime, zone: tzinfo) -> datetime:
    """Return when the day of `zone` that holds `now` ends."""
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone)
