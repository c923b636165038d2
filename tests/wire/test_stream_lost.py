"""An Executor that is lost after the first content: the stream ends, typed, and says that it is not all."""

from collections.abc import AsyncIterator

import grpc
import pytest
import structlog

from pointsman.v1 import executor_pb2 as executor_pb
from pointsman.v1 import router_pb2, router_pb2_grpc
from pointsman.v1 import types_pb2 as pb
from tests.fakes.serving import Context, FakeClassifier, FakeExecutor, lines_of, routing
from tests.fakes.spans import recorded_spans

ROUTE = "pointsman.v1.RouterService/StreamRoute"
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL)


def losing(code: grpc.StatusCode, *events: executor_pb.StreamExecuteResponse) -> FakeExecutor:
    """Return an Executor that sends the events, then ends with a status of gRPC's own."""

    async def stream(
        request: executor_pb.StreamExecuteRequest, context: Context
    ) -> AsyncIterator[executor_pb.StreamExecuteResponse]:
        for event in events:
            yield event
        await context.abort(code, "lost")

    return FakeExecutor(stream=stream)


async def listen(address: str) -> list[router_pb2.StreamRouteResponse]:
    async with grpc.aio.insecure_channel(address) as channel:
        request = router_pb2.StreamRouteRequest(text="?")
        return [event async for event in router_pb2_grpc.RouterServiceStub(channel).StreamRoute(request, timeout=5)]


START = executor_pb.StreamExecuteResponse(start=executor_pb.StreamStart(candidate="openai/gpt-4"))
WHOLE = executor_pb.StreamExecuteResponse(end=executor_pb.StreamEnd(finish_reason=pb.FINISH_REASON_STOP))
HALF = executor_pb.StreamExecuteResponse(delta=executor_pb.StreamDelta(text="half"))


@pytest.mark.parametrize("code", LOST, ids=lambda code: code.name)
async def test_an_executor_lost_after_the_first_content_ends_the_stream_partial(code: grpc.StatusCode) -> None:
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with routing(FakeClassifier(), losing(code, START, HALF)) as router:
            start, delta, end = await listen(router.address)

    assert (start.WhichOneof("event"), delta.delta.text) == ("start", "half")
    assert (end.end.partial, end.end.finish_reason) == (True, pb.FINISH_REASON_INTERRUPTED)
    assert [*end.end.degraded_reasons] == [pb.DEGRADED_REASON_EXECUTOR_LOST]
    assert not end.end.HasField("usage")
    assert not end.end.HasField("cost_usd")
    (served,) = recorder.named(ROUTE)
    assert (served.attributes or {})["pointsman.partial"] is True
    (line,) = lines_of(captured, ROUTE)
    assert line["code"] == "OK"


@pytest.mark.parametrize("code", LOST, ids=lambda code: code.name)
async def test_an_executor_lost_after_the_end_of_its_answer_is_no_loss(code: grpc.StatusCode) -> None:
    async with routing(FakeClassifier(), losing(code, START, HALF, WHOLE)) as router:
        start, delta, end = await listen(router.address)

    assert (start.WhichOneof("event"), delta.delta.text) == ("start", "half")
    assert end.end.finish_reason == pb.FINISH_REASON_STOP
    assert not end.end.partial


async def test_an_executor_lost_before_the_start_is_said_as_an_error() -> None:
    async with routing(FakeClassifier(), losing(grpc.StatusCode.UNAVAILABLE)) as router:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await listen(router.address)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
