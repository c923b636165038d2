"""What is left when no candidate answered: the local model, once a slot of it is free."""

import asyncio

from pointsman.domain.errors import PointsmanError
from pointsman.domain.places import Denied
from pointsman.domain.trail import Skip, SkipReason
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.budget import Slice
from pointsman.executor.course import Course, Execution
from pointsman.executor.dispatch import settle_charge
from pointsman.executor.fallback import Fallback
from pointsman.executor.means import Means
from pointsman.executor.plan import Prospect, ineligible
from pointsman.executor.prospects import charge_of, prospect_of

FIRM = frozenset({SkipReason.NOT_RUNNING, SkipReason.CALLER_OVER_RATE, SkipReason.CALLER_OVER_BUDGET})
"""What keeps the fallback from being tried although nobody else is left to ask."""


async def fall_back(means: Means, course: Course, *, until: float) -> Execution | None:
    """Answer on this machine; None when a candidate is free again, at `until`, before the local model is.

    Raises the failure of the course where there is no fallback, or it cannot answer.
    """
    fallback, request = means.fallback, course.request
    if fallback is None or any(step.candidate == fallback.candidate.id for step in course.trail.attempts):
        raise _failure(means, course)  # there is none, or it stood in the pool and has failed already
    candidate = fallback.candidate
    # A cooldown does not count: a try on this machine costs nothing, and there is nobody else to ask. One that was
    # just found not to be there does.
    prospect = prospect_of(means, candidate, request, means.instant())
    firm = prospect.blocked if prospect.blocked and prospect.blocked.reason in FIRM else None
    if skip := ineligible(candidate, request, prospect) or firm:
        course.skip(skip)
        raise _failure(means, course)
    if skip := await _queue(means, fallback, course, until=until):
        if until < course.latest:
            return None
        course.skip(skip)
        raise _failure(means, course)
    return await _call(means, fallback, prospect, course)


async def _call(means: Means, fallback: Fallback, prospect: Prospect, course: Course) -> Execution:
    """Call the local model, whose slot is taken, and give the slot back."""
    candidate, request, outlet = fallback.candidate, course.request, course.outlet
    at, caller = means.instant(), request.caller
    charge = charge_of(means, candidate, prospect.estimate, at.now)
    held = means.allowances.take(caller, charge, at)
    try:
        total_s = min(fallback.timeout_s, course.budget.deadline - means.clock.monotonic())
        within = Slice(total_s=total_s, idle_s=candidate.time_limits.idle_s)
        attempt, reply = await means.caller.call(candidate, request, within=within, outlet=outlet, is_fallback=True)
    except asyncio.CancelledError:
        course.trail.add(means.caller.given_up(candidate, request, at.now, outlet=outlet, is_fallback=True))
        raise
    else:
        course.trail.add(attempt)
    finally:
        fallback.free_slot()
        settle_charge(means, held, candidate, course)
    degraded = () if request.options.local_only else (DegradedReason.LOCAL_FALLBACK,)
    return course.end(attempt, reply, means.clock.monotonic(), degraded=degraded)


async def _queue(means: Means, fallback: Fallback, course: Course, *, until: float) -> Skip | None:
    """Take a slot of the local model; when none came free until then, or until it is too late, return why."""
    name, caller, latest = fallback.candidate.id, course.request.caller, course.latest
    now = means.clock.monotonic()
    left_s = min(latest, until) - now
    if denied := fallback.denied(caller):
        detail = f"{fallback.waiting} requests wait for the local model, and no more may"
        if denied is Denied.SHARE:
            held = fallback.queue.held_by(caller)
            detail = f"{held} requests of {caller} wait for the local model, and the other places are for others"
        if until < latest:  # whoever is free then can be waited for without a place in the queue
            await means.clock.sleep(left_s)
        return Skip(candidate=name, reason=SkipReason.OUT_OF_CONCURRENCY, detail=detail)
    if left_s <= 0:
        return course.budget.lacks_time(name, course.budget.deadline - now)
    if await fallback.take_slot(caller, left_s):
        return None
    detail = "the local model was busy until the deadline"
    return Skip(candidate=name, reason=SkipReason.NO_TIME, detail=detail)


def _failure(means: Means, course: Course) -> PointsmanError:
    return course.failure(means.clock.monotonic())
