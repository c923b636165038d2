"""Calls between our services: cancelled when the caller is, repeated only where free, read back as domain errors."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import grpc
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from pointsman.domain.errors import ClassifierDown, ExecutorDown, InvalidRequest, NoAnswer, OutOfTime, Violation
from pointsman.domain.trail import Attempt, Outcome, Trail
from pointsman.rpc.channel import call, open_channel, stream
from pointsman.rpc.server import Server
from pointsman.v1 import classifier_pb2 as classifier_pb
from pointsman.v1 import classifier_pb2_grpc, executor_pb2_grpc
from pointsman.v1 import executor_pb2 as pb
from tests.fakes.patience import within
from tests.fakes.ports import free_port
from tests.fakes.serving import (
    CLASSIFY,
    EXECUTOR,
    MESSAGE_BYTES,
    NOBODY,
    Context,
    FakeClassifier,
    FakeExecutor,
    classifier_stub,
    executor_stub,
    serving,
)
from tests.fakes.spans import recorded_spans

STREAM = f"{EXECUTOR}/StreamExecute"
DELTA = pb.StreamExecuteResponse(delta=pb.StreamDelta(text="a"))
PROMPTLY_S = 0.1
"""Within this, a cancelled caller's handler must hear of it."""


async def test_a_cancelled_task_cancels_the_handler_and_both_spans_say_so() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: classifier_pb.ClassifyRequest, context: Context) -> classifier_pb.ClassifyResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return classifier_pb.ClassifyResponse()

    with recorded_spans() as recorder:
        async with serving(FakeClassifier(wait)) as server, classifier_stub(server) as stub:
            task = asyncio.ensure_future(
                call(stub.Classify, classifier_pb.ClassifyRequest(), method=CLASSIFY, target="x:1", timeout_s=30)
            )
            await begun.wait()
            task.cancel()
            async with within(PROMPTLY_S):
                await cancelled.wait()
            with pytest.raises(asyncio.CancelledError):
                await task

    client, server_side = sorted(recorder.named(CLASSIFY), key=lambda span: span.kind is SpanKind.SERVER)
    for span in (client, server_side):
        attributes = dict(span.attributes or {})
        assert attributes["rpc.response.status_code"] == "CANCELLED"
        assert attributes["pointsman.cancelled"] is True
        assert span.status.status_code is StatusCode.UNSET


async def test_a_stream_left_early_stops_the_handler() -> None:
    stopped = asyncio.Event()

    async def endless(request: pb.StreamExecuteRequest, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        try:
            while True:
                yield DELTA
        finally:
            stopped.set()

    with recorded_spans() as recorder:
        async with serving(FakeExecutor(stream=endless)) as server, executor_stub(server) as stub:
            streaming = stream(
                stub.StreamExecute, pb.StreamExecuteRequest(), method=STREAM, target=server.address, timeout_s=30
            )
            async with streaming as events:
                async for _ in events:
                    break
            async with within(1):
                await stopped.wait()

    assert [(span.attributes or {})["rpc.response.status_code"] for span in recorder.named(STREAM)] == ["CANCELLED"] * 2


async def test_a_stream_read_to_its_end_ends_well() -> None:
    async def two(request: pb.StreamExecuteRequest, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        yield DELTA
        yield DELTA

    with recorded_spans() as recorder:
        async with serving(FakeExecutor(stream=two)) as server, executor_stub(server) as stub:
            streaming = stream(
                stub.StreamExecute, pb.StreamExecuteRequest(), method=STREAM, target=server.address, timeout_s=5
            )
            async with streaming as events:
                heard = [event.delta.text async for event in events]

    assert heard == ["a", "a"]
    assert [(span.attributes or {})["rpc.response.status_code"] for span in recorder.named(STREAM)] == ["OK"] * 2


@pytest.mark.wire_only
async def test_a_stream_that_cannot_even_begin_leaves_no_span_open() -> None:
    with recorded_spans() as recorder:
        async with open_channel(NOBODY, message_bytes=MESSAGE_BYTES) as channel:
            stub = executor_pb2_grpc.ExecutorServiceStub(channel)
        streaming = stream(stub.StreamExecute, pb.StreamExecuteRequest(), method=STREAM, target=NOBODY, timeout_s=5)
        with pytest.raises(grpc.aio.UsageError):  # the channel is closed
            async with streaming:
                pass

    assert len(recorder.named(STREAM)) == 1


async def test_an_error_in_a_stream_comes_back_as_it_was_raised() -> None:
    async def fail(request: pb.StreamExecuteRequest, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        yield DELTA
        raise NoAnswer("all failed")

    async def listen(server: Server) -> None:
        async with (
            executor_stub(server) as stub,
            stream(
                stub.StreamExecute, pb.StreamExecuteRequest(), method=STREAM, target=server.address, timeout_s=5
            ) as events,
        ):
            async for _ in events:
                pass

    async with serving(FakeExecutor(stream=fail)) as server:
        with pytest.raises(NoAnswer, match="all failed"):
            await listen(server)


@pytest.mark.wire_only
async def test_nobody_listening_is_said_at_once() -> None:
    with recorded_spans() as recorder:
        async with open_channel(NOBODY, message_bytes=MESSAGE_BYTES) as channel:
            stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
            with pytest.raises(ClassifierDown, match=r"127\.0\.0\.1:1 cannot be reached"):
                await call(
                    stub.Classify,
                    classifier_pb.ClassifyRequest(),
                    method=CLASSIFY,
                    target=NOBODY,
                    timeout_s=5,
                    down=ClassifierDown,
                )

    (span,) = recorder.ended
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": CLASSIFY,
        "server.address": "127.0.0.1",
        "server.port": 1,
        "rpc.response.status_code": "UNAVAILABLE",
        "error.type": "UNAVAILABLE",
    }


async def test_a_late_service_is_out_of_time() -> None:
    async def wait(request: classifier_pb.ClassifyRequest, context: Context) -> classifier_pb.ClassifyResponse:
        await asyncio.Event().wait()
        return classifier_pb.ClassifyResponse()

    async with serving(FakeClassifier(wait)) as server, classifier_stub(server) as stub:
        with pytest.raises(OutOfTime):
            await call(stub.Classify, classifier_pb.ClassifyRequest(), method=CLASSIFY, target="x:1", timeout_s=0.05)


async def test_an_error_of_ours_comes_back_with_its_fields() -> None:
    async def refuse(request: classifier_pb.ClassifyRequest, context: Context) -> classifier_pb.ClassifyResponse:
        raise InvalidRequest(Violation(field="text", reason="PROMPT_EMPTY", message="empty; say something"))

    async with serving(FakeClassifier(refuse)) as server, classifier_stub(server) as stub:
        with pytest.raises(InvalidRequest) as caught:
            await call(stub.Classify, classifier_pb.ClassifyRequest(), method=CLASSIFY, target="x:1", timeout_s=5)

    assert caught.value.reason == "PROMPT_EMPTY"
    assert caught.value.metadata["field"] == "text"


class Flaky:
    """Fails as often as it is told, then answers."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.calls = 0
        self._error = error
        self._failures = failures

    async def classify(
        self, request: classifier_pb.ClassifyRequest, context: Context
    ) -> classifier_pb.ClassifyResponse:
        self._count()
        return classifier_pb.ClassifyResponse()

    async def execute(self, request: pb.ExecuteRequest, context: Context) -> pb.ExecuteResponse:
        self._count()
        return pb.ExecuteResponse()

    def _count(self) -> None:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error


TRIED = Trail(
    [Attempt(candidate="a/b", outcome=Outcome.NETWORK, started_at=datetime(2026, 11, 22, tzinfo=UTC), duration_s=1)]
)


@pytest.mark.wire_only
async def test_a_free_call_is_repeated_while_the_service_is_unavailable() -> None:
    flaky = Flaky(ExecutorDown("not yet"), failures=1)

    async with serving(FakeClassifier(flaky.classify)) as server, classifier_stub(server) as stub:
        await call(stub.Classify, classifier_pb.ClassifyRequest(), method=CLASSIFY, target="x:1", timeout_s=5)

    assert flaky.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OutOfTime("late"), id="a deadline"),
        pytest.param(NoAnswer("all failed", trail=TRIED), id="providers were called"),
    ],
)
async def test_a_free_call_is_not_repeated_for_any_other_reason(error: Exception) -> None:
    flaky = Flaky(error, failures=1)

    async with serving(FakeClassifier(flaky.classify)) as server, classifier_stub(server) as stub:
        with pytest.raises(type(error)):
            await call(stub.Classify, classifier_pb.ClassifyRequest(), method=CLASSIFY, target="x:1", timeout_s=5)

    assert flaky.calls == 1


async def test_a_call_that_spends_money_is_never_repeated() -> None:
    flaky = Flaky(NoAnswer("all failed"), failures=1)

    async with serving(FakeExecutor(flaky.execute)) as server, executor_stub(server) as stub:
        with pytest.raises(NoAnswer):
            await call(stub.Execute, pb.ExecuteRequest(), method=f"{EXECUTOR}/Execute", target="x:1", timeout_s=5)

    assert flaky.calls == 1


@pytest.mark.wire_only
async def test_a_proxy_in_the_environment_does_not_take_our_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async with serving(FakeClassifier()) as server, classifier_stub(server) as stub:
        answer = await stub.Classify(classifier_pb.ClassifyRequest(text="hi"), timeout=5)

    assert answer.verdict.category == "coding"


@pytest.mark.wire_only
async def test_a_service_that_comes_back_is_found_soon() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with serving(FakeClassifier(), address=address) as first, classifier_stub(first) as stub:
        await stub.Classify(classifier_pb.ClassifyRequest(text="hi"), timeout=5)
        await first.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Classify(classifier_pb.ClassifyRequest(text="hi"), timeout=5)
        async with serving(FakeClassifier(), address=address):
            answer = await stub.Classify(classifier_pb.ClassifyRequest(text="hi"), timeout=2, wait_for_ready=True)

    assert answer.verdict.category == "coding"
