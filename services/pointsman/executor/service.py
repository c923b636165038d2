"""The servicer of the Executor: messages in, the attempt loop, messages out."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, fields

import grpc

from pointsman.config.settings import LimitsSettings
from pointsman.domain.answer import Delta
from pointsman.domain.errors import InvalidRequest
from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.prompt import Request
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from pointsman.executor.journal.row import Ruling
from pointsman.executor.messages.activity import activity_to_pb, interval_s_from_pb
from pointsman.executor.messages.candidates import state_to_pb
from pointsman.executor.messages.execution import end_to_pb, execution_to_pb, late_start_to_pb, start_to_pb
from pointsman.executor.messages.plan import plan_to_pb
from pointsman.executor.messages.report import question_from_pb, report_to_pb
from pointsman.executor.outlet import Outlet
from pointsman.executor.states import CandidateState, states
from pointsman.executor.stream import answering
from pointsman.rpc import convert
from pointsman.rpc.check_options import category_violations
from pointsman.rpc.requests import execute_request_from_pb
from pointsman.telemetry import facts
from pointsman.telemetry.story import story_of
from pointsman.v1 import executor_pb2 as pb
from pointsman.v1 import executor_pb2_grpc

Context = grpc.aio.ServicerContext[object, object]


@dataclass(slots=True, kw_only=True)
class ExecutorServicer(executor_pb2_grpc.ExecutorServiceServicer):
    """Serves `pointsman.v1.ExecutorService`. `candidates` are in the order of the settings.

    `reply_reserve_s` is kept of the caller's deadline for the way back; `window_s` is how long deltas are bundled.
    """

    engine: Execute
    candidates: tuple[Candidate, ...]
    limits: LimitsSettings
    settings_hash: str
    default_deadline_s: float
    reply_reserve_s: float
    window_s: float

    def go_by(self, other: "ExecutorServicer") -> None:
        """Serve what comes from now on as `other` would, which newer settings made; what is under way goes on."""
        for field in fields(self):
            setattr(self, field.name, getattr(other, field.name))

    async def Execute(self, request: pb.ExecuteRequest, context: Context) -> pb.ExecuteResponse:
        """Run a prompt and answer with one whole message."""
        asked, category, deadline, ruling = self._read(request, context)
        execution = await self.engine.execute(asked, category, deadline=deadline, ruling=ruling)
        degraded = self._degraded(execution)
        self._tell(execution, degraded)
        return execution_to_pb(execution, degraded)

    async def StreamExecute(  # type: ignore[override]  # gRPC takes a coroutine that writes, too: a layer less a message
        self, request: pb.StreamExecuteRequest, context: Context
    ) -> None:
        """Run a prompt and send the answer as it comes: one start, deltas, one end."""
        asked, category, deadline, ruling = self._read(request.request, context)
        outlet, has_started = Outlet(clock=self.engine.clock, window_s=self.window_s), False
        async with answering(self.engine, asked, category, outlet=outlet, deadline=deadline, ruling=ruling) as answered:
            async for piece in outlet:
                if isinstance(piece, Delta):
                    event = pb.StreamExecuteResponse()
                    convert.write_delta(event.delta, piece)
                    await context.write(event)
                else:
                    has_started = True
                    facts.bind(candidate=piece.candidate.id)
                    await context.write(pb.StreamExecuteResponse(start=start_to_pb(piece)))
            execution = await answered
        degraded = self._degraded(execution)
        self._tell(execution, degraded)
        if not has_started:
            await context.write(pb.StreamExecuteResponse(start=late_start_to_pb(execution)))
        await context.write(pb.StreamExecuteResponse(end=end_to_pb(execution, degraded)))

    async def Plan(self, request: pb.PlanRequest, _context: Context) -> pb.PlanResponse:
        """Say what Execute would do now."""
        asked, category, _ = execute_request_from_pb(request.request, self.limits, self.engine.pools)
        plan, fallback = self.engine.plan(asked, category), self.engine.plan_fallback(asked)
        plan_pb = plan_to_pb(plan, fallback, self.engine.pools[category], self.settings_hash)
        return pb.PlanResponse(plan=plan_pb)

    async def ListCandidates(self, request: pb.ListCandidatesRequest, _context: Context) -> pb.ListCandidatesResponse:
        """List every candidate and its state."""
        return pb.ListCandidatesResponse(
            candidates=self._states_pb(self._chosen(request.category)),
            ledger=self.engine.ledger.name,
            settings_hash=self.settings_hash,
        )

    async def WatchCandidates(
        self, request: pb.WatchCandidatesRequest, _context: Context
    ) -> AsyncIterator[pb.WatchCandidatesResponse]:
        """Send all states, then those that change.

        Changes that come while one message waits to be read travel together.
        """
        chosen = self._chosen(request.category)
        changed, news = set[str](), asyncio.Event()

        def note(candidate_id: str) -> None:
            changed.add(candidate_id)
            news.set()

        unwatch, unread = self.engine.ledger.watch(note), self.engine.journal.watch(note)
        try:
            yield pb.WatchCandidatesResponse(candidates=self._states_pb(chosen))
            while await news.wait():
                news.clear()
                touched = {
                    scope.name for candidate in self.candidates if candidate.id in changed for scope in candidate.scopes
                }
                changed.clear()
                chosen = self._chosen(request.category)  # settings may have been read again
                affected = [candidate for candidate in chosen if touched & {scope.name for scope in candidate.scopes}]
                if affected:
                    yield pb.WatchCandidatesResponse(candidates=self._states_pb(affected))
        finally:
            unwatch()
            unread()

    async def Report(self, request: pb.ReportRequest, _context: Context) -> pb.ReportResponse:
        """Sum up what was asked, tried and paid."""
        question, journal = question_from_pb(request), self.engine.journal
        return report_to_pb(await journal.report(question), question, journal)

    async def WatchActivity(
        self, request: pb.WatchActivityRequest, _context: Context
    ) -> AsyncIterator[pb.WatchActivityResponse]:
        """Send what the last minute looked like, at once and again after each interval."""
        interval_s, engine = interval_s_from_pb(request), self.engine
        while True:
            yield activity_to_pb(engine.activity.lately(engine.clock.monotonic()), engine.journal.since)
            await engine.clock.sleep(interval_s)

    def _read(self, request: pb.ExecuteRequest, context: Context) -> tuple[Request, str, float, Ruling]:
        """Return the request, its category, the instant by which it must have ended here, and why the category."""
        asked, category, verdict = execute_request_from_pb(request, self.limits, self.engine.pools)
        facts.bind(request_id=asked.request_id, category=category)
        if asked.caller:
            facts.bind(caller=asked.caller)
        remaining_s = context.time_remaining()
        # grpcio 1.85 answers None to a call without a deadline, whatever its type says.
        left_s = self.default_deadline_s if remaining_s is None else remaining_s  # type: ignore[redundant-expr]
        waited_s = (
            convert.duration_from_pb(request.classify_duration) if request.HasField("classify_duration") else None
        )
        deadline = self.engine.clock.monotonic() + left_s - self.reply_reserve_s
        return asked, category, deadline, Ruling(verdict=verdict, waited_s=waited_s)

    def _tell(self, execution: Execution, degraded: tuple[DegradedReason, ...]) -> None:
        """Put what became of the request into the one log line of the call."""
        facts.bind(
            candidate=execution.attempt.candidate,
            **story_of(execution.trail),
            degraded=[reason.value for reason in degraded],
        )
        if execution.partial:
            facts.bind(partial=True)

    def _degraded(self, execution: Execution) -> tuple[DegradedReason, ...]:
        away = self.engine.ledger.name.endswith("-away")
        return (*execution.degraded, *((DegradedReason.LEDGER_LOCAL_SHARE,) if away else ()))

    def _chosen(self, category: str) -> tuple[Candidate, ...]:
        if not category:
            return self.candidates
        if violations := [*category_violations(category, self.engine.pools, "category")]:
            raise InvalidRequest(*violations)
        pool: Pool = self.engine.pools[category]
        return pool.candidates

    def _states_pb(self, chosen: Iterable[Candidate]) -> list[pb.CandidateState]:
        now = self.engine.clock.now()
        return [state_to_pb(state, self.engine.caller.prices, now) for state in self.states(chosen)]

    def states(self, chosen: Iterable[Candidate] | None = None) -> list[CandidateState]:
        """Return the state of the chosen candidates, of all when none are named."""
        fallback = self.engine.fallback
        return states(
            self.candidates if chosen is None else chosen,
            self.engine.pools,
            fallback_id=fallback.candidate.id if fallback else "",
            credentials=self.engine.credentials,
            ledger=self.engine.ledger,
            journal=self.engine.journal,
            today=self.engine.clock.now().date(),
        )
