"""Every kind of method ends its span and its line exactly once, whichever way it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
import structlog

from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import OutOfTime
from pointsman.rpc.channel import open_channel
from pointsman.rpc.server import Server
from tests.fakes.patience import within
from tests.fakes.serving import MESSAGE_BYTES, Context, lines_of, options, plain
from tests.fakes.spans import SpanRecorder, recorded_spans

ARITIES = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Arities(grpc.GenericRpcHandler):
    """A service with a method for each arity, over plain bytes. `fails` is raised by each of them."""

    def __init__(self, fails: BaseException | None = None) -> None:
        self._fails = fails

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        arity = handler_call_details.method.rpartition("/")[2]
        if arity == "written":
            return grpc.unary_stream_rpc_method_handler(self.written)
        if arity not in ARITIES:
            return None
        make = getattr(grpc, f"{arity}_rpc_method_handler")
        handler: grpc.RpcMethodHandler[bytes, bytes] = make(
            getattr(self, arity), request_deserializer=bytes, response_serializer=bytes
        )
        return handler

    def _maybe_fail(self) -> None:
        if self._fails is not None:
            raise self._fails

    async def unary_unary(self, request: bytes, context: Context) -> bytes:
        self._maybe_fail()
        return request

    async def unary_stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield request
        self._maybe_fail()
        yield request

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        self._maybe_fail()
        return b"".join([request async for request in requests])

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
        self._maybe_fail()

    async def written(self, request: bytes, context: Context) -> None:
        await context.write(request)
        self._maybe_fail()


@asynccontextmanager
async def open_arities(handler: Arities) -> AsyncIterator[grpc.aio.Channel]:
    def register(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((handler,))

    server = Server(options(reflection=False), services={"arities": register}, clock=SystemClock())
    await server.start()
    try:
        async with open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel:
            yield channel
    finally:
        await server.stop()


async def ask(channel: grpc.aio.Channel, arity: str) -> bytes:
    """Send b"a" once and return all that comes back."""
    path = f"/arities/{arity}"
    if arity == "unary_unary":
        return await channel.unary_unary(path, plain, plain)(b"a", timeout=5)
    if arity == "stream_unary":
        return await channel.stream_unary(path, plain, plain)(iter([b"a"]), timeout=5)
    if arity == "stream_stream":
        return b"".join([part async for part in channel.stream_stream(path, plain, plain)(iter([b"a"]), timeout=5)])
    return b"".join([part async for part in channel.unary_stream(path, plain, plain)(b"a", timeout=5)])


def codes(recorder: SpanRecorder, arity: str) -> list[object]:
    return [(span.attributes or {})["rpc.response.status_code"] for span in recorder.named(f"arities/{arity}")]


@pytest.mark.parametrize(
    "arity, answer",
    [
        pytest.param("unary_unary", b"a", id="unary to unary"),
        pytest.param("unary_stream", b"aa", id="unary to stream"),
        pytest.param("stream_unary", b"a", id="stream to unary"),
        pytest.param("stream_stream", b"a", id="stream to stream"),
        pytest.param("written", b"a", id="a stream written by a coroutine"),
    ],
)
async def test_each_arity_answers_with_one_span_and_one_line(arity: str, answer: bytes) -> None:
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with open_arities(Arities()) as channel:
            heard = await ask(channel, arity)

    assert heard == answer
    assert codes(recorder, arity) == ["OK"]
    assert [line["code"] for line in lines_of(captured, f"arities/{arity}")] == ["OK"]


@pytest.mark.parametrize("arity", [*ARITIES, "written"])
@pytest.mark.parametrize(
    "error, code",
    [
        pytest.param(OutOfTime("too late"), "DEADLINE_EXCEEDED", id="domain error"),
        pytest.param(KeyError("secret"), "INTERNAL", id="unexpected exception"),
    ],
)
async def test_each_arity_turns_what_it_raises_into_a_status(arity: str, error: BaseException, code: str) -> None:
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with open_arities(Arities(error)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask(channel, arity)

    assert caught.value.code().name == code
    assert "secret" not in str(caught.value)
    assert codes(recorder, arity) == [code]
    assert [line["code"] for line in lines_of(captured, f"arities/{arity}")] == [code]


async def test_an_abandoned_stream_ends_its_span_and_its_line_once() -> None:
    closed = asyncio.Event()

    class Endless(Arities):
        async def unary_stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield request
            finally:
                closed.set()

    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with open_arities(Endless()) as channel:
            rpc = channel.unary_stream("/arities/unary_stream", plain, plain)(b"a", timeout=5)
            await anext(aiter(rpc))
            rpc.cancel()
            async with within(1):
                await closed.wait()

    assert codes(recorder, "unary_stream") == ["CANCELLED"]
    assert [line["code"] for line in lines_of(captured, "arities/unary_stream")] == ["CANCELLED"]
