"""What Execute would do now, as the servicer tells it."""

from pointsman.domain.pool import Pool
from pointsman.domain.trail import Skip
from pointsman.executor.plan import Plan, Planned
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb


def plan_to_pb(plan: Plan, fallback: Planned | Skip | None, pool: Pool, settings_hash: str) -> pb.Plan:
    """Return the plan of a pool, and what would become of the fallback."""
    return pb.Plan(
        category=pool.category,
        ready=[_planned_to_pb(planned) for planned in plan.ready],
        skips=[convert.skip_to_pb(skip) for skip in plan.skips],
        fallback=_planned_to_pb(fallback) if isinstance(fallback, Planned) else None,
        fallback_skip=convert.skip_to_pb(fallback) if isinstance(fallback, Skip) else None,
        policy=pool.policy,
        settings_hash=settings_hash,
    )


def _planned_to_pb(planned: Planned) -> pb.PlannedCandidate:
    return pb.PlannedCandidate(
        candidate=planned.candidate.id,
        model=planned.candidate.model.id,
        input_tokens=planned.estimate.input_tokens,
        output_tokens=planned.estimate.output_tokens,
        cost_usd=None if planned.cost_usd is None else float(planned.cost_usd),
        wait=convert.duration_to_pb(planned.wait_s) if planned.wait_s else None,
    )
