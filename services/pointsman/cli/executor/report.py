"""What the Executor sums up of the past, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pointsman.cli.executor.message import as_json
from pointsman.domain.answer import Usage
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb

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
    simulated_requests: int = 0
    simulated_cost_usd: float = 0.0


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


def sums_from_pb(answer: pb.ReportResponse) -> ReportSums:
    """Return what a report says."""
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
        simulated_requests=row.simulated_requests,
        simulated_cost_usd=row.simulated_cost_usd,
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
