"""What was asked, tried and paid: one row a request.

Kept in memory, without any text of prompts or answers, and summed up on demand.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Attempt, Trail
from pointsman.executor.attempt import RULES

ROWS = 100_000
"""Rows kept; the oldest go first."""


class ReportBy(StrEnum):
    """How a report is grouped."""

    ALL = "all"
    CATEGORY = "category"
    CANDIDATE = "candidate"
    CALLER = "caller"
    DAY = "day"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request that ended. `answered_by` is None when nobody answered."""

    at: datetime
    category: str
    caller: str
    labels: tuple[tuple[str, str], ...]
    answered_by: Attempt | None
    attempts: tuple[Attempt, ...]
    skips: int
    duration_s: float

    @property
    def usage(self) -> Usage:
        """The sum of what its attempts used."""
        return sum((attempt.usage for attempt in self.attempts if attempt.usage), Usage())


@dataclass(slots=True, kw_only=True)
class Sums:
    """Sums of one group of rows; durations are in seconds."""

    key: str = ""
    requests: int = 0
    answered: int = 0
    answered_by_fallback: int = 0
    attempts: int = 0
    wasted: int = 0
    unproductive: int = 0
    skips: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal = Decimal(0)
    attempts_without_price: int = 0
    durations_s: list[float] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add one request."""
        self.requests += 1
        self.answered += row.answered_by is not None
        self.answered_by_fallback += row.answered_by is not None and row.answered_by.fallback
        self.skips += row.skips
        self.usage += row.usage
        self.durations_s.append(row.duration_s)
        for attempt in row.attempts:
            self.attempts += 1
            self.wasted += attempt.wasted
            self.unproductive += RULES[attempt.outcome].unproductive
            self.cost_usd += attempt.cost_usd or 0
            self.attempts_without_price += attempt.usage is not None and attempt.cost_usd is None

    @property
    def mean_s(self) -> float:
        """The mean duration; 0 without requests."""
        return sum(self.durations_s) / len(self.durations_s) if self.durations_s else 0.0

    @property
    def p95_s(self) -> float:
        """The duration that 95 of 100 requests do not exceed; 0 without requests."""
        ranked = sorted(self.durations_s)
        return ranked[math.ceil(0.95 * len(ranked)) - 1] if ranked else 0.0


@dataclass(slots=True)
class WastedToday:
    """Wasted calls by candidate on the latest day (UTC) of a request: at hand for whoever watches, without a sum."""

    day: date = date.min
    calls: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> list[str]:
        """Count one request; return the candidates of which another call was wasted."""
        day, wasted = row.at.date(), [attempt.candidate for attempt in row.attempts if attempt.wasted]
        if day < self.day:
            return []
        if day > self.day:
            self.day, self.calls = day, Counter()
        self.calls.update(wasted)
        return wasted


@dataclass(slots=True, kw_only=True)
class Journal:
    """The rows since `since`, at most ROWS of them; `dropped` counts those that had to go."""

    since: datetime
    name: str = "memory"
    dropped: int = 0
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=ROWS))
    today: WastedToday = field(default_factory=WastedToday)
    watchers: list[Callable[[str], None]] = field(default_factory=list)

    def write(self, row: Row) -> None:
        """Keep one request that ended."""
        self.dropped += len(self.rows) == ROWS
        self.rows.append(row)
        for candidate_id in self.today.add(row):
            for changed in tuple(self.watchers):
                changed(candidate_id)

    def wasted_on(self, day: date, candidate_id: str) -> int:
        """Return how many calls of a candidate were wasted on a day (UTC), if it is the latest one; else 0."""
        return self.today.calls[candidate_id] if day == self.today.day else 0

    def watch(self, changed: Callable[[str], None]) -> Callable[[], None]:
        """Call `changed` with the id of a candidate whenever more of its calls were wasted; return what ends this."""
        self.watchers.append(changed)
        return lambda: self.watchers.remove(changed)

    def report(self, group_by: ReportBy, since: datetime | None = None) -> tuple[Sums, Sequence[Sums]]:
        """Return the sums of all requests from `since` on, and of each group, the largest first."""
        total = Sums()
        groups: dict[str, Sums] = defaultdict(Sums)
        for row in self.rows:
            if since and row.at < since:
                continue
            total.add(row)
            for key in _keys(row, group_by):
                groups[key].key = key
                groups[key].add(row)
        return total, sorted(groups.values(), key=lambda sums: (-sums.requests, sums.key))


def row_of(
    trail: Trail,
    answered_by: Attempt | None,
    *,
    at: datetime,
    category: str,
    labels: tuple[tuple[str, str], ...],
    duration: timedelta,
) -> Row:
    """Return the row of a request that ended."""
    return Row(
        at=at,
        category=category,
        caller="",
        labels=labels,
        answered_by=answered_by,
        attempts=tuple(trail.attempts),
        skips=sum(1 for _ in trail.skips),
        duration_s=duration.total_seconds(),
    )


def _keys(row: Row, group_by: ReportBy) -> Iterable[str]:
    match group_by:
        case ReportBy.ALL:
            return ("",)
        case ReportBy.CATEGORY:
            return (row.category,)
        case ReportBy.CANDIDATE:
            return (row.answered_by.candidate if row.answered_by else "(nobody)",)
        case ReportBy.CALLER:
            return (row.caller or "(not named)",)
        case ReportBy.DAY:
            return (row.at.date().isoformat(),)
        case ReportBy.LABEL:
            return (f"{key}={value}" for key, value in row.labels)
