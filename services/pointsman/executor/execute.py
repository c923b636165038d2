"""The attempt loop: plan, then reserve, call and settle one candidate after another, then the local fallback.

Nothing else retries.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

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
from pointsman.executor.experience import Experience
from pointsman.executor.failure import failure
from pointsman.executor.journal import Journal, row_of
from pointsman.executor.ledger.port import Ledger, Settlement
from pointsman.executor.plan import Plan, Planned, Prospect, ineligible, plan

LOOK_AGAIN_S = 0.05
"""The least time between two plans of one request, when it waits for whoever is free first."""


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
    experience: Experience = field(default_factory=Experience)
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
        while True:
            skips = await self._round(request, category, trail, budget)
            if isinstance(skips, Execution):
                return skips
            execution = await self._fall_back(request, trail, deadline, until=self._soonest(skips))
            if execution:
                return execution

    async def _round(self, request: Request, category: str, trail: Trail, budget: Budget) -> Execution | Sequence[Skip]:
        """Try what the plan of this moment names, each once a request; return its skips when nobody answered."""
        planned_now = self.plan(request, category)
        for left_out in planned_now.skips:
            trail.add_once(left_out)
        for planned in planned_now.ready:
            if planned.candidate.id in trail.tried:
                continue
            too_small = _too_small(planned, self.pools[category], trail)
            if skip := too_small or budget.refuse(planned, self.clock.monotonic()):
                trail.add_once(skip)
                continue
            if planned.wait_s:  # else nothing comes between plan and reservation
                await self.clock.sleep(planned.wait_s)
            step = await self._try(planned, request, budget, trail)
            if step is None:  # another request took the quota since the plan was made
                continue
            attempt, reply = step
            if RULES[attempt.outcome].next is Next.STOP:
                return self._end(attempt, reply, trail)
        return planned_now.skips

    def _soonest(self, skips: Iterable[Skip]) -> float:
        """Return when, by the monotonic clock, the first of these can be called again; infinity when nobody can say."""
        instants = [skip.ready_at for skip in skips if skip.ready_at]
        if not instants:
            return math.inf
        now = self.clock.monotonic()
        return max(now + LOOK_AGAIN_S, now + (min(instants) - self.clock.now()).total_seconds())

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
            risk=self.risk(candidate),
        )

    def risk(self, candidate: Candidate) -> int:
        """Return how much more than was ever let in a call would be, where nobody says what the provider allows."""
        if self.ledger.is_told(candidate):
            return 0
        return self.experience.risk(candidate.quota_scope, self.clock.monotonic())

    def _budget(self, request: Request, deadline: float) -> Budget:
        left_s = deadline - self.clock.monotonic()
        reserve_s = min(self.bounds.fallback_reserve_s, left_s / 2) if self._has_able_fallback(request) else 0.0
        return Budget(
            deadline=deadline,
            attempts=min(request.options.max_attempts or self.bounds.max_attempts, self.bounds.max_attempts),
            attempt_timeout_s=self.bounds.attempt_timeout_s,
            floor_s=self.bounds.attempt_floor_s,
            reserve_s=reserve_s,
            cost_usd=request.options.max_cost_usd,
        )

    def _has_able_fallback(self, request: Request) -> bool:
        if self.fallback is None:
            return False
        candidate = self.fallback.candidate
        return ineligible(candidate, request, self.prospect(candidate, request)) is None

    async def _try(
        self, planned: Planned, request: Request, budget: Budget, trail: Trail
    ) -> tuple[Attempt, Reply] | None:
        """Set quota aside, call, settle; None when there was no quota. The trail has it in each case, cancelled too."""
        candidate = planned.candidate
        reservation = await self.ledger.reserve(candidate, planned.estimate)
        if isinstance(reservation, Skip):
            trail.add(reservation)
            return None
        self.experience.leave(candidate.quota_scope)
        settlement, started_at = Settlement(outcome=Outcome.CANCELLED), self.clock.now()
        try:
            time_limit_s = budget.time_limit_s(self.clock.monotonic())
            attempt, reply = await self.caller.call(candidate, request, time_limit_s=time_limit_s)
            cut_short = reply.outcome is Outcome.TIMED_OUT and time_limit_s < self.bounds.attempt_timeout_s
            settlement = Settlement(
                # An impatient caller says nothing of the candidate: others are not to suffer for it.
                outcome=Outcome.CANCELLED if cut_short else reply.outcome,
                usage=reply.usage,
                stated=reply.stated,
                retry_after_s=reply.retry_after_s,
                out_until=reply.out_until,
            )
        except asyncio.CancelledError:
            trail.add(self._given_up(candidate, started_at))
            raise
        finally:
            was_familiar = self.experience.end(
                candidate.quota_scope, settlement.outcome, left_at=reservation.left_at, now=self.clock.monotonic()
            )
            await self.ledger.settle(reservation, replace(settlement, was_familiar=was_familiar))
        budget.spend(attempt)
        trail.add(attempt)
        return attempt, reply

    async def _fall_back(self, request: Request, trail: Trail, deadline: float, *, until: float) -> Execution | None:
        """Answer on this machine; None when a candidate is free again, at `until`, before the local model is."""
        if self.fallback is None or any(step.candidate == self.fallback.candidate.id for step in trail.attempts):
            raise failure(trail)  # there is none, or it stood in the pool and has failed already
        candidate = self.fallback.candidate
        # A cooldown does not count: a try on this machine costs nothing, and there is nobody else to ask. One that was
        # just found not to be there does.
        prospect = self.prospect(candidate, request)
        away = prospect.blocked if prospect.blocked and prospect.blocked.reason is SkipReason.NOT_RUNNING else None
        if skip := ineligible(candidate, request, prospect) or away:
            trail.add(skip)
            raise failure(trail)
        latest = deadline - self.bounds.attempt_floor_s
        if not await self._slot(self.fallback, min(latest, until)):
            if until < latest:
                return None
            detail = "the local model was busy until the deadline"
            trail.add(Skip(candidate=candidate.id, reason=SkipReason.NO_TIME, detail=detail))
            raise failure(trail)
        started_at = self.clock.now()
        try:
            time_limit_s = min(self.fallback.timeout_s, deadline - self.clock.monotonic())
            attempt, reply = await self.caller.call(candidate, request, time_limit_s=time_limit_s, is_fallback=True)
        except asyncio.CancelledError:
            trail.add(self._given_up(candidate, started_at, is_fallback=True))
            raise
        finally:
            self.fallback.slots.release()
        trail.add(attempt)
        degraded = () if request.options.local_only else (DegradedReason.LOCAL_FALLBACK,)
        return self._end(attempt, reply, trail, degraded=degraded)

    async def _slot(self, fallback: Fallback, until: float) -> bool:
        """Take one of the slots of the local model; False when none came free until that instant."""
        left_s = until - self.clock.monotonic()
        if left_s <= 0:
            return False
        try:
            async with asyncio.timeout(left_s):
                return await fallback.slots.acquire()
        except TimeoutError:
            return False

    def _given_up(self, candidate: Candidate, started_at: datetime, *, is_fallback: bool = False) -> Attempt:
        """Return the attempt of a call that was under way when its request was cancelled."""
        return Attempt(
            candidate=candidate.id,
            outcome=Outcome.CANCELLED,
            started_at=started_at,
            duration_s=(self.clock.now() - started_at).total_seconds(),
            local=candidate.local,
            fallback=is_fallback,
            detail="the caller gave up",
        )

    def _end(
        self, attempt: Attempt, reply: Reply, trail: Trail, *, degraded: tuple[DegradedReason, ...] = ()
    ) -> Execution:
        if reply.answer is None:
            raise failure(trail)
        return Execution(answer=reply.answer, attempt=attempt, model=reply.model, trail=trail, degraded=degraded)


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
