"""What the Router tells its caller of what the Executor said: the answer, the events of a stream, and the log line."""

from collections.abc import Collection

from pointsman.domain.errors import ExecutorDown, PointsmanError
from pointsman.domain.verdict import DegradedReason
from pointsman.router.messages.ruling import Ruled, Ruling
from pointsman.rpc.convert import OUTCOMES, degraded_from_pb, degraded_to_pb
from pointsman.telemetry import facts, instruments, names
from pointsman.telemetry.spans import current_trace_id, mark
from pointsman.telemetry.story import story
from pointsman.v1 import executor_pb2, types_pb2
from pointsman.v1 import router_pb2 as pb


def answered(
    executed: executor_pb2.ExecuteResponse, ruled: Ruled, degraded: tuple[DegradedReason, ...]
) -> pb.RouteResponse:
    """Return the Router's answer for the Executor's.

    What the Executor said is copied as it came: the Router has nothing to say about it. The constructor would serialize
    and parse it.
    """
    response = pb.RouteResponse()
    response.answer.CopyFrom(executed.answer)
    response.verdict.CopyFrom(ruled.ruling.verdict_pb)
    response.trail.CopyFrom(executed.trail)
    response.usage.CopyFrom(executed.usage)
    response.candidate = executed.candidate
    response.model = executed.model
    if executed.HasField("cost_usd"):
        response.cost_usd = executed.cost_usd
    response.local = executed.local
    response.simulated = executed.simulated
    if degraded:
        response.degraded = True
        response.degraded_reasons.extend(degraded_to_pb(degraded))
    response.trace_id = current_trace_id()
    response.request_id = ruled.request_id
    return response


def relayed(event: executor_pb2.StreamExecuteResponse, kind: str | None, ruled: Ruled) -> pb.StreamRouteResponse:
    """Return the Router's event for one of the Executor's; a kind that only a newer Executor knows goes on empty."""
    match kind:
        case "delta":
            relayed = pb.StreamRouteResponse()
            relayed.delta.CopyFrom(event.delta)  # in less time than it takes the constructor
            return relayed
        case "start":
            facts.bind(candidate=event.start.candidate)
            start = pb.RouteStreamStart(
                verdict=ruled.ruling.verdict_pb,
                chosen=event.start,
                trace_id=current_trace_id(),
                request_id=ruled.request_id,
                degraded_reasons=degraded_to_pb(ruled.ruling.degraded),
            )
            return pb.StreamRouteResponse(start=start)
        case "end":
            degraded = union(ruled.ruling, event.end.degraded_reasons)
            log_end(event.end, degraded)
            answer = pb.StreamRouteResponse(end=event.end)
            answer.end.ClearField("degraded_reasons")
            answer.end.degraded_reasons.extend(degraded_to_pb(degraded))
            return answer
        case _:
            return pb.StreamRouteResponse()


def is_lost(error: PointsmanError) -> bool:
    """Return whether the Executor went away or failed, and nobody can say what became of the request."""
    return isinstance(error, ExecutorDown) or type(error) is PointsmanError


def broken_off(error: PointsmanError, ruled: Ruled) -> pb.StreamRouteResponse:
    """Return the end of a stream whose Executor was lost after its start; what it cost is not known."""
    degraded = union(ruled.ruling, (types_pb2.DEGRADED_REASON_EXECUTOR_LOST,))
    reasons = [each.value for each in degraded]
    facts.bind(reason=error.reason, partial=True, degraded=reasons)
    mark(names.REASON, error.reason)
    mark(names.PARTIAL, value=True)
    mark(names.DEGRADED, reasons)
    end = executor_pb2.StreamEnd(
        finish_reason=types_pb2.FINISH_REASON_INTERRUPTED, partial=True, degraded_reasons=degraded_to_pb(degraded)
    )
    return pb.StreamRouteResponse(end=end)


def union(ruling: Ruling, executor_reasons: Collection[int]) -> tuple[DegradedReason, ...]:
    """Return the reasons of both services, once each, the Classifier's first."""
    return tuple(dict.fromkeys((*ruling.degraded, *degraded_from_pb(executor_reasons))))


def log_end(
    end: executor_pb2.ExecuteResponse | executor_pb2.StreamEnd, degraded: Collection[DegradedReason], **known: str
) -> None:
    """Put what became of the request into the one log line of the call; read where it lies, for it is not ours."""
    steps, usage = end.trail.steps, end.usage
    attempts = [step.attempt for step in steps if step.HasField("attempt")]
    reasons = [reason.value for reason in degraded]
    for reason in reasons:
        instruments.DEGRADED.add(1, reason)
    told = story(
        outcome=OUTCOMES.from_pb(attempts[-1].outcome) if attempts else None,
        attempts=len(attempts),
        wasted=sum([attempt.wasted for attempt in attempts]),
        skips=len(steps) - len(attempts),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=end.cost_usd if end.HasField("cost_usd") else None,
    )
    facts.bind(**told, **known, degraded=reasons)
    if isinstance(end, executor_pb2.StreamEnd) and end.partial:
        facts.bind(partial=True)
    mark(names.ATTEMPTS, len(attempts))
    mark(names.DEGRADED, reasons)
