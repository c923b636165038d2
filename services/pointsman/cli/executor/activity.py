"""What the Executor says of the last minute, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pointsman.cli.executor.message import as_json
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityCounts:
    """Sums of requests that ended. `answered_locally` is a part of `answered`."""

    requests: int
    answered: int
    answered_locally: int
    attempts: int
    wasted: int
    unproductive: int
    cost_usd: float
    attempts_without_price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HopLatency:
    """How long one part of the requests' way took lately, in seconds; `count` durations are behind it."""

    hop: str
    count: int
    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityNews:
    """The last minute, `window_s` of it, and all since the start; `message` is what came, for scripts.

    `by_second` has the requests that ended in each second, the oldest first; the last second is not over yet.
    """

    started_at: datetime
    window_s: float
    last_minute: ActivityCounts
    since_start: ActivityCounts
    by_second: tuple[int, ...]
    hops: tuple[HopLatency, ...]
    message: Mapping[str, object]


def news_from_pb(answer: pb.WatchActivityResponse) -> ActivityNews:
    """Return what one message of WatchActivity says."""
    return ActivityNews(
        started_at=convert.instant_from_pb(answer.start_time),
        window_s=convert.duration_from_pb(answer.window),
        last_minute=_activity_counts(answer.last_minute),
        since_start=_activity_counts(answer.since_start),
        by_second=tuple(answer.requests_by_second),
        hops=tuple(
            HopLatency(
                hop=latency.hop,
                count=latency.count,
                p50_s=convert.duration_from_pb(latency.p50_duration),
                p95_s=convert.duration_from_pb(latency.p95_duration),
            )
            for latency in answer.hops
        ),
        message=as_json(answer),
    )


def _activity_counts(sums: pb.ActivitySums) -> ActivityCounts:
    return ActivityCounts(
        requests=sums.requests,
        answered=sums.answered,
        answered_locally=sums.answered_locally,
        attempts=sums.attempts,
        wasted=sums.wasted,
        unproductive=sums.unproductive,
        cost_usd=sums.cost_usd,
        attempts_without_price=sums.attempts_without_price,
    )
