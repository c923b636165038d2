"""A stop in good order: whoever watches is told and let go at once, whoever works is let finish."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from pointsman.domain.errors import Stopping
from pointsman.rpc.channel import open_channel, stream
from pointsman.rpc.server import Server
from pointsman.v1 import classifier_pb2, executor_pb2, executor_pb2_grpc
from tests.fakes.health import NOT_SERVING, SERVING, HealthWatch, health
from tests.fakes.serving import (
    EXECUTOR,
    MESSAGE_BYTES,
    Context,
    FakeClassifier,
    FakeExecutor,
    classifier_stub,
    serving,
)

GRACE_S = 30.0
PROMPTLY_S = 5.0
"""Far below the grace: a stop that took longer was held by somebody."""


class Newsreader(FakeExecutor):
    """Tells news without end, each as large as it is told."""

    def __init__(self, size_bytes: int, pause_s: float) -> None:
        super().__init__()
        self._size_bytes = size_bytes
        self._pause_s = pause_s
        self.told = 0

    async def WatchActivity(  # noqa: N802 - the name of its RPC
        self, request: object, context: object
    ) -> AsyncIterator[executor_pb2.WatchActivityResponse]:
        while True:
            self.told += 1
            yield executor_pb2.WatchActivityResponse(requests_by_second=[1] * self._size_bytes)
            await asyncio.sleep(self._pause_s)  # noqa: TID251 - stands for a second between news


async def stopped(server: Server) -> None:
    """Stop, and fail where that is held up."""
    async with asyncio.timeout(PROMPTLY_S):
        await server.stop()


async def test_an_open_watch_of_health_holds_no_stop() -> None:
    async with (
        serving(FakeClassifier(), grace_s=GRACE_S) as server,
        health(server.address) as watch,
    ):
        heard = [await watch.hear()]
        await stopped(server)
        heard.append(await watch.hear())
        code = await watch.end()

    assert heard == [SERVING, NOT_SERVING]
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_an_open_watch_of_the_work_ends_with_a_reason_and_holds_no_stop() -> None:
    async with (
        serving(Newsreader(1, 0.01), grace_s=GRACE_S) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel,
    ):
        stub = executor_pb2_grpc.ExecutorServiceStub(channel)
        watching = stream(
            stub.WatchActivity,
            executor_pb2.WatchActivityRequest(),
            method=f"{EXECUTOR}/WatchActivity",
            target=server.address,
            timeout_s=None,
        )

        async def watch() -> None:
            async with watching as news:
                await anext(aiter(news))
                await stopped(server)
                async for _ in news:
                    pass

        with pytest.raises(Stopping, match="ask again"):
            await watch()


async def test_a_watch_that_nobody_reads_holds_no_stop() -> None:
    newsreader = Newsreader(1_000_000, 0.0)
    async with (
        serving(newsreader, grace_s=GRACE_S) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel,
    ):
        stub = executor_pb2_grpc.ExecutorServiceStub(channel)
        unread = stub.WatchActivity(executor_pb2.WatchActivityRequest())
        before = -1
        while newsreader.told != before:  # until the window of the connection is full
            before = newsreader.told
            await asyncio.sleep(0.1)  # noqa: TID251 - real sockets fill in real time
        await stopped(server)
        unread.cancel()

    assert before > 0


async def test_a_watch_that_comes_during_the_stop_is_refused_with_the_reason() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold(request: classifier_pb2.ClassifyRequest, context: Context) -> classifier_pb2.ClassifyResponse:
        begun.set()
        await release.wait()
        return classifier_pb2.ClassifyResponse()

    async with (
        serving(FakeClassifier(hold), grace_s=GRACE_S) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel,
        classifier_stub(server) as stub,
    ):
        under_way = asyncio.ensure_future(stub.Classify(classifier_pb2.ClassifyRequest(text="a"), timeout=20))
        await begun.wait()
        server._interceptor.watches.end()  # noqa: SLF001 - the moment between the end of watches and that of the listener
        code = await HealthWatch(channel, "").end()
        release.set()
        await under_way

    assert code is grpc.StatusCode.UNAVAILABLE


async def test_what_is_sent_before_the_news_is_heard_is_served() -> None:
    async with (
        serving(FakeClassifier(), grace_s=GRACE_S) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel,
        classifier_stub(server) as stub,
    ):
        watch = HealthWatch(channel, "")
        await watch.hear()
        stopping = asyncio.ensure_future(server.stop())
        heard = await watch.hear()
        answer = await stub.Classify(classifier_pb2.ClassifyRequest(text="a"), timeout=5)
        await stopping

    assert heard == NOT_SERVING
    assert answer.verdict.category == "coding"


async def test_a_call_under_way_is_waited_for_while_watches_are_not() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def hold(request: classifier_pb2.ClassifyRequest, context: Context) -> classifier_pb2.ClassifyResponse:
        begun.set()
        await release.wait()
        return classifier_pb2.ClassifyResponse()

    async with (
        serving(FakeClassifier(hold), grace_s=GRACE_S) as server,
        open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel,
        classifier_stub(server) as stub,
    ):
        watch = HealthWatch(channel, "")
        await watch.hear()
        under_way = asyncio.ensure_future(stub.Classify(classifier_pb2.ClassifyRequest(text="a"), timeout=20))
        await begun.wait()
        stopping = asyncio.ensure_future(server.stop())
        await watch.end()
        finished, _ = await asyncio.wait({stopping}, timeout=1.0)
        release.set()
        answer = await under_way
        await stopping

    assert not finished
    assert answer == classifier_pb2.ClassifyResponse()
