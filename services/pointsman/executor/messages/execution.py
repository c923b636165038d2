"""An execution as the servicer tells it: whole, or as the start and the end of a stream."""

from pointsman.domain.verdict import DegradedReason
from pointsman.executor.course import Execution
from pointsman.executor.outlet import Start
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb


def execution_to_pb(execution: Execution, degraded: tuple[DegradedReason, ...]) -> pb.ExecuteResponse:
    """Return a whole answer; `degraded` is all that made it less than it could be."""
    attempt = execution.attempt
    executed_pb = pb.ExecuteResponse(
        candidate=attempt.candidate,
        model=execution.model,
        cost_usd=_cost(execution),
        local=attempt.local,
        simulated=attempt.simulated,
        degraded_reasons=convert.degraded_to_pb(degraded),
    )
    convert.write_answer(executed_pb.answer, execution.answer)
    convert.write_trail(executed_pb.trail, execution.trail)
    convert.write_usage(executed_pb.usage, execution.trail.usage)
    return executed_pb


def start_to_pb(start: Start) -> pb.StreamStart:
    """Return who begins to answer."""
    candidate = start.candidate
    return pb.StreamStart(candidate=candidate.id, model=start.model, local=candidate.local, simulated=start.simulated)


def late_start_to_pb(execution: Execution) -> pb.StreamStart:
    """Return who has answered without any content, such as an answer that went into reasoning."""
    attempt = execution.attempt
    return pb.StreamStart(
        candidate=attempt.candidate, model=execution.model, local=attempt.local, simulated=attempt.simulated
    )


def end_to_pb(execution: Execution, degraded: tuple[DegradedReason, ...]) -> pb.StreamEnd:
    """Return how a stream ended; `degraded` is all that made it less than it could be."""
    end_pb = pb.StreamEnd(
        finish_reason=convert.FINISH_REASONS.to_pb(execution.answer.finish_reason),
        partial=execution.partial,
        cost_usd=_cost(execution),
        degraded_reasons=convert.degraded_to_pb(degraded),
    )
    convert.write_trail(end_pb.trail, execution.trail)
    convert.write_usage(end_pb.usage, execution.trail.usage)
    return end_pb


def _cost(execution: Execution) -> float | None:
    cost = execution.trail.cost_usd
    return None if cost is None else float(cost)
