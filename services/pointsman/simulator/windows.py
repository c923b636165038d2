"""The algorithms by which providers count, as plain arithmetic: time comes in as seconds since the epoch."""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pointsman.simulator.scenario import Algorithm, LimitProfile


class Window(Protocol):
    """What is left of one limit. `now` never runs backwards."""

    def left(self, now: float) -> float:
        """Return what is left; below zero when more was used than allowed."""

    def take(self, amount: float, now: float) -> None:
        """Use up `amount`, whether it is there or not."""

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` is there; 0 when it is there now, infinity when it never fits."""

    def full_in_s(self, now: float) -> float:
        """Return the seconds until the window is as good as new."""


def window(limit: LimitProfile) -> Window:
    """Build the window of a limit, full."""
    match limit.algorithm:
        case Algorithm.FIXED_WINDOW:
            return FixedWindow(limit.amount, limit.period_s, limit.offset_s)
        case Algorithm.SLIDING_WINDOW:
            return SlidingWindow(limit.amount, limit.period_s)
        case Algorithm.TOKEN_BUCKET:
            return TokenBucket(limit.burst or limit.amount, limit.amount / limit.period_s)
        case Algorithm.PACIFIC_DAY:
            return PacificDay(limit.amount)


class FixedWindow:
    """Counts from border to border; borders are multiples of the period, shifted by the offset."""

    def __init__(self, amount: float, period_s: float, offset_s: float = 0.0) -> None:
        """Begin with nothing used."""
        self._amount = amount
        self._period_s = period_s
        self._offset_s = offset_s
        self._used = 0.0
        self._ends = float("-inf")

    def _roll(self, now: float) -> None:
        if now >= self._ends:
            self._used = 0.0
            self._ends = self._end_after(now)

    def _end_after(self, now: float) -> float:
        begun = (now - self._offset_s) // self._period_s
        return (begun + 1) * self._period_s + self._offset_s

    def left(self, now: float) -> float:
        self._roll(now)
        return self._amount - self._used

    def take(self, amount: float, now: float) -> None:
        self._roll(now)
        self._used += amount

    def wait_s(self, amount: float, now: float) -> float:
        if amount > self._amount:
            return float("inf")
        return 0.0 if amount <= self.left(now) else self._ends - now

    def full_in_s(self, now: float) -> float:
        self._roll(now)
        return self._ends - now if self._used else 0.0


class PacificDay(FixedWindow):
    """Counts from midnight to midnight, Pacific time: Gemini's day (provider docs and SDKs, 2026-11)."""

    def __init__(self, amount: float) -> None:
        """Begin with nothing used."""
        super().__init__(amount, 86_400.0)

    def _end_after(self, now: float) -> float:
        return next_pacific_midnight(datetime.fromtimestamp(now, UTC)).timestamp()


class SlidingWindow:
    """Counts what was used in the period that ends now, exactly."""

    def __init__(self, amount: float, period_s: float) -> None:
        """Begin with nothing used."""
        self._amount = amount
        self._period_s = period_s
        self._used = 0.0
        self._takes: deque[tuple[float, float]] = deque()

    def _drop_old(self, now: float) -> None:
        while self._takes and self._takes[0][0] + self._period_s <= now:
            self._used -= self._takes.popleft()[1]

    def left(self, now: float) -> float:
        self._drop_old(now)
        return self._amount - self._used

    def take(self, amount: float, now: float) -> None:
        self._drop_old(now)
        self._takes.append((now, amount))
        self._used += amount

    def wait_s(self, amount: float, now: float) -> float:
        if amount > self._amount:
            return float("inf")
        missing = amount - self.left(now)
        for taken_at, taken in self._takes:
            if missing <= 0:
                break
            missing -= taken
            if missing <= 0:
                return taken_at + self._period_s - now
        return 0.0

    def full_in_s(self, now: float) -> float:
        self._drop_old(now)
        return self._takes[-1][0] + self._period_s - now if self._takes else 0.0


class TokenBucket:
    """Refills all the time up to its size; a request takes from what is there."""

    def __init__(self, size: float, per_s: float) -> None:
        """Begin full."""
        self._size = size
        self._per_s = per_s
        self._level = size
        self._seen = float("-inf")

    def _refill(self, now: float) -> None:
        if now > self._seen:
            if self._level < self._size:
                self._level = min(self._size, self._level + (now - self._seen) * self._per_s)
            self._seen = now

    def left(self, now: float) -> float:
        self._refill(now)
        return self._level

    def take(self, amount: float, now: float) -> None:
        self._refill(now)
        self._level -= amount

    def wait_s(self, amount: float, now: float) -> float:
        if amount > self._size:
            return float("inf")
        return max(0.0, (amount - self.left(now)) / self._per_s)

    def full_in_s(self, now: float) -> float:
        return (self._size - self.left(now)) / self._per_s


def next_pacific_midnight(now: datetime) -> datetime:
    """Return the first Pacific midnight after `now`, in UTC; by the rule of 2007, without time zone files."""
    for midnight in (_pacific_midnight(now, days) for days in (-1, 0, 1, 2)):
        if midnight > now:
            return midnight
    raise AssertionError("four days hold a midnight")


def _pacific_midnight(now: datetime, days: int) -> datetime:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return day + timedelta(hours=7 if _has_summer_time(day) else 8)


def _has_summer_time(midnight: datetime) -> bool:
    """Tell whether summer time holds at that local midnight: from the second Sunday of March to November's first."""
    begins = _sunday(midnight.replace(month=3, day=8))
    ends = _sunday(midnight.replace(month=11, day=1))
    return begins < midnight <= ends


def _sunday(day: datetime) -> datetime:
    return day + timedelta(days=(6 - day.weekday()) % 7)
