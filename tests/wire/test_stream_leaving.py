"""Callers who leave, or read slowly: in every phase the provider is left within 100 ms, and nothing stays behind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TypeAlias

import grpc
import pytest
import structlog

from pointsman.domain.trail import SkipReason
from pointsman.rpc.status import from_call
from pointsman.v1 import router_pb2, types_pb2
from pointsman_client import Client, RouteError
from tests.fakes.http_server import FakeHttpServer, Fate
from tests.fakes.patience import within
from tests.fakes.serving import FakeClassifier, FakeExecutor, lines_of, routing
from tests.fakes.spans import recorded_spans
from tests.fakes.streaming import BACKUP, CASES, EXECUTOR, Routed, StreamCase, playing, routed, settings_of

SOON_S = 0.1
OPENAI = CASES[0]
ROUTE = "pointsman.v1.RouterService/StreamRoute"
EXECUTE = "pointsman.v1.ExecutorService/StreamExecute"
SETTLED_BYTES = 32_000_000
"""More than the buffers of two sockets, two gRPC connections and our own take together, on any machine."""

QUICK = types_pb2.Options(category="quick")
Events: TypeAlias = "grpc.aio.UnaryStreamCall[router_pb2.StreamRouteRequest, router_pb2.StreamRouteResponse]"
wires = pytest.mark.parametrize("case", CASES, ids=lambda case: case.wire)


def stream_route(on: Routed, timeout_s: float = 10.0) -> "Events":
    return on.router.StreamRoute(router_pb2.StreamRouteRequest(text="?", options=QUICK), timeout=timeout_s)


@asynccontextmanager
async def endless() -> AsyncIterator[tuple[FakeHttpServer, Routed]]:
    """Yield a provider that writes for ever, and a Router before it."""
    provider = FakeHttpServer()
    word = OPENAI.frames[1].replace(b'"9"', b'"' + b"x" * 8_000 + b'"')
    provider.play(OPENAI.reply(word, fate=Fate.FLOOD))
    executor = replace(EXECUTOR, stream_timeout_s=60.0)
    async with playing(provider), routed(settings_of(OPENAI, provider.url, executor=executor)) as on:
        yield provider, on


async def stands_still(provider: FakeHttpServer) -> int:
    """Return how much the provider has sent when it has sent no more for a while."""
    before = -1
    while before != provider.flooded_bytes:
        before = provider.flooded_bytes
        await asyncio.sleep(0.2)  # noqa: TID251 - buffers of the system fill in real time
    return before


async def test_a_reader_who_stops_reading_stops_the_provider_and_can_go_on() -> None:
    async with endless() as (provider, on):
        events = aiter(stream_route(on))
        await anext(events)
        held = await stands_still(provider)
        for _ in range(400):
            await anext(events)
        went_on = provider.flooded_bytes

    assert held < SETTLED_BYTES
    assert went_on > held


@pytest.mark.parametrize("way", ["cancelled", "run out of time"])
async def test_a_reader_who_stopped_reading_can_still_leave(way: str) -> None:
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with endless() as (provider, on):
            call = stream_route(on, 10.0 if way == "cancelled" else 1.0)
            await anext(aiter(call))
            if way == "cancelled":
                await stands_still(provider)
                call.cancel()
                async with within(SOON_S):
                    await provider.left.wait()
            else:
                async with within(1.0 + SOON_S):
                    await provider.left.wait()
            await on.at_rest()

    for method in (ROUTE, EXECUTE):
        assert len(lines_of(captured, method)) == 1
        assert len([span for span in recorder.named(method) if span.kind.name == "SERVER"]) == 1
    assert len([span for span in recorder.ended if span.name.startswith("chat ")]) == 1


async def test_a_client_who_breaks_out_of_the_loop_gives_the_stream_up() -> None:
    async with endless() as (provider, on):
        async with Client(on.router_address) as client, client.stream("?", category="quick") as stream:
            async for _ in stream:
                break
        async with within(SOON_S):
            await provider.left.wait()
        await on.at_rest()
        report = await on.report()

    assert (report.requests, report.answered, report.usage.estimated) == (1, 0, True)


async def test_a_client_whose_connection_breaks_gives_the_stream_up() -> None:
    async with endless() as (provider, on):
        client = Client(on.router_address)
        stream = client.stream("?", category="quick")
        await anext(aiter(stream))
        await client.close()
        async with within(SOON_S):
            await provider.left.wait()
        await on.at_rest()


@wires
@pytest.mark.parametrize(
    "fate", [pytest.param(Fate.SILENCE, id="waiting for the head"), pytest.param(Fate.STALL, id="in the middle")]
)
async def test_a_caller_of_a_whole_answer_who_leaves_closes_the_connection(case: StreamCase, fate: Fate) -> None:
    provider = FakeHttpServer()
    provider.play(replace(case.reply(b'{"id":', fate=fate), headers={"content-type": "application/json"}))
    async with playing(provider), routed(settings_of(case, provider.url)) as on:
        call = on.router.Route(router_pb2.RouteRequest(text="?", options=QUICK), timeout=5)
        async with within(1):
            await provider.asked.wait()
        call.cancel()
        async with within(SOON_S):
            await provider.left.wait()
        state = await on.at_rest()
        report = await on.report()

    assert state.in_flight == 0
    assert (report.requests, report.answered, report.attempts) == (1, 0, 1)


@contextmanager
def never_accepting() -> Iterator[str]:
    """Yield a URL at which connecting hangs: the queue of the listener is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003 - as the socket names it
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


Leave = Callable[[Routed], Awaitable[None]]


async def leave_a_stream(on: Routed) -> None:
    call = stream_route(on)
    await under_way(on)
    call.cancel()


async def leave_an_answer(on: Routed) -> None:
    call = on.router.Route(router_pb2.RouteRequest(text="?", options=QUICK), timeout=5)
    await under_way(on)
    call.cancel()


async def under_way(on: Routed) -> None:
    while not (await on.state()).in_flight:
        pass


@pytest.mark.parametrize("leave", [leave_a_stream, leave_an_answer])
async def test_a_caller_who_leaves_while_we_connect_is_let_go(leave: Leave) -> None:
    with never_accepting() as url:
        async with routed(settings_of(OPENAI, url)) as on:
            await leave(on)
            async with within(SOON_S):
                state = await on.at_rest()
            report = await on.report()

    assert state.in_flight == 0
    assert (report.requests, report.attempts, report.unproductive) == (1, 1, 1)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_caller_who_leaves_the_queue_of_the_local_model_is_let_go(*, is_streamed: bool) -> None:
    local, refusing = FakeHttpServer(), FakeHttpServer()
    local.play(OPENAI.reply(OPENAI.begun, fate=Fate.STALL))
    refusing.play(OPENAI.reply(b"", status=503))
    whole = router_pb2.RouteRequest(text="?", options=QUICK)
    async with (
        playing(local, refusing),
        routed(settings_of(OPENAI, local.url, backup_url=refusing.url, is_fallback=True)) as on,
    ):
        at_work = stream_route(on)
        async with within(1):
            await local.asked.wait()
        waiting = stream_route(on) if is_streamed else on.router.Route(whole, timeout=5)
        while len(refusing.requests) < 2 or (await on.state(BACKUP)).in_flight:
            await on.state(BACKUP)
        # The queue has one place, which is taken now.
        with pytest.raises(grpc.aio.AioRpcError) as turned_away:
            await on.router.Route(whole, timeout=0.4)
        waiting.cancel()
        async with within(SOON_S):
            while (await on.report()).requests < 2:
                pass
        at_work.cancel()
        async with within(SOON_S):
            await local.left.wait()

    error = from_call(turned_away.value)
    assert error.trail
    assert [skip.reason for skip in error.trail.skips] == [SkipReason.OUT_OF_CONCURRENCY]
    assert len(local.requests) == 1


async def test_a_caller_who_leaves_a_stream_that_is_being_ruled_on_is_let_go() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: object, context: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    classifier = FakeClassifier(wait)  # type: ignore[arg-type]  # never answers
    with recorded_spans() as recorder:
        async with (
            routing(classifier, FakeExecutor(), classifier_timeout_s=30.0) as router,
            Client(router.address) as client,
        ):
            async with client.stream("?") as stream:
                reading = asyncio.ensure_future(anext(aiter(stream)))
                async with within(1):
                    await begun.wait()
            async with within(SOON_S):
                await cancelled.wait()
            with pytest.raises(RouteError, match="was given up while it was read"):
                await reading

    assert [span.kind.name for span in recorder.named(ROUTE)] == ["SERVER"]
