"""RouterService: reads the request, has it ruled on and run, and puts the answer together. Holds no state."""

from dataclasses import dataclass, replace
from os import urandom
from types import TracebackType
from typing import Final

import grpc

from pointsman.config.settings import LimitsSettings, RouterSettings
from pointsman.domain.clock import Clock
from pointsman.domain.errors import ClassifierDown, ExecutorDown, PointsmanError
from pointsman.domain.verdict import Verdict
from pointsman.router.messages.answers import answered, broken_off, is_lost, log_end, relayed, union
from pointsman.router.messages.ruling import Ruled, Ruling, tell_ruling
from pointsman.router.route import Question, executor_budget_s, rule
from pointsman.rpc.callers import current_caller
from pointsman.rpc.channel import call, stream
from pointsman.rpc.convert import degraded_from_pb, degraded_to_pb, verdict_to_pb
from pointsman.rpc.peer import Peer
from pointsman.rpc.requests import RouterRequest, prompt_from_pb, write_execute_request
from pointsman.telemetry import facts
from pointsman.telemetry.spans import current_trace_id
from pointsman.v1 import (
    classifier_pb2,
    classifier_pb2_grpc,
    executor_pb2,
    executor_pb2_grpc,
    router_pb2_grpc,
)
from pointsman.v1 import router_pb2 as pb

_CLASSIFIER: Final = "pointsman.v1.ClassifierService"
_EXECUTOR: Final = "pointsman.v1.ExecutorService"

_ID_BYTES: Final = 16
"""Random bytes of the id of a request whose caller gave it none."""

Context = grpc.aio.ServicerContext[object, object]


@dataclass(slots=True, kw_only=True)
class RouterServicer(router_pb2_grpc.RouterServiceServicer):
    """Serves `pointsman.v1.RouterService`. `categories` are all that settings name, the five included.

    `executor_peer` says whether the Executor is there: one that starts again is waited for.
    """

    settings: RouterSettings
    limits: LimitsSettings
    categories: tuple[str, ...]
    classifier: "classifier_pb2_grpc.ClassifierServiceAsyncStub"
    executor: "executor_pb2_grpc.ExecutorServiceAsyncStub"
    executor_peer: Peer
    clock: Clock

    def go_by(self, settings: RouterSettings, limits: LimitsSettings, categories: tuple[str, ...]) -> None:
        """Serve what comes from now on by these, and from the same peers; what is under way goes on as it began."""
        self.settings = replace(
            settings,
            classifier_address=self.settings.classifier_address,
            executor_address=self.settings.executor_address,
        )
        self.limits, self.categories = limits, categories

    async def Route(self, request: pb.RouteRequest, context: Context) -> pb.RouteResponse:
        asked = executor_pb2.ExecuteRequest()
        ruled = await self._rule(request, context, asked)
        with _Hop(ruled.ruling, self.clock):
            executed = await call(
                self.executor.Execute,
                asked,
                method=f"{_EXECUTOR}/Execute",
                target=self.settings.executor_address,
                timeout_s=await self._executor_time_s(ruled),
                waits=True,
                down=ExecutorDown,
            )
        degraded = union(ruled.ruling, executed.degraded_reasons)
        log_end(executed, degraded, candidate=executed.candidate)
        return answered(executed, ruled, degraded)

    async def StreamRoute(  # type: ignore[override]  # gRPC takes a coroutine that writes, too: a layer less a message
        self, request: pb.StreamRouteRequest, context: Context
    ) -> None:
        asked = executor_pb2.StreamExecuteRequest()
        ruled = await self._rule(request, context, asked.request)
        with _Hop(ruled.ruling, self.clock):
            streaming = stream(
                self.executor.StreamExecute,
                asked,
                method=f"{_EXECUTOR}/StreamExecute",
                target=self.settings.executor_address,
                timeout_s=await self._executor_time_s(ruled),
                waits=True,
                down=ExecutorDown,
            )
            kind: str | None = ""
            try:
                async with streaming as events:
                    async for event in events:
                        kind = event.WhichOneof("event")
                        await context.write(relayed(event, kind, ruled))
            except PointsmanError as error:
                if kind == "" or not is_lost(error):
                    raise
                if kind != "end":  # else nothing was lost: the end of the answer has been told
                    await context.write(broken_off(error, ruled))

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        asked = executor_pb2.PlanRequest()
        ruled = await self._rule(request, context, asked.request)
        with _Hop(ruled.ruling, self.clock):
            planned = await call(
                self.executor.Plan,
                asked,
                method=f"{_EXECUTOR}/Plan",
                target=self.settings.executor_address,
                timeout_s=await self._executor_time_s(ruled),
                waits=True,
                down=ExecutorDown,
            )
        return pb.ExplainResponse(
            verdict=ruled.ruling.verdict_pb,
            plan=planned.plan,
            degraded_reasons=degraded_to_pb(ruled.ruling.degraded),
            trace_id=current_trace_id(),
            request_id=ruled.request_id,
        )

    async def _rule(self, request_pb: RouterRequest, context: Context, asked_pb: executor_pb2.ExecuteRequest) -> Ruled:
        """Read, check and rule, and write into an empty message what the Executor is asked.

        A caller without a deadline gets the configured one.
        """
        # Bound first, so that a refused request has an id too; one that is too long is refused and not logged.
        request_id = request_pb.request_id or urandom(_ID_BYTES).hex()
        facts.bind(request_id=request_id[:128])
        settings, categories = self.settings, self.categories
        prompt = prompt_from_pb(request_pb, self.limits, categories)
        stated_s: float | None = context.time_remaining()
        remaining_s = settings.default_deadline_s if stated_s is None else stated_s
        asking, started_s = _Asking(self, request_id), self.clock.monotonic()
        ruling = await rule(prompt, request_pb.options.category, remaining_s, settings, categories, asking.classify)
        if isinstance(ruling, Verdict):
            ruling = Ruling(verdict_pb=verdict_to_pb(ruling), degraded=ruling.degraded)
        took_s = self.clock.monotonic() - started_s
        classify_s = took_s if asking.has_asked else None
        tell_ruling(ruling.verdict_pb, request_id, classify_s)
        write_execute_request(
            asked_pb,
            request_pb,
            prompt,
            request_id=request_id,
            caller=current_caller(),
            verdict_pb=ruling.verdict_pb,
            degraded=ruling.degraded,
            classify_s=classify_s,
        )
        return Ruled(settings=settings, request_id=request_id, ruling=ruling, remaining_s=remaining_s - took_s)

    async def _executor_time_s(self, ruled: Ruled) -> float:
        """Return how long the Executor may take, once it is there. Raises OutOfTime and ExecutorDown."""
        budget_s = executor_budget_s(ruled.remaining_s, ruled.settings)
        if self.executor_peer.is_there:
            return budget_s
        started_s = self.clock.monotonic()
        if not await self.executor_peer.arrive(budget_s):
            target = self.settings.executor_address
            raise ExecutorDown(f"the Executor at {target} cannot be reached; see that it runs", target=target)
        return budget_s - (self.clock.monotonic() - started_s)


class _Hop:
    """What the Executor does, as a block: timed for the line, and the verdict travels with whatever error comes back.

    Not a generator, which costs twice as much.
    """

    __slots__ = ("_clock", "_ruling", "_started_s")

    def __init__(self, ruling: Ruling, clock: Clock) -> None:
        self._ruling, self._clock = ruling, clock

    def __enter__(self) -> None:
        self._started_s = self._clock.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, PointsmanError):
            error.verdict = self._ruling.verdict
        facts.bind(execute_s=round(self._clock.monotonic() - self._started_s, 6))


class _Asking:
    """The question of one request to the Classifier, and whether it was asked."""

    __slots__ = ("_request_id", "_router", "has_asked")

    def __init__(self, router: RouterServicer, request_id: str) -> None:
        self._router = router
        self._request_id = request_id
        self.has_asked = False

    async def classify(self, question: Question, timeout_s: float) -> Ruling:
        """Return the Classifier's verdict within `timeout_s`. Raises ClassifierDown, OutOfTime, PointsmanError."""
        self.has_asked = True
        response = await call(
            self._router.classifier.Classify,
            _question_to_pb(question, self._request_id),
            method=f"{_CLASSIFIER}/Classify",
            target=self._router.settings.classifier_address,
            timeout_s=timeout_s,
            down=ClassifierDown,
        )
        return Ruling(verdict_pb=response.verdict, degraded=degraded_from_pb(response.degraded_reasons))


def _question_to_pb(question: Question, request_id: str) -> classifier_pb2.ClassifyRequest:
    request = classifier_pb2.ClassifyRequest()
    request.text = question.text
    request.context = question.context
    request.has_image = question.has_image
    request.request_id = request_id
    return request
