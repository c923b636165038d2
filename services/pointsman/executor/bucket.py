"""What is used of a token bucket that nobody tells us about, by our own count. Pure: time is brought along."""

import math
from dataclasses import dataclass

SLACK = 1e-6
"""What rounding may leave of a whole unit that has drained."""

LONGEST_S = 120.0
"""How long a bucket takes to drain at most: a minute's worth of debt, so that no absurd count shuts it for longer."""


@dataclass(slots=True)
class Bucket:
    """The used part of a bucket: it rises with each call and drains all the time, at `drains_per_s`.

    A call reaches the provider up to `margin_s` later than it left us, and drains there from then on. While calls come
    one upon the other, so late a start is made once; a call that comes when little is left makes it anew.
    """

    drains_per_s: float
    margin_s: float
    level: float = 0.0
    seen_at: float = -math.inf
    """When it stood at `level`, and drained from; it may lie ahead by `margin_s`."""
    poured: float = 0.0
    """All that was ever poured: what stood here then has drained when as much has."""

    def used(self, now: float) -> int:
        """Return what is used, rounded up."""
        return math.ceil(self._level_at(now) - SLACK)

    def pour(self, amount: float, now: float) -> None:
        """Add what a call uses that leaves now."""
        before = self._level_at(now)
        self.level, self.seen_at = self._after(amount, now)
        self.poured += self.level - before

    def take_back(self, amount: float, poured: float, now: float) -> None:
        """Take back what a call did not use after all; `poured` is how much had been when it left.

        What has drained cannot be taken back: it made no room over there that is still there.
        """
        there = poured - self.poured + self._arrived(now)
        self.level = max(0.0, self._level_at(now) - max(0.0, min(amount, there)))
        self.seen_at = max(self.seen_at, now)

    def inherit(self, known: "Bucket", parts: int, now: float) -> None:
        """Hold at least this part of what is known of the whole bucket."""
        before = self._arrived(now)
        self.level = max(self._level_at(now), known._level_at(now) / parts)  # noqa: SLF001 - another of its kind
        self.seen_at = max(self.seen_at, known.seen_at, now)
        self.poured += max(0.0, self._arrived(now) - before)

    def lowered_at(self, most: int, now: float, *, under_way: int = 0) -> float:
        """Return when no more than `most` is used, if what is under way is poured now."""
        level, seen_at = self._after(under_way, now)
        return now if level <= most else max(now, seen_at) + (level - most) / self.drains_per_s

    def _level_at(self, now: float) -> float:
        if now <= self.seen_at or not self.level:
            return self.level
        return max(0.0, self.level - (now - self.seen_at) * self.drains_per_s)

    def _after(self, amount: float, now: float) -> tuple[float, float]:
        """Return the level when so much more is poured, and since when it drains."""
        level = self._level_at(now)
        if not amount:
            return level, max(self.seen_at, now)
        late_s = max(0.0, self.margin_s - level / self.drains_per_s)
        risen = max(level, min(level + amount, LONGEST_S * self.drains_per_s))
        return risen, max(self.seen_at, now + late_s)

    def _arrived(self, now: float) -> float:
        """Return the level as it would be if calls arrived when they leave; below zero where it is empty."""
        late_s = self.margin_s - max(0.0, self.seen_at - now)
        return self._level_at(now) - late_s * self.drains_per_s
