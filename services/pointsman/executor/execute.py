"""The attempt loop: plan, then reserve, call and settle one candidate after another, then the local fallback.

Nothing else retries.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pointsman.domain.answer import Answer
from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.adapters.base import Reply
from pointsman.executor.attempt import RULES, Next
from pointsman.executor.budget import Budget
from pointsman.executor.call import Caller
from pointsman.executor.failure import failure
from pointsman.executor.journal import Journal, row_of
from pointsman.executor.ledger.port import Ledger, Settlement
from pointsman.executor.plan import Plan, Planned, Prospect, ineligible, plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An answer, who gave it, and how it came about."""

    answer: Answer
    attempt: Attempt
    model: str
    trail: Trail
    degraded: tuple[DegradedReason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The local model that answers when no candidate does; `slots` bounds its answers at once."""

    candidate: Candidate
    slots: asyncio.Semaphore
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one request may use: see the settings of the Executor."""

    max_attempts: int
    attempt_timeout_s: float
    attempt_floor_s: float
    fallback_reserve_s: float


@dataclass(slots=True, kw_only=True)
class Execute:
    """Answers requests from pools. `credentials` holds the names of the providers that have a key or need none."""

    pools: Mapping[str, Pool]
    fallback: Fallback | None
    credentials: frozenset[str]
    ledger: Ledger
    caller: Caller
    journal: Journal
    bounds: Bounds
    clock: Clock

    async def execute(self, request: Request, category: str, *, deadline: float) -> Execution:
        """Return the answer of the first candidate that is able and free, else of the fallback; write the journal.

        `deadline` is an instant of the monotonic clock.
        Raises InvalidRequest, PoolExhausted, NoAnswer, NoCredentials and OutOfTime, each with the trail.
        """
        trail, started_at, started = Trail(), self.clock.now(), self.clock.monotonic()
        answered_by: Attempt | None = None
        try:
            execution = await self._run(request, category, trail, deadline)
            answered_by = execution.attempt
            return execution
        finally:
            duration = timedelta(seconds=self.clock.monotonic() - started)
            self.journal.write(
                row_of(trail, answered_by, at=started_at, category=category, labels=request.labels, duration=duration)
            )

    async def _run(self, request: Request, category: str, trail: Trail, deadline: float) -> Execution:
        budget = self._budget(request, deadline)
        planned_now = self.plan(request, category)
        for left_out in planned_now.skips:
            trail.add(left_out)
        floor_tokens = 0
        for planned in planned_now.ready:
            if skip := _too_small(planned, floor_tokens) or budget.refuse(planned, self.clock.monotonic()):
                trail.add(skip)
                continue
            await self.clock.sleep(planned.wait_s)
            step = await self._try(planned, request, budget)
            if isinstance(step, Skip):  # another request took the quota since the plan was made
                trail.add(step)
                continue
            attempt, reply = step
            trail.add(attempt)
            rule = RULES[attempt.outcome]
            if rule.next is Next.STOP:
                return self._end(attempt, reply, trail)
            if rule.next is Next.LARGER_CANDIDATE:
                floor_tokens = planned.candidate.model.max_input_tokens + 1
        return await self._fall_back(request, trail, deadline)

    def plan(self, request: Request, category: str) -> Plan:
        """Return what would be tried now. Calls nobody."""
        pool = self.pools[category]
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
        estimate = self.caller.estimator.estimate(candidate, request)
        return Prospect(
            estimate=estimate,
            blocked=self.ledger.skip(candidate, estimate),
            has_credentials=candidate.provider in self.credentials,
            cost_usd=self.caller.prices.estimate(candidate, estimate, self.clock.now()),
            latency_s=self.caller.estimator.latency_s(candidate),
        )

    def _budget(self, request: Request, deadline: float) -> Budget:
        left_s = deadline - self.clock.monotonic()
        reserve_s = min(self.bounds.fallback_reserve_s, left_s / 2) if self.fallback else 0.0
        return Budget(
            deadline=deadline,
            attempts=min(request.options.max_attempts or self.bounds.max_attempts, self.bounds.max_attempts),
            attempt_timeout_s=self.bounds.attempt_timeout_s,
            floor_s=self.bounds.attempt_floor_s,
            reserve_s=reserve_s,
            cost_usd=request.options.max_cost_usd,
        )

    async def _try(self, planned: Planned, request: Request, budget: Budget) -> tuple[Attempt, Reply] | Skip:
        """Set quota aside, call, settle. A cancelled call settles what it had set aside."""
        reservation = await self.ledger.reserve(planned.candidate, planned.estimate)
        if isinstance(reservation, Skip):
            return reservation
        settlement = Settlement(outcome=Outcome.CANCELLED)
        try:
            time_limit_s = budget.time_limit_s(self.clock.monotonic())
            attempt, reply = await self.caller.call(planned.candidate, request, time_limit_s=time_limit_s)
            settlement = Settlement(
                outcome=reply.outcome,
                usage=reply.usage,
                stated=reply.stated,
                retry_after_s=reply.retry_after_s,
                out_until=reply.out_until,
            )
        finally:
            await self.ledger.settle(reservation, settlement)
        budget.spend(attempt)
        return attempt, reply

    async def _fall_back(self, request: Request, trail: Trail, deadline: float) -> Execution:
        if self.fallback is None:
            raise failure(trail)
        candidate = self.fallback.candidate
        # What the ledger has against it does not count: a try on this machine costs nothing, and there is nobody else
        # to ask.
        if skip := ineligible(candidate, request, self.prospect(candidate, request)):
            trail.add(skip)
            raise failure(trail)
        try:
            async with asyncio.timeout(deadline - self.clock.monotonic()), self.fallback.slots:
                time_limit_s = min(self.fallback.timeout_s, deadline - self.clock.monotonic())
                attempt, reply = await self.caller.call(candidate, request, time_limit_s=time_limit_s, is_fallback=True)
        except TimeoutError:
            detail = "the local model was busy until the deadline"
            trail.add(Skip(candidate=candidate.id, reason=SkipReason.NO_TIME, detail=detail))
            raise failure(trail) from None
        trail.add(attempt)
        return self._end(attempt, reply, trail, degraded=(DegradedReason.LOCAL_FALLBACK,))

    def _end(
        self, attempt: Attempt, reply: Reply, trail: Trail, *, degraded: tuple[DegradedReason, ...] = ()
    ) -> Execution:
        if reply.answer is None:
            raise failure(trail)
        return Execution(answer=reply.answer, attempt=attempt, model=reply.model, trail=trail, degraded=degraded)


def _too_small(planned: Planned, floor_tokens: int) -> Skip | None:
    """Return the skip of a candidate whose window is no larger than one that was too small."""
    model = planned.candidate.model
    if model.max_input_tokens >= floor_tokens:
        return None
    detail = f"at most {model.max_input_tokens} tokens; as many were too few"
    return Skip(candidate=planned.candidate.id, reason=SkipReason.CONTEXT_TOO_SMALL, detail=detail)
