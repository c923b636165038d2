"""What a stack is doing, as the command line hears it, for tests of what is shown."""

from datetime import UTC, datetime

from pointsman.cli.executor import ActivityCounts, ActivityNews, HopLatency, ReportLine, ReportSums
from pointsman.domain.answer import Usage

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

MINUTE = ActivityCounts(
    requests=120,
    answered=114,
    answered_locally=57,
    attempts=150,
    wasted=0,
    unproductive=6,
    cost_usd=1.25,
    attempts_without_price=0,
)

START = ActivityCounts(
    requests=1_000,
    answered=990,
    answered_locally=57,
    attempts=1_010,
    wasted=7,
    unproductive=6,
    cost_usd=12.5,
    attempts_without_price=0,
)

BUSY = ActivityNews(
    started_at=NOW.replace(hour=9, minute=55),
    window_s=60.0,
    last_minute=MINUTE,
    since_start=START,
    by_second=(0,) * 45 + (1, 2, 3, 4, *(8,) * 10, 100),
    hops=(
        HopLatency(hop="classify", count=120, p50_s=0.004, p95_s=0.02),
        HopLatency(hop="provider", count=150, p50_s=1.5, p95_s=4.25),
    ),
    message={"last_minute": {"requests": "120"}},
)


def sums(cost_usd: float) -> ReportSums:
    """Return a report whose total cost so much."""
    total = ReportLine(
        key="",
        requests=1,
        answered=1,
        answered_by_fallback=0,
        attempts=3,
        wasted=2,
        unproductive=0,
        usage=Usage(),
        cost_usd=cost_usd,
        attempts_without_price=0,
        mean_s=1.0,
        p95_s=1.0,
        sequential_cost_usd=None,
        sequential_attempts=None,
    )
    message = {"total": {"cost_usd": cost_usd}}
    return ReportSums(since=NOW, lines=(), total=total, journal="sqlite", dropped=0, message=message)
