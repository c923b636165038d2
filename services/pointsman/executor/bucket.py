"""What is used of a token bucket that nobody tells us about, by our own count. Pure: time is brought along."""

import math
from dataclasses import dataclass

SLACK = 1e-6
"""What rounding may leave of a whole unit that has drained."""


@dataclass(slots=True)
class Bucket:
    """The used part of a bucket: it rises with each call and drains all the time, at `drains_per_s`.

    A first drop begins to drain `margin_s` late, because a call reaches the provider later than it left us.
    """

    drains_per_s: float
    margin_s: float
    level: float = 0.0
    seen_at: float = -math.inf

    def used(self, now: float) -> int:
        """Return what is used, rounded up."""
        return math.ceil(self._level_at(now) - SLACK)

    def pour(self, amount: int, now: float) -> None:
        """Add what was used, or take back what was not."""
        level = self._level_at(now)
        begins_at = now + self.margin_s if level == 0 else now
        self.level, self.seen_at = max(0.0, level + amount), max(self.seen_at, begins_at)

    def freed_at(self, excess: int, now: float) -> float:
        """Return when so much less is used than now."""
        wanted = max(0.0, self.used(now) - excess)
        return max(now, self.seen_at) + max(0.0, self._level_at(now) - wanted) / self.drains_per_s

    def _level_at(self, now: float) -> float:
        if now <= self.seen_at or not self.level:
            return self.level
        return max(0.0, self.level - (now - self.seen_at) * self.drains_per_s)
