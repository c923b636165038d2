"""Real servers around servicers that tests write: our server, our interceptor, a free port of this machine."""

# ruff: noqa: ANN401, N802  # methods carry the names of their RPCs; any setting may be changed

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import structlog

from pointsman.config.settings import LimitsSettings, RouterSettings
from pointsman.domain.clock import Clock, SystemClock
from pointsman.router import app
from pointsman.rpc.channel import open_channel
from pointsman.rpc.server import Server, ServerOptions
from pointsman.v1 import classifier_pb2 as classifier_pb
from pointsman.v1 import classifier_pb2_grpc, executor_pb2_grpc
from pointsman.v1 import executor_pb2 as executor_pb
from pointsman.v1 import types_pb2 as pb
from tests.fakes.hops import HOPS

CLASSIFIER = "pointsman.v1.ClassifierService"
EXECUTOR = "pointsman.v1.ExecutorService"
CLASSIFY = f"{CLASSIFIER}/Classify"
NOBODY = "127.0.0.1:1"
MESSAGE_BYTES = 4_194_304
CATEGORIES = ("reasoning", "coding", "quick", "vision", "review")

Context = grpc.aio.ServicerContext[Any, Any]
Classify = Callable[[classifier_pb.ClassifyRequest, Context], Awaitable[classifier_pb.ClassifyResponse]]
Execute = Callable[[executor_pb.ExecuteRequest, Context], Awaitable[executor_pb.ExecuteResponse]]
StreamExecute = Callable[[executor_pb.StreamExecuteRequest, Context], AsyncIterator[executor_pb.StreamExecuteResponse]]
Plan = Callable[[executor_pb.PlanRequest, Context], Awaitable[executor_pb.PlanResponse]]


class FakeClassifier(classifier_pb2_grpc.ClassifierServiceServicer):
    """A Classifier that does what the test says, and keeps what it was asked."""

    def __init__(self, classify: Classify | None = None) -> None:
        self._classify = classify
        self.asked: list[classifier_pb.ClassifyRequest] = []

    async def Classify(
        self, request: classifier_pb.ClassifyRequest, context: Context
    ) -> classifier_pb.ClassifyResponse:
        self.asked.append(request)
        if self._classify is not None:
            return await self._classify(request, context)
        return classifier_pb.ClassifyResponse(
            verdict=pb.Verdict(
                category="coding",
                confidence=0.9,
                decided_by=pb.DECIDED_BY_EMBEDDED,
                model_hop=pb.MODEL_HOP_CONFIDENT,
            )
        )


class FakeExecutor(executor_pb2_grpc.ExecutorServiceServicer):
    """An Executor that does what the test says, and keeps what it was asked and how much time it had."""

    def __init__(
        self, execute: Execute | None = None, stream: StreamExecute | None = None, plan: Plan | None = None
    ) -> None:
        self._execute = execute
        self._stream = stream
        self._plan = plan
        self.asked: list[executor_pb.ExecuteRequest] = []
        self.remaining_s: list[float | None] = []

    async def Execute(self, request: executor_pb.ExecuteRequest, context: Context) -> executor_pb.ExecuteResponse:
        self.asked.append(request)
        self.remaining_s.append(context.time_remaining())
        if self._execute is not None:
            return await self._execute(request, context)
        return executor_pb.ExecuteResponse(
            answer=pb.Answer(text="4", finish_reason=pb.FINISH_REASON_STOP), candidate="openai/gpt-4", model="gpt-4"
        )

    async def StreamExecute(
        self, request: executor_pb.StreamExecuteRequest, context: Context
    ) -> AsyncIterator[executor_pb.StreamExecuteResponse]:
        assert self._stream is not None
        async for event in self._stream(request, context):
            yield event

    async def Plan(self, request: executor_pb.PlanRequest, context: Context) -> executor_pb.PlanResponse:
        self.asked.append(request.request)
        if self._plan is not None:
            return await self._plan(request, context)
        ready = [executor_pb.PlannedCandidate(candidate="openai/gpt-4")]
        return executor_pb.PlanResponse(plan=executor_pb.Plan(category=request.request.category, ready=ready))

    async def ListCandidates(self, request: object, context: object) -> executor_pb.ListCandidatesResponse:
        return executor_pb.ListCandidatesResponse()

    async def WatchCandidates(
        self, request: object, context: object
    ) -> AsyncIterator[executor_pb.WatchCandidatesResponse]:
        yield executor_pb.WatchCandidatesResponse()

    async def Report(self, request: object, context: object) -> executor_pb.ReportResponse:
        return executor_pb.ReportResponse()

    async def WatchActivity(self, request: object, context: object) -> AsyncIterator[executor_pb.WatchActivityResponse]:
        yield executor_pb.WatchActivityResponse()


def options(address: str = "127.0.0.1:0", **changed: Any) -> ServerOptions:
    """Return options for a test, with what the test wants to be different."""
    usual: dict[str, Any] = {
        "setting": "router.address",
        "address": address,
        "message_bytes": MESSAGE_BYTES,
        "metadata_bytes": 16_384,
        "concurrent_calls": 64,
        "bytes_in_flight": 134_217_728,
        "reflection": True,
        "grace_s": 0.5,
    }
    return ServerOptions(**{**usual, **changed})


@asynccontextmanager
async def serving(
    *servicers: FakeClassifier | FakeExecutor, clock: Clock | None = None, **changed: Any
) -> AsyncIterator[Server]:
    """Serve the servicers on one server until the block ends."""
    services: dict[str, Callable[[grpc.aio.Server], None]] = {}
    for servicer in servicers:
        if isinstance(servicer, FakeClassifier):
            services[CLASSIFIER] = _registering_classifier(servicer)
        else:
            services[EXECUTOR] = _registering_executor(servicer)
    server = Server(options(**changed), services=services, clock=clock or SystemClock())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _registering_classifier(servicer: FakeClassifier) -> Callable[[grpc.aio.Server], None]:
    return lambda server: classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)


def _registering_executor(servicer: FakeExecutor) -> Callable[[grpc.aio.Server], None]:
    return lambda server: executor_pb2_grpc.add_ExecutorServiceServicer_to_server(servicer, server)


@asynccontextmanager
async def channel_to(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to a server in the way of the test."""
    if not HOPS.over_the_wire:
        yield server.channel()
        return
    async with open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel:
        yield channel


@asynccontextmanager
async def classifier_stub(server: Server) -> AsyncIterator["classifier_pb2_grpc.ClassifierServiceAsyncStub"]:
    """Open a channel to a Classifier, the way the Router does."""
    async with channel_to(server) as channel:
        yield classifier_pb2_grpc.ClassifierServiceStub(channel)


@asynccontextmanager
async def executor_stub(server: Server) -> AsyncIterator["executor_pb2_grpc.ExecutorServiceAsyncStub"]:
    """Open a channel to an Executor, the way the Router does."""
    async with channel_to(server) as channel:
        yield executor_pb2_grpc.ExecutorServiceStub(channel)


@asynccontextmanager
async def routing(
    classifier: FakeClassifier | None = None,
    executor: FakeExecutor | None = None,
    *,
    limits: LimitsSettings | None = None,
    **changed: Any,
) -> AsyncIterator[Server]:
    """Run a real Router in front of the fakes; a service that is None is down."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serving(servicer)) if servicer is not None else None
            for servicer in (classifier, executor)
        ]
        addresses = [server.address if server else NOBODY for server in servers]
        settings: dict[str, Any] = {
            "address": "127.0.0.1:0",
            "grace_s": 0.5,
            "executor_patience_s": 0.0,
            **dict(zip(("classifier_address", "executor_address"), addresses, strict=True)),
        }
        yield await stack.enter_async_context(
            app.run(
                RouterSettings(**{**settings, **changed}),
                limits or LimitsSettings(),
                CATEGORIES,
                clock=SystemClock(),
                peers=await stack.enter_async_context(peers(*servers)),
            )
        )


@asynccontextmanager
async def peers(classifier: Server | None, executor: Server | None) -> AsyncIterator[app.Peers | None]:
    """Yield the ways to these services in the way of the test; None where the Router finds them by itself."""
    if HOPS.over_the_wire:
        yield None
        return
    async with open_channel(NOBODY, message_bytes=MESSAGE_BYTES) as nowhere:
        to_classifier, to_executor = (server.channel() if server else nowhere for server in (classifier, executor))
        yield app.Peers(classifier=to_classifier, executor=to_executor)


def plain(message: bytes) -> bytes:
    """Return the bytes as they are: the (de)serializer of calls that speak no Protobuf."""
    return message


def lines_of(captured: list[structlog.typing.EventDict], method: str) -> list[structlog.typing.EventDict]:
    """Return the lines about one method."""
    return [line for line in captured if line.get("method") == method]
