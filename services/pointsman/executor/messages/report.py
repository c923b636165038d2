"""What the journal is asked, and the sums that it answers with, as messages."""

from datetime import datetime
from typing import Final

from pointsman.domain.errors import InvalidRequest, Violation
from pointsman.executor.journal.journal import Journal
from pointsman.executor.journal.sums import Details, Question, Report, ReportBy, Sums
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb

REPORT_BY: Final = {
    pb.REPORT_BY_UNSPECIFIED: ReportBy.ALL,
    pb.REPORT_BY_CATEGORY: ReportBy.CATEGORY,
    pb.REPORT_BY_CANDIDATE: ReportBy.CANDIDATE,
    pb.REPORT_BY_CALLER: ReportBy.CALLER,
    pb.REPORT_BY_DAY: ReportBy.DAY,
    pb.REPORT_BY_LABEL: ReportBy.LABEL,
}


def question_from_pb(request: pb.ReportRequest) -> Question:
    """Return what is asked. Raises InvalidRequest."""
    return Question(
        group_by=REPORT_BY.get(request.group_by, ReportBy.ALL),
        since=_since(request),
        with_details=request.with_details,
    )


def report_to_pb(report: Report, question: Question, journal: Journal) -> pb.ReportResponse:
    """Return the sums, and how the journal does that they are from."""
    return pb.ReportResponse(
        since_time=convert.instant_to_pb(report.first_at or journal.since),
        rows=[_sums_to_pb(group) for group in report.groups],
        total=_sums_to_pb(report.total),
        journal=journal.name,
        dropped=journal.dropped,
        journal_detail=journal.trouble,
        details=_details_to_pb(report.details) if question.with_details else None,
    )


def _since(request: pb.ReportRequest) -> datetime | None:
    if not request.HasField("since_time"):
        return None
    try:
        return convert.instant_from_pb(request.since_time)
    except ValueError as error:
        message = f"since_time of {request.since_time.seconds} s is no instant; send one of the years 1 to 9999"
        raise InvalidRequest(Violation(field="since_time", reason="SINCE_TIME_INVALID", message=message)) from error


def _sums_to_pb(sums: Sums) -> pb.ReportRow:
    return pb.ReportRow(
        key=sums.key,
        requests=sums.requests,
        answered=sums.answered,
        answered_by_fallback=sums.answered_by_fallback,
        attempts=sums.attempts,
        wasted=sums.wasted,
        unproductive=sums.unproductive,
        skips=sums.skips,
        usage=convert.usage_to_pb(sums.usage),
        cost_usd=float(sums.cost_usd),
        attempts_without_price=sums.attempts_without_price,
        mean_duration=convert.duration_to_pb(sums.mean_s),
        p95_duration=convert.duration_to_pb(sums.p95_s),
        sequential_cost_usd=float(sums.sequential_cost_usd) if sums.requests else None,
        sequential_attempts=sums.sequential_attempts if sums.requests else None,
        cancelled=sums.cancelled,
        partial=sums.partial,
        unproductive_cost_usd=float(sums.unproductive_cost_usd),
        cost_usd_exact=f"{sums.cost_usd.normalize():f}",
        simulated_requests=sums.simulated_requests,
        simulated_cost_usd=float(sums.simulated_cost_usd),
    )


def _details_to_pb(details: Details) -> pb.ReportDetails:
    return pb.ReportDetails(
        hops=[
            pb.HopTimes(
                hop=times.hop,
                count=times.count,
                mean_duration=convert.duration_to_pb(times.mean_s),
                p95_duration=convert.duration_to_pb(times.p95_s),
                longest_duration=convert.duration_to_pb(times.longest_s),
            )
            for times in details.hops
        ],
        calls=[
            pb.CallCount(
                candidate=calls.candidate,
                outcome=convert.OUTCOMES.to_pb(calls.outcome),
                count=calls.count,
                cost_usd=float(calls.cost_usd),
            )
            for calls in details.calls
        ],
        skips=[
            pb.SkipCount(candidate=skips.candidate, reason=convert.SKIP_REASONS.to_pb(skips.reason), count=skips.count)
            for skips in details.skips
        ],
        verdicts=[
            pb.VerdictCount(category=verdicts.category, decided_by=verdicts.decided_by, count=verdicts.count)
            for verdicts in details.verdicts
        ],
        confidence=details.confidence,
    )
