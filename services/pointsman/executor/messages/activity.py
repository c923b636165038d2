"""What the last minute looked like, and how often somebody wants to know, as messages."""

from datetime import datetime

from pointsman.domain.errors import InvalidRequest, Violation
from pointsman.executor.activity import Counts, Lately
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb

INTERVAL_S, LEAST_INTERVAL_S, LONGEST_INTERVAL_S = 1.0, 0.1, 60.0
"""Between two messages of WatchActivity: unless the caller says otherwise, and what it may say."""


def interval_s_from_pb(request: pb.WatchActivityRequest) -> float:
    """Return the seconds between two messages. Raises InvalidRequest."""
    interval_s = convert.duration_from_pb(request.interval) if request.HasField("interval") else INTERVAL_S
    if LEAST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        return interval_s
    bounds = f"{LEAST_INTERVAL_S:g} s to {LONGEST_INTERVAL_S:g} s"
    message = f"an interval of {interval_s:g} s is not possible; send {bounds}, or none for {INTERVAL_S:g} s"
    raise InvalidRequest(Violation(field="interval", reason="INTERVAL_INVALID", message=message))


def activity_to_pb(lately: Lately, started_at: datetime) -> pb.WatchActivityResponse:
    """Return the sums of the last minute, and of all since the start."""
    return pb.WatchActivityResponse(
        start_time=convert.instant_to_pb(started_at),
        window=convert.duration_to_pb(lately.window_s),
        last_minute=_counts_to_pb(lately.last_minute),
        since_start=_counts_to_pb(lately.since_start),
        requests_by_second=lately.by_second,
        hops=[
            pb.HopActivity(
                hop=latency.hop,
                count=latency.count,
                p50_duration=convert.duration_to_pb(latency.p50_s),
                p95_duration=convert.duration_to_pb(latency.p95_s),
            )
            for latency in lately.hops
        ],
    )


def _counts_to_pb(counts: Counts) -> pb.ActivitySums:
    return pb.ActivitySums(
        requests=counts.requests,
        answered=counts.answered,
        answered_locally=counts.answered_locally,
        attempts=counts.attempts,
        wasted=counts.wasted,
        unproductive=counts.unproductive,
        cost_usd=float(counts.cost_usd),
        cost_usd_exact=f"{counts.cost_usd.normalize():f}",
        attempts_without_price=counts.attempts_without_price,
    )
