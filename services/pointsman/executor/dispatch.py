"""One attempt from end to end: the caller's money and the quota set aside, the call, and both settled."""

import asyncio
from typing import Final

from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Attempt, Outcome, Skip
from pointsman.executor.adapters.base import Reply
from pointsman.executor.allowance import Held
from pointsman.executor.course import Course
from pointsman.executor.instant import Instant
from pointsman.executor.ledger.port import Settlement
from pointsman.executor.means import Means
from pointsman.executor.plan import Planned
from pointsman.executor.prospects import charge_of

NO_REPLY: Final = Reply(outcome=Outcome.CANCELLED)
"""What is known of a call that was cut off: nothing."""


async def dispatch(means: Means, planned: Planned, course: Course, at: Instant) -> tuple[Attempt, Reply] | None:
    """Set the caller's money and the quota aside at this moment, call, settle; None when there was none of either.

    The trail has it in each case, cancelled too.
    """
    candidate, caller = planned.candidate, course.request.caller
    if not means.allowances[caller].is_counted:
        return await _reserve_and_call(means, planned, course)
    charge = charge_of(means, candidate, planned.estimate, at.now)
    held = await means.allowances.hold(caller, candidate.id, charge, at)
    if isinstance(held, Skip):
        course.skip(held)
        return None
    try:
        return await _reserve_and_call(means, planned, course)
    finally:
        settle_charge(means, held, candidate, course)


def settle_charge(means: Means, held: Held, candidate: Candidate, course: Course) -> None:
    """Charge the caller with what the call used that is on the trail, if one left."""
    attempt = course.trail.attempt_of(candidate.id)
    means.allowances.settle(course.request.caller, held, attempt, means.instant())


async def _reserve_and_call(means: Means, planned: Planned, course: Course) -> tuple[Attempt, Reply] | None:
    candidate, request, outlet = planned.candidate, course.request, course.outlet
    reservation = await means.ledger.reserve(candidate, planned.estimate)
    if isinstance(reservation, Skip):
        course.skip(reservation)
        return None
    means.experience.leave(candidate.quota_scope)
    outcome, usage, reply, started_at = Outcome.CANCELLED, None, NO_REPLY, means.clock.now()
    try:
        within = course.budget.slice(candidate, means.clock.monotonic())
        attempt, reply = await means.caller.call(candidate, request, within=within, outlet=outlet)
        # Before the ledger is told, which takes time: who leaves meanwhile has been served, and it was paid for.
        course.budget.spend(attempt)
        course.trail.add(attempt)
        was_reader_slow = outlet is not None and outlet.was_waited_for
        usage = reply.usage
        # An impatient or a slow caller says nothing of the candidate: others are not to suffer for it.
        if not within.blames_caller(attempt, was_reader_slow=was_reader_slow):
            outcome = reply.outcome
    except asyncio.CancelledError:
        attempt = means.caller.given_up(candidate, request, started_at, outlet=outlet)
        usage = attempt.usage
        course.trail.add(attempt)
        raise
    finally:
        was_familiar = means.experience.end(
            candidate.quota_scope, outcome, left_at=reservation.left_at, now=means.clock.monotonic()
        )
        settlement = Settlement(
            outcome=outcome,
            usage=usage,
            stated=reply.stated,
            retry_after_s=reply.retry_after_s,
            out_until=reply.out_until,
            was_familiar=was_familiar,
        )
        await means.ledger.settle(reservation, settlement)
    return attempt, reply
