"""What happened in a rehearsal, summed up as it happens: by candidate, by quarter of an hour, by limit."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from pointsman.domain.trail import SkipReason
from pointsman.simulator.traffic import DAY_S

SLOT_S: Final = 900.0
"""The day is drawn in quarters of an hour."""

SLOTS: Final = int(DAY_S / SLOT_S)
MINUTES_A_DAY: Final = 1_440
MONTH_DAYS: Final = 30
TICKS_A_SECOND: Final = 100
"""Durations are sorted into hundredths of a second, up to LONGEST_S."""

LONGEST_S: Final = 300

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, order=True)
class Bound:
    """A limit that kept a candidate from being called. `period_s` is 0 where it is not of a stretch of time."""

    scope: str
    unit: str
    period_s: float
    amount: int


@dataclass(slots=True)
class Line:
    """One candidate. `answered_at` has what it answered in each quarter of an hour of the day."""

    answered: int = 0
    calls: int = 0
    wasted: int = 0
    unproductive: int = 0
    cost_usd: float = 0.0
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    answered_at: list[int] = field(default_factory=lambda: [0] * SLOTS)

    def __add__(self, other: "Line") -> "Line":
        return Line(
            answered=self.answered + other.answered,
            calls=self.calls + other.calls,
            wasted=self.wasted + other.wasted,
            unproductive=self.unproductive + other.unproductive,
            cost_usd=self.cost_usd + other.cost_usd,
            skipped=self.skipped + other.skipped,
            answered_at=_both(self.answered_at, other.answered_at),
        )


@dataclass(slots=True)
class Tally:
    """The sums. `bound_at` has, for each limit, on how many days it bound in each minute of the day."""

    days: float
    lines: dict[str, Line]
    lost: int = 0
    by_fallback: int = 0
    without_price: int = 0
    duration_s: float = 0.0
    durations: list[int] = field(default_factory=lambda: [0] * (LONGEST_S * TICKS_A_SECOND + 1))
    lost_at: list[int] = field(default_factory=lambda: [0] * SLOTS)
    wasted_at: list[int] = field(default_factory=lambda: [0] * SLOTS)
    cost_at: list[float] = field(default_factory=lambda: [0.0] * SLOTS)
    bound_at: dict[Bound, list[int]] = field(default_factory=dict)

    def __add__(self, other: "Tally") -> "Tally":
        bounds = self.bound_at.keys() | other.bound_at.keys()
        none = [0] * MINUTES_A_DAY
        return Tally(
            days=self.days + other.days,
            lines={name: self.lines[name] + other.lines[name] for name in self.lines},
            lost=self.lost + other.lost,
            by_fallback=self.by_fallback + other.by_fallback,
            without_price=self.without_price + other.without_price,
            duration_s=self.duration_s + other.duration_s,
            durations=_both(self.durations, other.durations),
            lost_at=_both(self.lost_at, other.lost_at),
            wasted_at=_both(self.wasted_at, other.wasted_at),
            cost_at=[one + two for one, two in zip(self.cost_at, other.cost_at, strict=True)],
            bound_at={
                bound: _both(self.bound_at.get(bound, none), other.bound_at.get(bound, none))
                for bound in sorted(bounds)
            },
        )

    def end(self, duration_s: float) -> None:
        """Count a request that ended."""
        self.duration_s += duration_s
        self.durations[int(min(duration_s, LONGEST_S) * TICKS_A_SECOND)] += 1

    def bind(self, bound: Bound, minute: int) -> None:
        """Count a minute in which a limit bound."""
        minutes = self.bound_at.get(bound)
        if minutes is None:
            minutes = self.bound_at[bound] = [0] * MINUTES_A_DAY
        minutes[minute % MINUTES_A_DAY] += 1

    @property
    def requests(self) -> int:
        """Requests that ended, answered or not."""
        return sum(line.answered for line in self.lines.values()) + self.lost

    @property
    def calls(self) -> int:
        """Calls that left."""
        return sum(line.calls for line in self.lines.values())

    @property
    def wasted(self) -> int:
        """Calls that ended on a limit."""
        return sum(line.wasted for line in self.lines.values())

    @property
    def cost_usd(self) -> float:
        """What all calls cost."""
        return sum(line.cost_usd for line in self.lines.values())

    @property
    def cost_usd_a_month(self) -> float:
        """The cost of thirty such days."""
        return self.cost_usd / self.days * MONTH_DAYS

    @property
    def p95_s(self) -> float:
        """The time within which 95 of 100 requests ended."""
        left = self.requests * 0.95
        for tick, count in enumerate(self.durations):
            left -= count
            if left <= 0:
                return (tick + 1) / TICKS_A_SECOND
        return 0.0

    def minutes_a_day(self, bound: Bound) -> float:
        """Return how many minutes of a day a limit bound in the mean."""
        return sum(self.bound_at[bound]) / self.days

    def figures(self) -> Figures:
        """Return the totals by name; `comparison.falls_short` knows some of them."""
        requests, calls = max(1, self.requests), max(1, self.calls)
        return {
            "days": self.days,
            "requests": self.requests,
            "lost": self.lost,
            "answered_by_fallback": self.by_fallback,
            "fallback_share": round(self.by_fallback / requests, 5),
            "calls": self.calls,
            "calls_per_request": round(self.calls / requests, 4),
            "wasted": self.wasted,
            "wasted_share": round(self.wasted / calls, 5),
            "unproductive": sum(line.unproductive for line in self.lines.values()),
            "mean_s": round(self.duration_s / requests, 3),
            "p95_s": self.p95_s,
            "cost_usd": round(self.cost_usd, 4),
            "cost_usd_a_month": round(self.cost_usd_a_month, 2),
            "calls_without_price": self.without_price,
        }


def _both(one: list[int], other: list[int]) -> list[int]:
    return [first + second for first, second in zip(one, other, strict=True)]
