"""Calls within the process, over plain values: what a servicer is handed, and how a call ends for both sides."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import pytest

from pointsman.rpc.inprocess.call import HELD_MESSAGES
from pointsman.rpc.inprocess.channel import InProcessChannel
from pointsman.rpc.inprocess.context import PEER, CallContext
from pointsman.rpc.inprocess.server import InProcessServer
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from pointsman.telemetry import facts
from tests.fakes.clock import START
from tests.fakes.patience import within

ONE, MANY = "/tests.Service/One", "/tests.Service/Many"

Context = grpc.aio.ServicerContext[Any, Any]
Make = Callable[..., Awaitable[Any]] | Callable[..., AsyncIterator[Any]]


class Through(grpc.aio.ServerInterceptor):
    """Puts nothing around a call."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401 - as gRPC has it
        return await continuation(handler_call_details)


class Service(grpc.GenericRpcHandler):
    """One method, served by a function of the test."""

    def __init__(self, serve: Make) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            ONE: grpc.unary_unary_rpc_method_handler(serve),
            MANY: grpc.unary_stream_rpc_method_handler(serve),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        return self._handlers.get(handler_call_details.method)


@asynccontextmanager
async def channel(serve: Make) -> AsyncIterator[InProcessChannel]:
    server = InProcessServer(Through())
    server.add_generic_rpc_handlers((Service(serve),))
    await server.start()
    try:
        yield InProcessChannel(server)
    finally:
        await server.stop(0)


def context(**changed: Any) -> CallContext:  # noqa: ANN401 - any of its arguments
    usual: dict[str, Any] = {
        "request": "?", "metadata": (), "deadline_s": None, "loop": asyncio.get_running_loop()
    }  # fmt: skip
    return CallContext(**(usual | changed))


async def hang(request: object, _context: Context) -> object:
    await asyncio.Event().wait()
    return request


async def test_a_message_is_passed_as_it_is() -> None:
    async def echo(request: object, _context: Context) -> object:
        return request

    asked = object()
    async with channel(echo) as to_service:
        assert await to_service.unary_unary(ONE)(asked) is asked


async def test_what_the_caller_sends_along_arrives() -> None:
    async def tell(_request: object, told: Context) -> object:
        return told.invocation_metadata(), told.peer()

    async with channel(tell) as to_service:
        metadata, peer = await to_service.unary_unary(ONE)("?", metadata=(("traceparent", "00-1"),))

    assert (tuple(metadata), peer) == ((("traceparent", "00-1"),), PEER)


@pytest.mark.parametrize("timeout_s, low_s, high_s", [(None, None, None), (5.0, 4.0, 5.0)], ids=["none", "five"])
async def test_a_servicer_knows_how_much_time_is_left(
    timeout_s: float | None, low_s: float | None, high_s: float | None
) -> None:
    async def tell(_request: object, told: Context) -> float | None:
        return told.time_remaining()

    async with channel(tell) as to_service:
        left_s = await to_service.unary_unary(ONE)("?", timeout=timeout_s)

    if low_s is None or high_s is None:
        assert left_s is None
    else:
        assert low_s < left_s <= high_s


async def test_nothing_behind_an_abort_runs_and_the_caller_gets_all_of_the_status() -> None:
    went_on = False

    async def refuse(_request: object, told: Context) -> None:
        nonlocal went_on
        told.set_trailing_metadata((("before", "1"),))
        await told.abort(grpc.StatusCode.NOT_FOUND, "no such thing", (("why", "because"),))
        went_on = True  # type: ignore[unreachable]  # which is what is tested

    async with channel(refuse) as to_service:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await to_service.unary_unary(ONE)("?")

    assert not went_on
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
    assert tuple(caught.value.trailing_metadata()) == (("why", "because"),)


async def test_a_code_that_was_set_ends_the_call_whatever_is_returned() -> None:
    async def mumble(request: object, told: Context) -> object:
        told.set_code(grpc.StatusCode.DATA_LOSS)
        told.set_details("half of it is gone")
        return request

    async with channel(mumble) as to_service:
        call = to_service.unary_unary(ONE)("?")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call

    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "half of it is gone")
    assert (await call.code(), await call.details()) == (grpc.StatusCode.DATA_LOSS, "half of it is gone")


async def test_to_abort_with_ok_is_a_mistake() -> None:
    with pytest.raises(grpc.aio.UsageError, match="return its answer"):
        await context().abort(grpc.StatusCode.OK)


@contextmanager
def reported() -> Iterator[list[dict[str, Any]]]:
    """Yield what the loop is told of that nobody caught."""
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, about: told.append(about))
    try:
        yield told
    finally:
        loop.set_exception_handler(None)


async def test_what_gets_past_the_interceptor_is_reported_here_and_not_to_the_caller() -> None:
    async def explode(_request: object, _context: Context) -> None:
        raise ValueError("sk-canary0123456789abcdef")

    with reported() as told:
        async with channel(explode) as to_service:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await to_service.unary_unary(ONE)("?")
            await asyncio.sleep(0)  # noqa: TID251 - one turn, in which the task is let go

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert "canary" not in repr(caught.value)
    assert [type(about["exception"]) for about in told] == [ValueError]


async def test_a_caller_goes_on_at_its_deadline_whatever_the_servicer_still_clears_away() -> None:
    leave, is_clear = asyncio.Event(), asyncio.Event()

    async def dawdle(_request: object, _context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await leave.wait()
            is_clear.set()

    async with channel(dawdle) as to_service:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await to_service.unary_unary(ONE)("?", timeout=0.01)
        was_clear = is_clear.is_set()
        leave.set()
        await is_clear.wait()

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not was_clear


def test_each_call_ends_at_its_own_deadline_whichever_began_first() -> None:
    async def use(clock: VirtualClock) -> list[float]:
        async with channel(hang) as to_service:

            async def ended_s(timeout_s: float) -> float:
                with pytest.raises(grpc.aio.AioRpcError, match="Deadline Exceeded"):
                    await to_service.unary_unary(ONE)("?", timeout=timeout_s)
                return round(clock.monotonic() - began_s, 3)

            began_s = clock.monotonic()
            return await asyncio.gather(*(ended_s(timeout_s) for timeout_s in (5.0, 1.0, 60.0, 3.0)))

    assert run_virtual(use, start=START) == [5.0, 1.0, 60.0, 3.0]


def test_a_deadline_is_kept_after_a_call_that_was_over_before_its_own() -> None:
    async def echo_or_hang(request: object, told: Context) -> object:
        return request if request == "quick" else await hang(request, told)

    async def use(clock: VirtualClock) -> float:
        async with channel(echo_or_hang) as to_service:
            began_s = clock.monotonic()
            await to_service.unary_unary(ONE)("quick", timeout=1)
            with pytest.raises(grpc.aio.AioRpcError, match="Deadline Exceeded"):
                await to_service.unary_unary(ONE)("slow", timeout=5)
            return round(clock.monotonic() - began_s, 3)

    assert run_virtual(use, start=START) == 5.0


async def test_a_caller_who_is_cancelled_hears_of_it_at_once_and_so_does_the_servicer() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def swallow(_request: object, _context: Context) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # which a servicer should not do; the caller is cancelled all the same
            cancelled.set()
        return "late"

    async with channel(swallow) as to_service:
        asking = asyncio.ensure_future(to_service.unary_unary(ONE)("?"))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with within(1):
            await cancelled.wait()


async def test_a_call_that_was_left_says_so() -> None:
    async with channel(hang) as to_service:
        call = to_service.unary_unary(ONE)("?")
        left = call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (left, call.cancel()) == (True, False)
    assert (call.done(), call.cancelled(), await call.code()) == (True, True, grpc.StatusCode.CANCELLED)


async def test_what_servicer_and_caller_bind_stays_with_each() -> None:
    seen: dict[str, Any] = {}

    async def bind(_request: object, _context: Context) -> None:
        seen.update(facts.known())
        facts.bind(of_servicer=1)

    async def ask() -> None:
        async with channel(bind) as to_service:
            facts.bind(of_caller=1)
            await to_service.unary_unary(ONE)("?")
            async for _ in to_service.unary_stream(MANY)("?"):
                pass

    surroundings = contextvars.Context()
    await asyncio.get_running_loop().create_task(ask(), context=surroundings)

    assert seen == {}
    assert surroundings.run(facts.known) == {"of_caller": 1}


async def test_a_stream_waits_for_a_slow_reader_and_goes_on() -> None:
    made = 0

    async def count(_request: object, _context: Context) -> AsyncIterator[int]:
        nonlocal made
        while made < 100:
            made += 1
            yield made

    async with channel(count) as to_service:
        numbers = to_service.unary_stream(MANY)("?")
        first = await anext(aiter(numbers))
        for _ in range(200):
            await asyncio.sleep(0)  # noqa: TID251 - turns in which it could run ahead
        ahead = made
        rest = [number async for number in numbers]

    assert first == 1
    assert ahead <= HELD_MESSAGES + 2
    assert rest == [*range(2, 101)]


async def test_what_came_before_an_error_is_read_first() -> None:
    async def fail(_request: object, told: Context) -> AsyncIterator[int]:
        yield 1
        yield 2
        await told.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async with channel(fail) as to_service:
        numbers = to_service.unary_stream(MANY)("?")
        heard = [await anext(numbers), await anext(numbers)]
        with pytest.raises(grpc.aio.AioRpcError, match="gone"):
            await anext(numbers)

    assert heard == [1, 2]


@pytest.mark.parametrize("is_waiting", [True, False], ids=["waits for its reader", "works"])
async def test_a_stream_that_is_left_closes_its_servicer(*, is_waiting: bool) -> None:
    closed = asyncio.Event()

    async def endless(_request: object, _context: Context) -> AsyncIterator[int]:
        try:
            yield 1
            while is_waiting:
                yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with channel(endless) as to_service:
        numbers = to_service.unary_stream(MANY)("?")
        await anext(aiter(numbers))
        numbers.cancel()
        async with within(1):
            await closed.wait()
        with pytest.raises(asyncio.CancelledError):
            await anext(aiter(numbers))


async def test_a_servicer_may_write_and_not_yield() -> None:
    async def write(_request: object, told: Context) -> None:
        await told.write(1)
        await told.write(2)

    async with channel(write) as to_service:
        assert [number async for number in to_service.unary_stream(MANY)("?")] == [1, 2]


async def test_an_answer_of_one_message_is_not_written() -> None:
    with pytest.raises(grpc.aio.UsageError, match="return it"):
        await context().write("?")


async def test_a_method_that_takes_a_stream_gets_one_of_one_message() -> None:
    told = context()

    assert [await told.read(), await told.read()] == ["?", grpc.aio.EOF]
    assert [message async for message in context()] == ["?"]


@pytest.mark.parametrize(
    "name, arguments",
    [
        pytest.param("abort_with_status", (None,), id="abort_with_status"),
        pytest.param("send_initial_metadata", ((),), id="send_initial_metadata"),
        pytest.param("add_done_callback", (None,), id="add_done_callback"),
        pytest.param("cancelled", (), id="cancelled"),
        pytest.param("done", (), id="done"),
        pytest.param("set_compression", (None,), id="set_compression"),
        pytest.param("disable_next_message_compression", (), id="disable_next_message_compression"),
        pytest.param("peer_identities", (), id="peer_identities"),
        pytest.param("peer_identity_key", (), id="peer_identity_key"),
        pytest.param("auth_context", (), id="auth_context"),
    ],
)
async def test_what_no_servicer_uses_says_that_it_is_not_there(name: str, arguments: tuple[object, ...]) -> None:
    async def use() -> None:
        used = getattr(context(), name)(*arguments)
        await used

    with pytest.raises(NotImplementedError, match="no such thing"):
        await use()


async def test_every_method_of_grpcs_context_is_there_or_says_that_it_is_not() -> None:
    names = {name for name in vars(grpc.aio.ServicerContext) if not name.startswith("_")}

    assert names <= {*vars(CallContext)}


async def test_a_server_that_does_not_run_takes_no_calls() -> None:
    server = InProcessServer(Through())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await InProcessChannel(server).unary_unary(ONE)("?", timeout=5)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_method_that_nobody_serves_is_unimplemented() -> None:
    async with channel(hang) as to_service:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await to_service.unary_unary("/tests.Service/Other")("?")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_that_is_past_reaches_nobody() -> None:
    asked = []

    async def note(request: object, _context: Context) -> object:
        asked.append(request)
        return request

    async with channel(note) as to_service:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await to_service.unary_unary(ONE)("?", timeout=0)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert asked == []


async def test_a_stop_cancels_what_outlives_the_grace_and_the_caller_is_told_so() -> None:
    server = InProcessServer(Through())
    server.add_generic_rpc_handlers((Service(hang),))
    await server.start()
    asking = asyncio.ensure_future(InProcessChannel(server).unary_unary(ONE)("?"))
    await asyncio.sleep(0)  # noqa: TID251 - one turn, in which the call begins
    await server.stop(0.01)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asking
    assert caught.value.code() is grpc.StatusCode.CANCELLED


async def test_a_channel_tells_when_its_server_comes_and_goes() -> None:
    server = InProcessServer(Through())
    to_server = InProcessChannel(server)
    before = to_server.get_state()
    coming = asyncio.ensure_future(to_server.channel_ready())
    await asyncio.sleep(0)  # noqa: TID251 - one turn, in which it begins to wait
    await server.start()
    async with within(1):
        await coming
    going = asyncio.ensure_future(to_server.wait_for_state_change(grpc.ChannelConnectivity.READY))
    await asyncio.sleep(0)  # noqa: TID251 - as above
    await server.stop(None)
    async with within(1):
        await going

    assert before is to_server.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE


async def test_what_only_a_connection_has_is_refused() -> None:
    async with channel(hang) as to_service:
        with pytest.raises(NotImplementedError, match="compression"):
            await to_service.unary_unary(ONE)("?", compression=grpc.Compression.Gzip)
        with pytest.raises(NotImplementedError):
            to_service.stream_unary(ONE)
        with pytest.raises(NotImplementedError):
            to_service.stream_stream(ONE)
