"""The Executor as the command line sees it: its calls, and its messages as plain values.

The only file of the command line that knows the stubs.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import grpc
from google.protobuf import json_format

from pointsman.cli.arguments import EXECUTOR
from pointsman.cli.failure import Failure, wrong_door
from pointsman.domain.answer import Usage
from pointsman.domain.errors import PointsmanError
from pointsman.domain.trail import SkipReason
from pointsman.rpc import channel, convert
from pointsman.v1 import executor_pb2 as pb
from pointsman.v1 import executor_pb2_grpc
from pointsman_client import Tls

SERVICE: Final = "pointsman.v1.ExecutorService"
TIMEOUT_S: Final = 10.0

_MESSAGE_BYTES: Final = 33_554_432

_AVAILABILITY: Final[Mapping[int, str]] = {
    pb.AVAILABILITY_READY: "ready",
    pb.AVAILABILITY_WAITING: "waiting",
    pb.AVAILABILITY_OUT: "out",
}

GROUPS: Final[Mapping[str, pb.ReportBy.ValueType]] = {
    "": pb.REPORT_BY_UNSPECIFIED,
    "category": pb.REPORT_BY_CATEGORY,
    "candidate": pb.REPORT_BY_CANDIDATE,
    "caller": pb.REPORT_BY_CALLER,
    "day": pb.REPORT_BY_DAY,
    "label": pb.REPORT_BY_LABEL,
}
"""What rows of a report can be; empty is one row for everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One quota window; `period_s` is None for concurrency, `renews_at` when it is full."""

    scope: str
    unit: str
    period_s: float | None
    limit: int
    remaining: int
    renews_at: datetime | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLine:
    """One candidate.

    `availability` is "ready", "waiting", "out" or "unknown". `prices_usd` are those of a million tokens in, out.
    """

    id: str
    model: str
    categories: tuple[str, ...]
    local: bool
    fallback: bool
    availability: str
    reason: SkipReason | None
    ready_at: datetime | None
    detail: str
    windows: tuple[Window, ...]
    in_flight: int
    wasted_today: int
    prices_usd: tuple[float, float] | None
    api_key_env: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Candidates in the order of the settings; `message` is what came, for scripts."""

    candidates: tuple[CandidateLine, ...]
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """Sums of one group; `sequential_…` is what sequential fallback would have needed, None when nobody can say."""

    key: str
    requests: int
    answered: int
    answered_by_fallback: int
    attempts: int
    wasted: int
    unproductive: int
    usage: Usage
    cost_usd: float
    attempts_without_price: int
    mean_s: float
    p95_s: float
    sequential_cost_usd: float | None
    sequential_attempts: int | None
    cancelled: int = 0
    partial: int = 0
    unproductive_cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HopLine:
    """How long one part of the requests' way took, in seconds."""

    hop: str
    count: int
    mean_s: float
    p95_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDetails:
    """What stands beside the sums.

    `calls` are candidate, outcome and count; `skips` candidate, reason and count; `verdicts` category, what decided it
    and count; `confidence` ten counts, from unsure to sure.
    """

    hops: tuple[HopLine, ...] = ()
    calls: tuple[tuple[str, str, int], ...] = ()
    skips: tuple[tuple[str, str, int], ...] = ()
    verdicts: tuple[tuple[str, str, int], ...] = ()
    confidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSums:
    """A report; `journal` is "memory" where it forgets when the Executor stops."""

    since: datetime
    lines: tuple[ReportLine, ...]
    total: ReportLine
    journal: str
    dropped: int
    message: Mapping[str, object]
    trouble: str = ""
    details: ReportDetails = field(default_factory=ReportDetails)


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


class ExecutorCalls:
    """Calls of one running Executor. They raise the domain error that it meant, ExecutorDown when nobody listens."""

    def __init__(self, address: str, stub: "executor_pb2_grpc.ExecutorServiceAsyncStub") -> None:
        """Keep the stub; `reaching` makes one."""
        self._address = address
        self._stub = stub

    async def list_candidates(self, category: str) -> Listing:
        """Return the candidates of a category's pool; of all when it is empty."""
        answer = await channel.call(
            self._stub.ListCandidates,
            pb.ListCandidatesRequest(category=category),
            method=f"{SERVICE}/ListCandidates",
            target=self._address,
            timeout_s=TIMEOUT_S,
        )
        return _listing(answer.candidates, answer)

    async def watch_candidates(self, category: str) -> AsyncGenerator[Listing, None]:
        """Yield all candidates, then those that changed, until cancelled."""
        answers = channel.stream(
            self._stub.WatchCandidates,
            pb.WatchCandidatesRequest(category=category),
            method=f"{SERVICE}/WatchCandidates",
            target=self._address,
            timeout_s=None,
        )
        async with aclosing(answers):
            async for answer in answers:
                yield _listing(answer.candidates, answer)

    async def watch_activity(self, interval_s: float) -> AsyncGenerator[ActivityNews, None]:
        """Yield what the last minute looked like, at once and after each interval, until cancelled."""
        answers = channel.stream(
            self._stub.WatchActivity,
            pb.WatchActivityRequest(interval=convert.duration_to_pb(interval_s)),
            method=f"{SERVICE}/WatchActivity",
            target=self._address,
            timeout_s=None,
        )
        async with aclosing(answers):
            async for answer in answers:
                yield _activity_news(answer)

    async def report(self, group_by: str, since: datetime | None, *, with_details: bool = False) -> ReportSums:
        """Return the sums since an instant, of all that is kept for None; `group_by` is one of GROUPS."""
        since_pb = None if since is None else convert.instant_to_pb(since)
        answer = await channel.call(
            self._stub.Report,
            pb.ReportRequest(since_time=since_pb, group_by=GROUPS[group_by], with_details=with_details),
            method=f"{SERVICE}/Report",
            target=self._address,
            timeout_s=TIMEOUT_S,
        )
        return ReportSums(
            since=convert.instant_from_pb(answer.since_time),
            lines=tuple(_report_line(row) for row in answer.rows),
            total=_report_line(answer.total),
            journal=answer.journal,
            dropped=answer.dropped,
            message=as_json(answer),
            trouble=answer.journal_detail,
            details=_details(answer.details),
        )


@asynccontextmanager
async def reaching(address: str, tls: Tls | None = None) -> AsyncIterator[ExecutorCalls]:
    """Open the way to the Executor at an address, and close it when the block ends. Without `tls` it is plaintext.

    Raises Failure when what listens there is something else.
    """
    credentials = tls.credentials() if tls else None
    async with channel.open_channel(address, message_bytes=_MESSAGE_BYTES, credentials=credentials) as opened:
        try:
            yield ExecutorCalls(address, executor_pb2_grpc.ExecutorServiceStub(opened))
        except PointsmanError as error:
            cause = error.__cause__
            if isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise Failure(wrong_door(address, wanted="Executor", usual=EXECUTOR)) from error
            raise


def as_json(message: Any) -> dict[str, object]:  # noqa: ANN401 - any message of the contract
    """Return a message in its JSON form, fields named as in the protos and none left out: what a script reads."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _listing(candidates: Iterable[pb.CandidateState], message: object) -> Listing:
    return Listing(candidates=tuple(map(_candidate_line, candidates)), message=as_json(message))


def _candidate_line(state: pb.CandidateState) -> CandidateLine:
    prices = state.prices
    return CandidateLine(
        id=state.candidate,
        model=state.model,
        categories=tuple(state.categories),
        local=state.local,
        fallback=state.fallback,
        availability=_AVAILABILITY.get(state.availability, "unknown"),
        reason=convert.SKIP_REASONS.from_pb(state.reason),
        ready_at=convert.instant_from_pb(state.ready_time) if state.HasField("ready_time") else None,
        detail=state.detail,
        windows=tuple(map(_window, state.windows)),
        in_flight=state.in_flight,
        wasted_today=state.wasted_today,
        prices_usd=(prices.input_usd_per_mtok, prices.output_usd_per_mtok) if state.HasField("prices") else None,
        api_key_env=state.api_key_env,
    )


def _window(window: pb.QuotaWindow) -> Window:
    return Window(
        scope=window.scope,
        unit=window.unit,
        period_s=convert.duration_from_pb(window.period) if window.HasField("period") else None,
        limit=window.limit,
        remaining=window.remaining,
        renews_at=convert.instant_from_pb(window.reset_time) if window.HasField("reset_time") else None,
        source=window.source,
    )


def _report_line(row: pb.ReportRow) -> ReportLine:
    return ReportLine(
        key=row.key,
        requests=row.requests,
        answered=row.answered,
        answered_by_fallback=row.answered_by_fallback,
        attempts=row.attempts,
        wasted=row.wasted,
        unproductive=row.unproductive,
        usage=convert.usage_from_pb(row.usage),
        cost_usd=row.cost_usd,
        attempts_without_price=row.attempts_without_price,
        mean_s=convert.duration_from_pb(row.mean_duration),
        p95_s=convert.duration_from_pb(row.p95_duration),
        sequential_cost_usd=row.sequential_cost_usd if row.HasField("sequential_cost_usd") else None,
        sequential_attempts=row.sequential_attempts if row.HasField("sequential_attempts") else None,
        cancelled=row.cancelled,
        partial=row.partial,
        unproductive_cost_usd=row.unproductive_cost_usd,
    )


def _details(details: pb.ReportDetails) -> ReportDetails:
    def name(value: str | None) -> str:
        return value or "unknown"

    return ReportDetails(
        hops=tuple(
            HopLine(
                hop=times.hop,
                count=times.count,
                mean_s=convert.duration_from_pb(times.mean_duration),
                p95_s=convert.duration_from_pb(times.p95_duration),
                longest_s=convert.duration_from_pb(times.longest_duration),
            )
            for times in details.hops
        ),
        calls=tuple(
            (each.candidate, name(convert.OUTCOMES.from_pb(each.outcome)), each.count) for each in details.calls
        ),
        skips=tuple(
            (each.candidate, name(convert.SKIP_REASONS.from_pb(each.reason)), each.count) for each in details.skips
        ),
        verdicts=tuple((each.category, each.decided_by or "nobody", each.count) for each in details.verdicts),
        confidence=tuple(details.confidence),
    )


def _activity_news(answer: pb.WatchActivityResponse) -> ActivityNews:
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
