"""Wasted calls of this day, at hand for whoever watches, without a sum over the journal."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from pointsman.executor.journal.row import Row


@dataclass(slots=True)
class WastedToday:
    """Wasted calls by candidate on the latest day (UTC) of a request."""

    day: date = date.min
    calls: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> list[str]:
        """Count one request; return the candidates of which another call was wasted."""
        day, wasted = row.at.date(), [attempt.candidate for attempt in row.trail.attempts if attempt.wasted]
        if day < self.day:
            return []
        if day > self.day:
            self.day, self.calls = day, Counter()
        if wasted:
            self.calls.update(wasted)
        return wasted

    def on(self, day: date, candidate_id: str) -> int:
        """Return how many calls of a candidate were wasted on a day (UTC), if it is the latest one; else 0."""
        return self.calls[candidate_id] if day == self.day else 0
