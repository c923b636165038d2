"""An execution as the servicer tells it: whole, or as the start and the end of a stream."""

from pointsman.domain.verdict import DegradedReason
from pointsman.executor.course import Execution
from pointsman.executor.outlet import Start
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb


def execution_to_pb(execution: Execution, degraded: tuple[DegradedReason, ...]) -> pb.ExecuteResponse:
    """Return a whole answer; `degraded` is all that made it less than it could be."""
    attempt = execution.attempt
    executed_pb = pb.ExecuteResponse()
    executed_pb.candidate = attempt.candidate
    executed_pb.model = execution.model
    convert.write_answer(executed_pb.answer, execution.answer)
    convert.write_trail(executed_pb.trail, execution.trail)
    convert.write_usage(executed_pb.usage, execution.trail.usage)
    cost_usd = execution.trail.cost_usd
    if cost_usd is not None:
        executed_pb.cost_usd = float(cost_usd)
    if attempt.local:
        executed_pb.local = True
    if attempt.simulated:
        executed_pb.simulated = True
    if degraded:
        executed_pb.degraded_reasons.extend(convert.degraded_to_pb(degraded))
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
    cost_usd = execution.trail.cost_usd
    end_pb = pb.StreamEnd(
        finish_reason=convert.FINISH_REASONS.to_pb(execution.answer.finish_reason),
        partial=execution.partial,
        cost_usd=None if cost_usd is None else float(cost_usd),
        degraded_reasons=convert.degraded_to_pb(degraded),
    )
    convert.write_trail(end_pb.trail, execution.trail)
    convert.write_usage(end_pb.usage, execution.trail.usage)
    return end_pb
