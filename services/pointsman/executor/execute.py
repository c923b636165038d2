"""The attempt loop: plan, then reserve, call and settle one candidate after another, then the local fallback.

Nothing else retries. With an outlet the answer is streamed: failing over ends with the first content.
"""

import asyncio
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pointsman.domain.answer import Answer, FinishReason
from pointsman.domain.clock import Clock
from pointsman.domain.errors import PointsmanError
from pointsman.domain.places import Denied
from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.activity import Activity
from pointsman.executor.adapters.base import Reply
from pointsman.executor.allowance import Allowance, Allowances, Charge, Held, Instant
from pointsman.executor.attempt import RULES, Next
from pointsman.executor.budget import Budget, Slice
from pointsman.executor.call import Caller
from pointsman.executor.counts import Counts
from pointsman.executor.experience import Experience
from pointsman.executor.failure import failure
from pointsman.executor.fallback import Fallback
from pointsman.executor.journal.journal import Journal
from pointsman.executor.journal.row import NO_RULING, Ending, Row, Ruling, needs_of
from pointsman.executor.ledger.port import Ledger, Settlement
from pointsman.executor.outlet import Outlet
from pointsman.executor.plan import Plan, Planned, Prospect, ineligible, plan
from pointsman.executor.quota import Estimate
from pointsman.telemetry import names
from pointsman.telemetry.spans import current_trace_id, note

FIRM = frozenset({SkipReason.NOT_RUNNING, SkipReason.CALLER_OVER_RATE, SkipReason.CALLER_OVER_BUDGET})
"""What keeps the fallback from being tried although nobody else is left to ask."""

NO_CHARGE = Charge(tokens=0, most_usd=None)
"""For callers whose use nobody counts."""

LOOK_AGAIN_S = 0.05
"""The least time between two plans of one request, when it waits for whoever is free first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An answer, who gave it, and how it came about. `partial`: a stream that broke after its first content."""

    answer: Answer
    attempt: Attempt
    model: str
    trail: Trail
    degraded: tuple[DegradedReason, ...] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one request may use: see the settings of the Executor."""

    max_attempts: int
    attempt_floor_s: float
    fallback_reserve_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One request on its way. `outlet` is None when the answer is wanted whole."""

    request: Request
    pool: Pool
    budget: Budget
    outlet: Outlet | None
    trail: Trail = field(default_factory=Trail)

    @property
    def is_committed(self) -> bool:
        """True once the caller has content: then nobody else may answer."""
        return self.outlet is not None and self.outlet.has_begun

    def skip(self, skip: Skip) -> None:
        """Put a skip on the trail and on the span of the request."""
        self.trail.add(skip)
        ready_at = skip.ready_at.isoformat() if skip.ready_at else None
        note(
            names.SPAN_EVENT_SKIP,
            {names.CANDIDATE: skip.candidate, names.REASON: skip.reason.value, names.READY_AT: ready_at},
        )

    def skip_once(self, skip: Skip) -> None:
        """Put a skip there unless the same candidate was left out for the same reason before."""
        if not self.trail.knows(skip):
            self.skip(skip)

    def may_try(self, candidate_id: str) -> bool:
        """Return whether the candidate is worth waiting for: each is called once, and attempts are bounded."""
        return self.budget.attempts > 0 and candidate_id not in self.trail.tried


@dataclass(slots=True, kw_only=True)
class Execute:
    """Answers requests from pools. A provider is in `credentials` while it has a key or needs none.

    The journal keeps `content_characters` of each prompt and answer; 0 keeps no text.
    """

    pools: Mapping[str, Pool]
    fallback: Fallback | None
    credentials: Container[str]
    ledger: Ledger
    caller: Caller
    journal: Journal
    counts: Counts
    activity: Activity
    bounds: Bounds
    experience: Experience = field(default_factory=Experience)
    clock: Clock
    allowances: Allowances = field(default_factory=Allowances)
    content_characters: int = 0

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
        started_at, started = self.clock.now(), self.clock.monotonic()
        budget = self._budget(request, deadline, is_streamed=outlet is not None)
        course = Course(request=request, pool=self.pools[category], budget=budget, outlet=outlet)
        execution, ending, reason = None, Ending.FAILED, PointsmanError.reason
        try:
            await self.allowances.admit(request.caller, category, self._instant())
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
            row = self._row(course, execution, at=started_at, started=started, ending=ending)
            row = replace(row, reason=reason, ruling=ruling)
            self.journal.write(row)
            self.counts.count(row)
            self.activity.add(row, self.clock.monotonic())

    def _row(self, course: Course, execution: Execution | None, *, at: datetime, started: float, ending: Ending) -> Row:
        request, outlet, most = course.request, course.outlet, self.content_characters
        begun_at = outlet.begun_at if outlet else None
        return Row(
            at=at,
            category=course.pool.category,
            trail=course.trail,
            answered_by=execution.attempt if execution and ending is Ending.ANSWERED else None,
            ending=ending,
            duration_s=self.clock.monotonic() - started,
            first_token_s=None if begun_at is None else begun_at - started,
            request_id=request.request_id,
            session_id=request.session_id,
            trace_id=current_trace_id(),
            labels=request.labels,
            asked_by=request.caller,
            policy=course.pool.policy,
            degraded=execution.degraded if execution else (),
            needs=needs_of(request),
            prompt=request.prompt.last_user_text[:most] if most else "",
            answer=execution.answer.text[:most] if execution and most else "",
        )

    async def _run(self, course: Course) -> Execution:
        while True:
            skips = await self._round(course)
            if isinstance(skips, Execution):
                return skips
            hopes = (skip for skip in skips if course.may_try(skip.candidate))
            execution = await self._fall_back(course, until=self._soonest(hopes))
            if execution:
                return execution

    async def _round(self, course: Course) -> Execution | Sequence[Skip]:
        """Try what the plan of this moment names, each once a request; return its skips when nobody answered."""
        budget, trail = course.budget, course.trail
        planned_now = self._plan(course.pool, course.request)
        for left_out in planned_now.skips:
            course.skip_once(left_out)
        for planned in planned_now.ready:
            if planned.candidate.id in trail.tried:
                continue
            too_small = _too_small(planned, course.pool, trail)
            if skip := too_small or budget.refuse(planned, self.clock.monotonic()):
                course.skip_once(skip)
                continue
            if planned.wait_s:  # else nothing comes between plan and reservation
                await self.clock.sleep(planned.wait_s)
            step = await self._try(planned, course)
            if step is None:  # another request took the quota since the plan was made
                continue
            attempt, reply = step
            if course.is_committed or RULES[attempt.outcome].next is Next.STOP:
                return self._end(attempt, reply, course)
        return planned_now.skips

    def _soonest(self, skips: Iterable[Skip]) -> float:
        """Return when, by the monotonic clock, the first of these can be called again; infinity when nobody can say."""
        instants = [skip.ready_at for skip in skips if skip.ready_at]
        if not instants:
            return math.inf
        now = self.clock.monotonic()
        return max(now + LOOK_AGAIN_S, now + (min(instants) - self.clock.now()).total_seconds())

    def plan(self, request: Request, category: str) -> Plan:
        """Return what would be tried now. Calls nobody. Raises CategoryForbidden and CallerUnknown."""
        self.allowances[request.caller].permit(category)
        return self._plan(self.pools[category], request)

    def _plan(self, pool: Pool, request: Request) -> Plan:
        prospects = {candidate.id: self.prospect(candidate, request) for candidate in pool.candidates}
        return plan(pool, request, prospects, self.clock.now())

    def plan_fallback(self, request: Request) -> Planned | Skip | None:
        """Return the fallback as it would be called, why it cannot be, or None when there is none."""
        if self.fallback is None:
            return None
        candidate = self.fallback.candidate
        prospect = self.prospect(candidate, request)
        if skip := ineligible(candidate, request, prospect) or prospect.blocked:
            return skip
        return Planned(candidate=candidate, estimate=prospect.estimate, cost_usd=prospect.cost_usd)

    def prospect(self, candidate: Candidate, request: Request) -> Prospect:
        """Return what is known of a candidate for one request."""
        estimate, allowance = self.caller.estimator.estimate(candidate, request), self.allowances[request.caller]
        over_limit = allowance.skip(candidate.id, self._charge(candidate, estimate, allowance), self._instant())
        return Prospect(
            estimate=estimate,
            blocked=over_limit or self.ledger.skip(candidate, estimate),
            is_allowed=allowance.may_use(candidate.id),
            has_credentials=candidate.provider in self.credentials,
            cost_usd=self.caller.prices.estimate(candidate, estimate, self.clock.now()),
            latency_s=self.caller.estimator.latency_s(candidate),
            risk=self.risk(candidate),
        )

    def _charge(self, candidate: Candidate, estimate: Estimate, allowance: Allowance) -> Charge:
        """Return what a call will probably use, and cost at most: with all of the output that it may ask for."""
        if not allowance.is_counted:
            return NO_CHARGE
        longest = replace(estimate, output_tokens=estimate.admitted_tokens - estimate.input_tokens)
        return Charge(
            tokens=estimate.input_tokens + estimate.output_tokens,
            most_usd=self.caller.prices.estimate(candidate, longest, self.clock.now()),
        )

    def _instant(self) -> Instant:
        return Instant(now=self.clock.now(), monotonic_s=self.clock.monotonic())

    def _settle(self, held: Held, candidate: Candidate, course: Course) -> None:
        """Charge the caller with what the call used that is on the trail, if one left."""
        attempt = course.trail.attempt_of(candidate.id)
        self.allowances.settle(course.request.caller, held, attempt, self._instant())

    def risk(self, candidate: Candidate) -> int:
        """Return how much more than was ever let in a call would be, where nobody says what the provider allows."""
        if self.ledger.is_told(candidate):
            return 0
        return self.experience.risk(candidate.quota_scope, self.clock.monotonic())

    def _budget(self, request: Request, deadline: float, *, is_streamed: bool) -> Budget:
        left_s = deadline - self.clock.monotonic()
        reserve_s = min(self.bounds.fallback_reserve_s, left_s / 2) if self._has_able_fallback(request) else 0.0
        return Budget(
            deadline=deadline,
            attempts=min(request.options.max_attempts or self.bounds.max_attempts, self.bounds.max_attempts),
            floor_s=self.bounds.attempt_floor_s,
            reserve_s=reserve_s,
            cost_usd=request.options.max_cost_usd,
            is_streamed=is_streamed,
        )

    def _has_able_fallback(self, request: Request) -> bool:
        if self.fallback is None:
            return False
        candidate = self.fallback.candidate
        return ineligible(candidate, request, self.prospect(candidate, request)) is None

    async def _try(self, planned: Planned, course: Course) -> tuple[Attempt, Reply] | None:
        """Set the caller's money and the quota aside, call, settle; None when there was none of either.

        The trail has it in each case, cancelled too.
        """
        candidate, caller = planned.candidate, course.request.caller
        charge = self._charge(candidate, planned.estimate, self.allowances[caller])
        held = await self.allowances.hold(caller, candidate.id, charge, self._instant())
        if isinstance(held, Skip):
            course.skip(held)
            return None
        try:
            return await self._reserve_and_call(planned, course)
        finally:
            self._settle(held, candidate, course)

    async def _reserve_and_call(self, planned: Planned, course: Course) -> tuple[Attempt, Reply] | None:
        candidate, request, outlet = planned.candidate, course.request, course.outlet
        reservation = await self.ledger.reserve(candidate, planned.estimate)
        if isinstance(reservation, Skip):
            course.skip(reservation)
            return None
        self.experience.leave(candidate.quota_scope)
        settlement, started_at = Settlement(outcome=Outcome.CANCELLED), self.clock.now()
        try:
            within = course.budget.slice(candidate, self.clock.monotonic())
            attempt, reply = await self.caller.call(candidate, request, within=within, outlet=outlet)
            was_reader_slow = outlet is not None and outlet.was_waited_for
            is_callers_doing = within.blames_caller(attempt, was_reader_slow=was_reader_slow)
            settlement = Settlement(
                # An impatient or a slow caller says nothing of the candidate: others are not to suffer for it.
                outcome=Outcome.CANCELLED if is_callers_doing else reply.outcome,
                usage=reply.usage,
                stated=reply.stated,
                retry_after_s=reply.retry_after_s,
                out_until=reply.out_until,
            )
        except asyncio.CancelledError:
            attempt = self.caller.given_up(candidate, request, started_at, outlet=outlet)
            settlement = Settlement(outcome=Outcome.CANCELLED, usage=attempt.usage)
            course.trail.add(attempt)
            raise
        finally:
            was_familiar = self.experience.end(
                candidate.quota_scope, settlement.outcome, left_at=reservation.left_at, now=self.clock.monotonic()
            )
            await self.ledger.settle(reservation, replace(settlement, was_familiar=was_familiar))
        course.budget.spend(attempt)
        course.trail.add(attempt)
        return attempt, reply

    async def _fall_back(self, course: Course, *, until: float) -> Execution | None:
        """Answer on this machine; None when a candidate is free again, at `until`, before the local model is."""
        fallback, trail, request = self.fallback, course.trail, course.request
        if fallback is None or any(step.candidate == fallback.candidate.id for step in trail.attempts):
            raise self._failure(course)  # there is none, or it stood in the pool and has failed already
        candidate = fallback.candidate
        # A cooldown does not count: a try on this machine costs nothing, and there is nobody else to ask. One that was
        # just found not to be there does.
        prospect = self.prospect(candidate, request)
        firm = prospect.blocked if prospect.blocked and prospect.blocked.reason in FIRM else None
        if skip := ineligible(candidate, request, prospect) or firm:
            course.skip(skip)
            raise self._failure(course)
        latest = course.budget.deadline - self.bounds.attempt_floor_s
        if skip := await self._queue(fallback, request.caller, latest=latest, until=until):
            if until < latest:
                return None
            course.skip(skip)
            raise self._failure(course)
        started_at, caller = self.clock.now(), request.caller
        charge = self._charge(candidate, prospect.estimate, self.allowances[caller])
        held = self.allowances.take(caller, charge, self._instant())
        try:
            total_s = min(fallback.timeout_s, course.budget.deadline - self.clock.monotonic())
            within = Slice(total_s=total_s, idle_s=candidate.time_limits.idle_s)
            attempt, reply = await self.caller.call(
                candidate, request, within=within, outlet=course.outlet, is_fallback=True
            )
        except asyncio.CancelledError:
            trail.add(self.caller.given_up(candidate, request, started_at, outlet=course.outlet, is_fallback=True))
            raise
        else:
            trail.add(attempt)
        finally:
            fallback.free_slot()
            self._settle(held, candidate, course)
        degraded = () if request.options.local_only else (DegradedReason.LOCAL_FALLBACK,)
        return self._end(attempt, reply, course, degraded=degraded)

    async def _queue(self, fallback: Fallback, caller: str, *, latest: float, until: float) -> Skip | None:
        """Take a slot of the local model; when none came free until one of these instants, return why."""
        name, left_s = fallback.candidate.id, min(latest, until) - self.clock.monotonic()
        if denied := fallback.denied(caller):
            detail = f"{fallback.waiting} requests wait for the local model, and no more may"
            if denied is Denied.SHARE:
                held = fallback.queue.held_by(caller)
                detail = f"{held} requests of {caller} wait for the local model, and the other places are for others"
            if until < latest:  # whoever is free then can be waited for without a place in the queue
                await self.clock.sleep(left_s)
            return Skip(candidate=name, reason=SkipReason.OUT_OF_CONCURRENCY, detail=detail)
        if await fallback.take_slot(caller, left_s):
            return None
        detail = "the local model was busy until the deadline"
        return Skip(candidate=name, reason=SkipReason.NO_TIME, detail=detail)

    def _end(
        self, attempt: Attempt, reply: Reply, course: Course, *, degraded: tuple[DegradedReason, ...] = ()
    ) -> Execution:
        answer = reply.answer
        if answer is None and not course.is_committed:
            raise self._failure(course)
        return Execution(
            answer=answer or Answer(text="", finish_reason=FinishReason.INTERRUPTED),
            attempt=attempt,
            model=reply.model,
            trail=course.trail,
            degraded=degraded,
            partial=answer is None,
        )

    def _failure(self, course: Course) -> PointsmanError:
        latest = course.budget.deadline - self.bounds.attempt_floor_s
        return failure(course.trail, is_late=self.clock.monotonic() >= latest)


def _too_small(planned: Planned, pool: Pool, trail: Trail) -> Skip | None:
    """Return the skip of a candidate whose window is no larger than one that was too small.

    A quota that was too small says nothing of windows; the ledger remembers whom it holds for.
    """
    too_long = {attempt.candidate for attempt in trail.attempts if attempt.outcome is Outcome.CONTEXT_TOO_LONG}
    largest = max((each.model.max_input_tokens for each in pool.candidates if each.id in too_long), default=0)
    tokens = planned.candidate.model.max_input_tokens
    if tokens > largest:
        return None
    detail = f"at most {tokens} tokens; {largest} were too few"
    return Skip(candidate=planned.candidate.id, reason=SkipReason.CONTEXT_TOO_SMALL, detail=detail)
