"""The servicer of the Executor: messages in, the attempt loop, messages out."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, fields
from datetime import datetime

import grpc
from structlog.contextvars import bind_contextvars

from pointsman.config.settings import LimitsSettings
from pointsman.domain.answer import Delta
from pointsman.domain.errors import InvalidRequest, Violation
from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Skip
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.activity import Counts, Lately
from pointsman.executor.execute import Execute, Execution
from pointsman.executor.journal.row import Ruling
from pointsman.executor.journal.sums import Details, Question, ReportBy, Sums
from pointsman.executor.ledger.port import WindowState
from pointsman.executor.outlet import Start
from pointsman.executor.plan import Planned
from pointsman.executor.prices import PriceTable
from pointsman.executor.states import CandidateState, states
from pointsman.executor.stream import stream
from pointsman.rpc import convert
from pointsman.rpc.check_options import category_violations
from pointsman.rpc.requests import execute_request_from_pb
from pointsman.telemetry.story import story_of
from pointsman.v1 import executor_pb2 as pb
from pointsman.v1 import executor_pb2_grpc

Context = grpc.aio.ServicerContext[object, object]

INTERVAL_S, LEAST_INTERVAL_S, LONGEST_INTERVAL_S = 1.0, 0.1, 60.0
"""Between two messages of WatchActivity: unless the caller says otherwise, and what it may say."""

REPORT_BY = {
    pb.REPORT_BY_UNSPECIFIED: ReportBy.ALL,
    pb.REPORT_BY_CATEGORY: ReportBy.CATEGORY,
    pb.REPORT_BY_CANDIDATE: ReportBy.CANDIDATE,
    pb.REPORT_BY_CALLER: ReportBy.CALLER,
    pb.REPORT_BY_DAY: ReportBy.DAY,
    pb.REPORT_BY_LABEL: ReportBy.LABEL,
}


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
        self._tell(execution)
        return pb.ExecuteResponse(
            answer=convert.answer_to_pb(execution.answer),
            candidate=execution.attempt.candidate,
            trail=convert.trail_to_pb(execution.trail),
            usage=convert.usage_to_pb(execution.trail.usage),
            cost_usd=_cost(execution),
            local=execution.attempt.local,
            simulated=execution.attempt.simulated,
            degraded_reasons=convert.degraded_to_pb(self._degraded(execution)),
            model=execution.model,
        )

    async def StreamExecute(
        self, request: pb.StreamExecuteRequest, context: Context
    ) -> AsyncIterator[pb.StreamExecuteResponse]:
        """Run a prompt and send the answer as it comes: one start, deltas, one end."""
        asked, category, deadline, ruling = self._read(request.request, context)
        pieces = stream(self.engine, asked, category, deadline=deadline, window_s=self.window_s, ruling=ruling)
        has_started = False
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Delta):
                    yield pb.StreamExecuteResponse(delta=convert.delta_to_pb(piece))
                elif isinstance(piece, Start):
                    has_started = True
                    bind_contextvars(candidate=piece.candidate.id)
                    yield pb.StreamExecuteResponse(start=_start_to_pb(piece))
                else:
                    self._tell(piece)
                    if not has_started:  # an answer without content, such as one that went into reasoning
                        yield pb.StreamExecuteResponse(start=_start_of(piece))
                    yield pb.StreamExecuteResponse(end=self._end_to_pb(piece))

    async def Plan(self, request: pb.PlanRequest, _context: Context) -> pb.PlanResponse:
        """Say what Execute would do now."""
        asked, category, _ = execute_request_from_pb(request.request, self.limits, self.engine.pools)
        plan, fallback = self.engine.plan(asked, category), self.engine.plan_fallback(asked)
        plan_pb = pb.Plan(
            category=category,
            ready=[_planned_to_pb(planned) for planned in plan.ready],
            skips=[convert.skip_to_pb(skip) for skip in plan.skips],
            fallback=_planned_to_pb(fallback) if isinstance(fallback, Planned) else None,
            fallback_skip=convert.skip_to_pb(fallback) if isinstance(fallback, Skip) else None,
            policy=self.engine.pools[category].policy,
            settings_hash=self.settings_hash,
        )
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
        journal = self.engine.journal
        question = Question(
            group_by=REPORT_BY.get(request.group_by, ReportBy.ALL),
            since=_since(request),
            with_details=request.with_details,
        )
        report = await journal.report(question)
        return pb.ReportResponse(
            since_time=convert.instant_to_pb(report.first_at or journal.since),
            rows=[_sums_to_pb(group) for group in report.groups],
            total=_sums_to_pb(report.total),
            journal=journal.name,
            dropped=journal.dropped,
            journal_detail=journal.trouble,
            details=_details_to_pb(report.details) if question.with_details else None,
        )

    async def WatchActivity(
        self, request: pb.WatchActivityRequest, _context: Context
    ) -> AsyncIterator[pb.WatchActivityResponse]:
        """Send what the last minute looked like, at once and again after each interval."""
        interval_s, engine = _interval_s(request), self.engine
        while True:
            yield _lately_to_pb(engine.activity.lately(engine.clock.monotonic()), engine.journal.since)
            await engine.clock.sleep(interval_s)

    def _read(self, request: pb.ExecuteRequest, context: Context) -> tuple[Request, str, float, Ruling]:
        """Return the request, its category, the instant by which it must have ended here, and why the category."""
        asked, category, verdict = execute_request_from_pb(request, self.limits, self.engine.pools)
        bind_contextvars(request_id=asked.request_id, category=category)
        if asked.caller:
            bind_contextvars(caller=asked.caller)
        remaining_s = context.time_remaining()
        # grpcio 1.85 answers None to a call without a deadline, whatever its type says.
        left_s = self.default_deadline_s if remaining_s is None else remaining_s  # type: ignore[redundant-expr]
        waited_s = (
            convert.duration_from_pb(request.classify_duration) if request.HasField("classify_duration") else None
        )
        deadline = self.engine.clock.monotonic() + left_s - self.reply_reserve_s
        return asked, category, deadline, Ruling(verdict=verdict, waited_s=waited_s)

    def _end_to_pb(self, execution: Execution) -> pb.StreamEnd:
        return pb.StreamEnd(
            finish_reason=convert.FINISH_REASONS.to_pb(execution.answer.finish_reason),
            partial=execution.partial,
            trail=convert.trail_to_pb(execution.trail),
            usage=convert.usage_to_pb(execution.trail.usage),
            cost_usd=_cost(execution),
            degraded_reasons=convert.degraded_to_pb(self._degraded(execution)),
        )

    def _tell(self, execution: Execution) -> None:
        """Put what became of the request into the one log line of the call."""
        bind_contextvars(
            candidate=execution.attempt.candidate,
            **story_of(execution.trail),
            degraded=[reason.value for reason in self._degraded(execution)],
        )
        if execution.partial:
            bind_contextvars(partial=True)

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
        return [_state_to_pb(state, self.engine.caller.prices, now) for state in self.states(chosen)]

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


def _since(request: pb.ReportRequest) -> datetime | None:
    if not request.HasField("since_time"):
        return None
    try:
        return convert.instant_from_pb(request.since_time)
    except ValueError as error:
        message = f"since_time of {request.since_time.seconds} s is no instant; send one of the years 1 to 9999"
        raise InvalidRequest(Violation(field="since_time", reason="SINCE_TIME_INVALID", message=message)) from error


def _interval_s(request: pb.WatchActivityRequest) -> float:
    interval_s = convert.duration_from_pb(request.interval) if request.HasField("interval") else INTERVAL_S
    if LEAST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        return interval_s
    bounds = f"{LEAST_INTERVAL_S:g} s to {LONGEST_INTERVAL_S:g} s"
    message = f"an interval of {interval_s:g} s is not possible; send {bounds}, or none for {INTERVAL_S:g} s"
    raise InvalidRequest(Violation(field="interval", reason="INTERVAL_INVALID", message=message))


def _start_to_pb(start: Start) -> pb.StreamStart:
    candidate = start.candidate
    return pb.StreamStart(candidate=candidate.id, model=start.model, local=candidate.local, simulated=start.simulated)


def _start_of(execution: Execution) -> pb.StreamStart:
    attempt = execution.attempt
    return pb.StreamStart(
        candidate=attempt.candidate, model=execution.model, local=attempt.local, simulated=attempt.simulated
    )


def _cost(execution: Execution) -> float | None:
    cost = execution.trail.cost_usd
    return None if cost is None else float(cost)


def _planned_to_pb(planned: Planned) -> pb.PlannedCandidate:
    return pb.PlannedCandidate(
        candidate=planned.candidate.id,
        model=planned.candidate.model.id,
        input_tokens=planned.estimate.input_tokens,
        output_tokens=planned.estimate.output_tokens,
        cost_usd=None if planned.cost_usd is None else float(planned.cost_usd),
        wait=convert.duration_to_pb(planned.wait_s) if planned.wait_s else None,
    )


def _state_to_pb(state: CandidateState, prices: PriceTable, now: datetime) -> pb.CandidateState:
    candidate, blocked = state.candidate, state.blocked
    now_prices = prices.prices(candidate, now)
    state_pb = pb.CandidateState(
        candidate=candidate.id,
        provider=candidate.provider,
        model=candidate.model.id,
        categories=state.categories,
        local=candidate.local,
        fallback=state.fallback,
        availability=_availability(blocked),
        windows=[_window_to_pb(window) for window in state.windows],
        in_flight=state.in_flight,
        context_tokens=candidate.model.context_tokens,
        max_output_tokens=candidate.model.max_output_tokens,
        sees_images=candidate.model.sees_images,
        takes_tools=candidate.model.takes_tools,
        follows_json_schema=candidate.model.follows_json_schema,
        api_key_env=candidate.api_key_env,
        wasted_today=state.wasted_today,
    )
    if blocked:
        state_pb.reason = convert.SKIP_REASONS.to_pb(blocked.reason)
        state_pb.detail = blocked.detail
        if blocked.ready_at:
            state_pb.ready_time.CopyFrom(convert.instant_to_pb(blocked.ready_at))
    if now_prices:
        state_pb.prices.input_usd_per_mtok = float(now_prices.input)
        state_pb.prices.cached_input_usd_per_mtok = float(now_prices.cached_input)
        state_pb.prices.output_usd_per_mtok = float(now_prices.output)
        state_pb.prices.version = prices.version
    return state_pb


def _availability(blocked: Skip | None) -> pb.Availability.ValueType:
    if blocked is None:
        return pb.AVAILABILITY_READY
    return pb.AVAILABILITY_WAITING if blocked.waits else pb.AVAILABILITY_OUT


def _window_to_pb(window: WindowState) -> pb.QuotaWindow:
    return pb.QuotaWindow(
        scope=window.scope,
        unit=window.unit,
        period=None if window.period_s is None else convert.duration_to_pb(window.period_s),
        limit=window.limit,
        remaining=window.remaining,
        reserved=window.reserved,
        reset_time=None if window.renews_at is None else convert.instant_to_pb(window.renews_at),
        source=window.source,
    )


def _sums_to_pb(sums: Sums) -> pb.ReportRow:
    return pb.ReportRow(
        key=sums.key,
        requests=sums.requests,
        answered=sums.answered,
        answered_by_fallback=sums.answered_by_fallback,
        attempts=sums.attempts,
        wasted=sums.wasted,
        unproductive=sums.unproductive,
        skips=sums.skips,
        usage=convert.usage_to_pb(sums.usage),
        cost_usd=float(sums.cost_usd),
        attempts_without_price=sums.attempts_without_price,
        mean_duration=convert.duration_to_pb(sums.mean_s),
        p95_duration=convert.duration_to_pb(sums.p95_s),
        sequential_cost_usd=float(sums.sequential_cost_usd) if sums.requests else None,
        sequential_attempts=sums.sequential_attempts if sums.requests else None,
        cancelled=sums.cancelled,
        partial=sums.partial,
        unproductive_cost_usd=float(sums.unproductive_cost_usd),
        cost_usd_exact=f"{sums.cost_usd.normalize():f}",
    )


def _details_to_pb(details: Details) -> pb.ReportDetails:
    return pb.ReportDetails(
        hops=[
            pb.HopTimes(
                hop=times.hop,
                count=times.count,
                mean_duration=convert.duration_to_pb(times.mean_s),
                p95_duration=convert.duration_to_pb(times.p95_s),
                longest_duration=convert.duration_to_pb(times.longest_s),
            )
            for times in details.hops
        ],
        calls=[
            pb.CallCount(
                candidate=calls.candidate,
                outcome=convert.OUTCOMES.to_pb(calls.outcome),
                count=calls.count,
                cost_usd=float(calls.cost_usd),
            )
            for calls in details.calls
        ],
        skips=[
            pb.SkipCount(candidate=skips.candidate, reason=convert.SKIP_REASONS.to_pb(skips.reason), count=skips.count)
            for skips in details.skips
        ],
        verdicts=[
            pb.VerdictCount(category=verdicts.category, decided_by=verdicts.decided_by, count=verdicts.count)
            for verdicts in details.verdicts
        ],
        confidence=details.confidence,
    )


def _lately_to_pb(lately: Lately, started_at: datetime) -> pb.WatchActivityResponse:
    return pb.WatchActivityResponse(
        start_time=convert.instant_to_pb(started_at),
        window=convert.duration_to_pb(lately.window_s),
        last_minute=_counts_to_pb(lately.last_minute),
        since_start=_counts_to_pb(lately.since_start),
        requests_by_second=lately.by_second,
        hops=[
            pb.HopActivity(
                hop=latency.hop,
                count=latency.count,
                p50_duration=convert.duration_to_pb(latency.p50_s),
                p95_duration=convert.duration_to_pb(latency.p95_s),
            )
            for latency in lately.hops
        ],
    )


def _counts_to_pb(counts: Counts) -> pb.ActivitySums:
    return pb.ActivitySums(
        requests=counts.requests,
        answered=counts.answered,
        answered_locally=counts.answered_locally,
        attempts=counts.attempts,
        wasted=counts.wasted,
        unproductive=counts.unproductive,
        cost_usd=float(counts.cost_usd),
        cost_usd_exact=f"{counts.cost_usd.normalize():f}",
        attempts_without_price=counts.attempts_without_price,
    )
