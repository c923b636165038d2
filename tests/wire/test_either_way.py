"""What is the same whether a service is asked within the process or over the wire, and that nobody spoils a message."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from pointsman.classifier import app as classifier_app
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import PointsmanError, TooManyCalls
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict
from pointsman.executor import app as executor_app
from pointsman.rpc.channel import call, open_channel
from pointsman.rpc.server import Server
from pointsman.v1 import classifier_pb2, classifier_pb2_grpc, executor_pb2_grpc, router_pb2, router_pb2_grpc, types_pb2
from pointsman.v1 import executor_pb2 as pb
from tests.fakes.serving import CLASSIFY, MESSAGE_BYTES, Context, FakeClassifier, FakeExecutor, routing, serving
from tests.unit.rpc.test_status import ROWS, UNEXPECTED  # an example of every error

pytestmark = pytest.mark.one_way

RULED = Verdict(category="coding", confidence=0.9, decided_by=DecidedBy.EMBEDDED, model_hop=ModelHop.CONFIDENT)


async def told_by(channel: grpc.aio.Channel) -> PointsmanError:
    """Return the domain error that a Classifier ends a call with."""
    stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
    with pytest.raises(PointsmanError) as caught:
        await call(stub.Classify, classifier_pb2.ClassifyRequest(), method=CLASSIFY, target="x:1", timeout_s=5)
    return caught.value


def facts(error: PointsmanError) -> dict[str, Any]:
    """Return all that an error holds; the trace is another each time, and the time until it passes has gone on."""
    own = {name: getattr(error, name, None) for name in ("ready_at", "violations", "missing", "trail", "verdict")}
    metadata = {name: value for name, value in error.metadata.items() if name != "trace_id"}
    return {"kind": type(error), "message": error.message, "reason": error.reason, "metadata": metadata, **own}


@pytest.mark.parametrize("error", [pytest.param(row.values[0], id=row.id) for row in (*ROWS, *UNEXPECTED)])
async def test_every_error_comes_back_alike(error: PointsmanError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error, "verdict", RULED)

    async def fail(_request: object, _context: Context) -> classifier_pb2.ClassifyResponse:
        raise error

    async with (
        serving(FakeClassifier(fail)) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as over_the_wire,
    ):
        within, without = await told_by(server.channel()), await told_by(over_the_wire)

    assert facts(within) == facts(without)
    assert "trace_id" in within.metadata


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_every_code_of_grpc_itself_comes_back_alike(code: grpc.StatusCode) -> None:
    async def refuse(_request: object, context: Context) -> classifier_pb2.ClassifyResponse:
        await context.abort(code, "no")

    async with (
        serving(FakeClassifier(refuse)) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as over_the_wire,
    ):
        within, without = await told_by(server.channel()), await told_by(over_the_wire)

    assert facts(within) == facts(without)


@pytest.fixture
async def executor(settings: Settings) -> AsyncIterator[Server]:
    """A real Executor over simulated providers."""
    async with executor_app.run(settings, clock=SystemClock()) as server:
        yield server


@pytest.fixture
async def classifier(settings: Settings) -> AsyncIterator[Server]:
    """A real Classifier."""
    categories = tuple(settings.pools)
    async with classifier_app.run(settings.classifier, settings.limits, categories, clock=SystemClock()) as server:
        yield server


EXECUTE = pb.ExecuteRequest(
    messages=[types_pb2.Message(role=types_pb2.ROLE_USER, parts=[types_pb2.Part(text="2+2?")])],
    category="quick",
    request_id="r-1",
)
ASKED = {
    "Execute": EXECUTE,
    "StreamExecute": pb.StreamExecuteRequest(request=EXECUTE),
    "Plan": pb.PlanRequest(request=EXECUTE),
    "ListCandidates": pb.ListCandidatesRequest(category="quick"),
    "WatchCandidates": pb.WatchCandidatesRequest(category="quick"),
    "Report": pb.ReportRequest(with_details=True),
    "WatchActivity": pb.WatchActivityRequest(),
}
METHODS = pb.DESCRIPTOR.services_by_name["ExecutorService"].methods_by_name


def said(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", [*METHODS])
async def test_the_executor_leaves_a_request_as_it_was_given(name: str, executor: Server) -> None:
    request = ASKED[name]
    before = said(request)
    method = getattr(executor_pb2_grpc.ExecutorServiceStub(executor.channel()), name)

    if METHODS[name].server_streaming:
        answers = method(request, timeout=10)
        async for _ in answers:
            if name.startswith("Watch"):
                answers.cancel()
                break
    else:
        await method(request, timeout=10)

    assert said(request) == before


async def test_the_classifier_leaves_a_request_as_it_was_given(classifier: Server) -> None:
    request = classifier_pb2.ClassifyRequest(text="2+2?", context="user: hi", request_id="r-1")
    before = said(request)

    await classifier_pb2_grpc.ClassifierServiceStub(classifier.channel()).Classify(request, timeout=10)

    assert said(request) == before


@pytest.mark.parametrize("name", ["Route", "StreamRoute", "Explain"])
async def test_the_router_leaves_an_answer_as_it_was_given(name: str) -> None:
    ruling = classifier_pb2.ClassifyResponse(
        verdict=types_pb2.Verdict(category="coding", confidence=0.9),
        degraded_reasons=[types_pb2.DEGRADED_REASON_MODEL_HOP_DOWN],
    )
    reasons = [types_pb2.DEGRADED_REASON_LOCAL_FALLBACK]
    answer = pb.ExecuteResponse(answer=types_pb2.Answer(text="4"), cost_usd=1.0, degraded_reasons=reasons)
    plan = pb.PlanResponse(plan=pb.Plan(category="coding"))
    events = [
        pb.StreamExecuteResponse(start=pb.StreamStart(candidate="openai/gpt-4")),
        pb.StreamExecuteResponse(delta=pb.StreamDelta(text="4")),
        pb.StreamExecuteResponse(end=pb.StreamEnd(degraded_reasons=reasons)),
    ]
    given = [ruling, answer, plan, *events]
    before = [said(message) for message in given]

    async def rule(_request: object, _context: Context) -> classifier_pb2.ClassifyResponse:
        return ruling

    async def execute(_request: object, _context: Context) -> pb.ExecuteResponse:
        return answer

    async def stream(_request: object, _context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        for event in events:
            yield event

    async def planned(_request: object, _context: Context) -> pb.PlanResponse:
        return plan

    async with (
        routing(FakeClassifier(rule), FakeExecutor(execute, stream, planned)) as router,
        grpc.aio.insecure_channel(router.address) as channel,
    ):
        stub = router_pb2_grpc.RouterServiceStub(channel)
        match name:
            case "Route":
                await stub.Route(router_pb2.RouteRequest(text="2+2?"), timeout=5)
            case "StreamRoute":
                async for _ in stub.StreamRoute(router_pb2.StreamRouteRequest(text="2+2?"), timeout=5):
                    pass
            case _:
                await stub.Explain(router_pb2.ExplainRequest(text="2+2?"), timeout=5)

    assert [said(message) for message in given] == before


@pytest.mark.parametrize("first_is_within", [True, False], ids=["the first within", "the first over the wire"])
async def test_both_ways_in_share_one_door(*, first_is_within: bool) -> None:
    begun, leave = asyncio.Event(), asyncio.Event()

    async def hold(_request: object, _context: Context) -> classifier_pb2.ClassifyResponse:
        begun.set()
        await leave.wait()
        return classifier_pb2.ClassifyResponse()

    async with (
        serving(FakeClassifier(hold), concurrent_calls=1) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as over_the_wire,
    ):
        ways = (server.channel(), over_the_wire)
        one, other = ways if first_is_within else reversed(ways)
        inside = asyncio.ensure_future(
            classifier_pb2_grpc.ClassifierServiceStub(one).Classify(classifier_pb2.ClassifyRequest(), timeout=5)
        )
        await begun.wait()
        refused = await told_by(other)
        leave.set()
        await inside

    assert isinstance(refused, TooManyCalls)
