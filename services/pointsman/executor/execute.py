"""The attempt loop: plan, then reserve, call and settle one candidate after another, then the local fallback.

Nothing else retries. With an outlet the answer is streamed: failing over ends with the first content.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pointsman.domain.errors import PointsmanError
from pointsman.domain.pool import Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Outcome, Skip, SkipReason, Trail
from pointsman.executor.activity import Activity
from pointsman.executor.attempt import RULES, Next
from pointsman.executor.budget import Budget
from pointsman.executor.counts import Counts
from pointsman.executor.course import Course, Execution
from pointsman.executor.dispatch import dispatch
from pointsman.executor.instant import Instant
from pointsman.executor.journal.journal import Journal
from pointsman.executor.journal.row import NO_RULING, Ending, Row, Ruling, needs_of
from pointsman.executor.last_resort import fall_back
from pointsman.executor.means import Means
from pointsman.executor.outlet import Outlet
from pointsman.executor.plan import Plan, Planned
from pointsman.executor.prospects import has_able_fallback, plan_of, plan_of_fallback, priced_plan_of
from pointsman.telemetry.spans import current_trace_id

LOOK_AGAIN_S = 0.05
"""The least time between two plans of one request, when it waits for whoever is free first."""


@dataclass(slots=True, kw_only=True)
class Execute(Means):
    """Answers requests from pools, and writes down what became of each.

    The journal keeps `content_characters` of each prompt and answer; 0 keeps no text.
    """

    pools: Mapping[str, Pool]
    journal: Journal
    counts: Counts
    activity: Activity
    content_characters: int = 0
    settings_hash: str = ""
    under_way: int = 0
    """Requests that are being answered."""

    async def execute(
        self,
        request: Request,
        category: str,
        *,
        deadline: float,
        outlet: Outlet | None = None,
        ruling: Ruling = NO_RULING,
    ) -> Execution:
        """Return the answer of the first candidate that is able and free, else of the fallback; write the journal.

        `deadline` is an instant of the monotonic clock. With an outlet the content goes there, and the answer that is
        returned has none. Raises InvalidRequest, PoolExhausted, NoAnswer, NoCredentials and OutOfTime, each with the
        trail, and CategoryForbidden, CandidatesForbidden, CallerOverRate, CallerOverBudget and CallerUnknown; never
        once there was content.
        """
        began = self.instant()
        course = Course(
            request=request,
            pool=self.pools[category],
            budget=self._budget(request, deadline, began, is_streamed=outlet is not None),
            outlet=outlet,
            ruling=ruling,
            began=began,
        )
        execution, ending, reason = None, Ending.FAILED, PointsmanError.reason
        self.under_way += 1
        try:
            await self.allowances.admit(request.caller, category, began)
            execution = await self._run(course)
            ending, reason = Ending.PARTIAL if execution.partial else Ending.ANSWERED, ""
            return execution
        except asyncio.CancelledError:
            ending, reason = Ending.CANCELLED, ""
            raise
        except PointsmanError as error:
            reason = error.reason
            raise
        finally:
            self.under_way -= 1
            self._write_down(course, execution, ending, reason)

    def plan(self, request: Request, category: str) -> Plan:
        """Return what would be tried now. Calls nobody. Raises CategoryForbidden and CallerUnknown."""
        self.allowances[request.caller].permit(category)
        return priced_plan_of(self, self.pools[category], request, self.instant())

    def plan_fallback(self, request: Request) -> Planned | Skip | None:
        """Return the fallback as it would be called, why it cannot be, or None when there is none."""
        return plan_of_fallback(self, request)

    async def _run(self, course: Course) -> Execution:
        while True:
            skips = await self._round(course)
            if isinstance(skips, Execution):
                return skips
            hopes = (skip for skip in skips if course.may_try(skip.candidate))
            execution = await fall_back(self, course, until=self._soonest(hopes))
            if execution:
                return execution

    async def _round(self, course: Course) -> Execution | Sequence[Skip]:
        """Try what the plan of this moment names, each once a request; return its skips when nobody answered."""
        budget, trail, at = course.budget, course.trail, self.instant()
        planned_now = plan_of(self, course.pool, course.request, at)
        for left_out in planned_now.skips:
            course.skip_once(left_out)
        for planned in planned_now.ready:
            if planned.candidate.id in trail.tried:
                continue
            too_small = _too_small(planned, course.pool, trail)
            if skip := too_small or budget.refuse(planned, at.monotonic_s):
                course.skip_once(skip)
                continue
            if planned.wait_s:  # else nothing comes between plan and reservation
                await self.clock.sleep(planned.wait_s)
                at = self.instant()
            step = await dispatch(self, planned, course, at)
            if step:
                attempt, reply = step
                if course.is_committed or RULES[attempt.outcome].next is Next.STOP:
                    return course.end(attempt, reply, self.clock.monotonic())
            at = self.instant()  # without a step another request took the quota since the plan was made
        return planned_now.skips

    def _soonest(self, skips: Iterable[Skip]) -> float:
        """Return when, by the monotonic clock, the first of these can be called again; infinity when nobody can say."""
        instants = [skip.ready_at for skip in skips if skip.ready_at]
        if not instants:
            return math.inf
        now = self.clock.monotonic()
        return max(now + LOOK_AGAIN_S, now + (min(instants) - self.clock.now()).total_seconds())

    def _budget(self, request: Request, deadline: float, began: Instant, *, is_streamed: bool) -> Budget:
        left_s = deadline - began.monotonic_s
        reserve_s = (
            min(self.bounds.fallback_reserve_s, left_s / 2) if has_able_fallback(self, request, began.now) else 0.0
        )
        return Budget(
            deadline=deadline,
            attempts=min(request.options.max_attempts or self.bounds.max_attempts, self.bounds.max_attempts),
            floor_s=self.bounds.attempt_floor_s,
            reserve_s=reserve_s,
            cost_usd=request.options.max_cost_usd,
            is_streamed=is_streamed,
        )

    def _write_down(self, course: Course, execution: Execution | None, ending: Ending, reason: str) -> None:
        """Tell the journal, the metrics and whoever watches of a request that ended now."""
        ended = self.clock.monotonic()
        request, began, most = course.request, course.began, self.content_characters
        begun_at = course.outlet.begun_at if course.outlet else None
        row = Row(
            at=began.now,
            category=course.pool.category,
            trail=course.trail,
            answered_by=execution.attempt if execution and ending is Ending.ANSWERED else None,
            ending=ending,
            duration_s=ended - began.monotonic_s,
            reason=reason,
            first_token_s=None if begun_at is None else begun_at - began.monotonic_s,
            request_id=request.request_id,
            session_id=request.session_id,
            trace_id=current_trace_id(),
            labels=request.labels,
            asked_by=request.caller,
            ruling=course.ruling,
            policy=course.pool.policy,
            settings_hash=self.settings_hash,
            degraded=execution.degraded if execution else (),
            needs=needs_of(request),
            prompt=request.prompt.last_user_text[:most] if most else "",
            answer=execution.answer.text[:most] if execution and most else "",
        )
        self.journal.write(row)
        self.counts.count(row)
        self.activity.add(row, ended)


def _too_small(planned: Planned, pool: Pool, trail: Trail) -> Skip | None:
    """Return the skip of a candidate whose window is no larger than one that was too small.

    A quota that was too small says nothing of windows; the ledger remembers whom it holds for.
    """
    too_long = {attempt.candidate for attempt in trail.attempts if attempt.outcome is Outcome.CONTEXT_TOO_LONG}
    if not too_long:
        return None
    largest = max((each.model.max_input_tokens for each in pool.candidates if each.id in too_long), default=0)
    tokens = planned.candidate.model.max_input_tokens
    if tokens > largest:
        return None
    detail = f"at most {tokens} tokens; {largest} were too few"
    return Skip(candidate=planned.candidate.id, reason=SkipReason.CONTEXT_TOO_SMALL, detail=detail)
