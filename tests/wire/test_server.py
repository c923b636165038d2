"""What every server does: health, reflection, limits, one owner a port, and a stop that loses no call."""

import asyncio

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError, TooManyCalls
from pointsman.rpc.server import Server
from pointsman.rpc.status import from_call
from pointsman.v1 import classifier_pb2 as pb
from pointsman.v1 import classifier_pb2_grpc
from tests.fakes.patience import within
from tests.fakes.serving import (
    CLASSIFIER,
    Context,
    FakeClassifier,
    channel_to,
    classifier_stub,
    lines_of,
    options,
    serving,
)
from tests.fakes.spans import recorded_spans

Asked = health_pb2.HealthCheckRequest
Told = health_pb2.HealthCheckResponse
Query = reflection_pb2.ServerReflectionRequest
Reflection = reflection_pb2.ServerReflectionResponse


def check(channel: grpc.aio.Channel) -> "grpc.aio.UnaryUnaryMultiCallable[Asked, Told]":
    return channel.unary_unary("/grpc.health.v1.Health/Check", Asked.SerializeToString, Told.FromString)


def watching(channel: grpc.aio.Channel) -> "grpc.aio.UnaryStreamMultiCallable[Asked, Told]":
    return channel.unary_stream("/grpc.health.v1.Health/Watch", Asked.SerializeToString, Told.FromString)


def reflect(channel: grpc.aio.Channel) -> "grpc.aio.StreamStreamMultiCallable[Query, Reflection]":
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    return channel.stream_stream(path, Query.SerializeToString, Reflection.FromString)


@pytest.mark.parametrize("service", ["", CLASSIFIER], ids=["the server as a whole", "its service"])
async def test_a_started_server_says_that_it_serves(service: str) -> None:
    async with (
        serving(FakeClassifier()) as server,
        channel_to(server) as channel,
    ):
        answer = await check(channel)(Asked(service=service))

    assert answer.status == Told.SERVING


async def test_an_unknown_service_has_no_health() -> None:
    async with (
        serving(FakeClassifier()) as server,
        channel_to(server) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(channel)(Asked(service="nobody"))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_method_that_the_health_service_does_not_have_is_unimplemented_and_no_fault() -> None:
    with structlog.testing.capture_logs() as captured:
        async with (
            serving(FakeClassifier()) as server,
            channel_to(server) as channel,
        ):
            listing = channel.unary_unary("/grpc.health.v1.Health/List", Asked.SerializeToString, Told.FromString)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await listing(Asked())

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert [line["log_level"] for line in lines_of(captured, "grpc.health.v1.Health/List")] == ["debug"]


async def test_health_and_reflection_leave_no_span_and_no_line_above_debug() -> None:
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with (
            serving(FakeClassifier()) as server,
            channel_to(server) as channel,
        ):
            await check(channel)(Asked())

    assert recorder.ended == ()
    assert [line["log_level"] for line in lines_of(captured, "grpc.health.v1.Health/Check")] == ["debug"]


async def test_watchers_hear_of_the_stop_before_the_connection_ends() -> None:
    heard = []
    async with (
        serving(FakeClassifier(), grace_s=5.0) as server,
        channel_to(server) as channel,
    ):
        watch = watching(channel)(Asked())
        answers = aiter(watch)
        heard.append((await anext(answers)).status)
        stopping = asyncio.ensure_future(server.stop())
        heard.append((await anext(answers)).status)
        watch.cancel()
        await stopping

    assert heard == [Told.SERVING, Told.NOT_SERVING]


@pytest.mark.wire_only
async def test_reflection_lists_the_services() -> None:
    async with (
        serving(FakeClassifier()) as server,
        channel_to(server) as channel,
    ):
        ask = iter([Query(list_services="")])
        answers = reflect(channel)(ask)
        listed = {service.name async for answer in answers for service in answer.list_services_response.service}

    assert listed == {CLASSIFIER, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.mark.wire_only
async def test_reflection_can_be_switched_off() -> None:
    async with (
        serving(FakeClassifier(), reflection=False) as server,
        channel_to(server) as channel,
    ):
        ask = iter([Query(list_services="")])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(reflect(channel)(ask)))

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.wire_only
async def test_a_port_in_use_is_a_settings_error_that_names_it() -> None:
    async with serving(FakeClassifier()) as server:
        second = Server(options(server.address), services={}, clock=SystemClock())

        with pytest.raises(SettingsError, match=f"{server.address}.*stop what listens there"):
            await second.start()


@pytest.mark.one_way
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.org:0", "192.0.2.1:0", ":0"])
async def test_an_address_that_others_can_reach_is_refused(address: str) -> None:
    server = Server(options(address), services={}, clock=SystemClock())

    with pytest.raises(SettingsError, match="calls are not encrypted"):
        await server.start()


@pytest.mark.wire_only
async def test_a_message_over_the_limit_is_refused_before_it_is_read() -> None:
    async with (
        serving(classifier := FakeClassifier(), message_bytes=1_000) as server,
        classifier_stub(server) as stub,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Classify(pb.ClassifyRequest(text="a" * 1_001), timeout=5)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in (caught.value.details() or "")
    assert classifier.asked == []


async def test_calls_over_the_limit_fail_at_once() -> None:
    held, release = asyncio.Semaphore(0), asyncio.Event()

    async def hold(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        held.release()
        await release.wait()
        return pb.ClassifyResponse()

    async with serving(FakeClassifier(hold), concurrent_calls=1) as server, classifier_stub(server) as stub:
        calls = [asyncio.ensure_future(stub.Classify(pb.ClassifyRequest(text="a"), timeout=5))]
        for _ in calls:
            await held.acquire()
        async with classifier_stub(server) as another:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await another.Classify(pb.ClassifyRequest(text="a"), timeout=5)
        release.set()
        await asyncio.gather(*calls)
        after = await stub.Classify(pb.ClassifyRequest(text="a"), timeout=5)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    error = from_call(caught.value)
    assert isinstance(error, TooManyCalls)
    assert error.ready_at
    assert after == pb.ClassifyResponse()


async def refused(stub: "classifier_pb2_grpc.ClassifierServiceAsyncStub") -> None:
    """Call until the listener is closed, which it is a moment after the stop began."""
    while True:
        await stub.Classify(pb.ClassifyRequest(text="b"), timeout=0.2)


async def test_a_stop_lets_calls_under_way_end_and_takes_no_new_ones() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def wait(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        begun.set()
        await release.wait()
        return pb.ClassifyResponse()

    async with serving(FakeClassifier(wait), grace_s=5.0) as server, classifier_stub(server) as stub:
        under_way = asyncio.ensure_future(stub.Classify(pb.ClassifyRequest(text="a"), timeout=5))
        await begun.wait()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)  # noqa: TID251  # lets the stop begin
        async with classifier_stub(server) as another:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await refused(another)
        release.set()
        answer = await under_way
        await stopping

    # CANCELLED is for a call that had come in, and had no handler yet, when the listener closed (grpcio 1.85.1).
    refusals = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
    assert caught.value.code() in refusals
    assert answer == pb.ClassifyResponse()


async def test_a_call_that_outlives_the_grace_is_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return pb.ClassifyResponse()

    async with serving(FakeClassifier(wait), grace_s=0.05) as server, classifier_stub(server) as stub:
        under_way = asyncio.ensure_future(stub.Classify(pb.ClassifyRequest(text="a"), timeout=5))
        await begun.wait()
        await server.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await under_way
        async with within(1):
            await cancelled.wait()

    assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
