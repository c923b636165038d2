"""Services start in any order, come and go: health says what is true, and requests wait for who is expected."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from itertools import permutations

import pytest

from pointsman.classifier import app as classifier
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.executor import app as executor
from pointsman.router import app as router
from pointsman.rpc.server import Server
from pointsman_client import Client, Unreachable
from tests.fakes.health import NOT_SERVING, SERVING, health, status
from tests.fakes.patience import within
from tests.fakes.ports import free_port
from tests.fakes.serving import FakeClassifier, FakeExecutor, routing, serving

pytestmark = pytest.mark.wire_only  # of services that come later, and go

ROUTER = "pointsman.v1.RouterService"
SOON_S = 1.0
"""Within this, a Router says that it serves after its Executor came (the promise)."""

SLACK_S = 2.0
"""What a busy machine is given on top."""

ROOMS = ("router", "classifier", "executor")


@pytest.fixture
def placed(settings: Settings) -> Settings:
    """Return settings with ports that are known before anybody listens there."""
    places = {room: f"127.0.0.1:{free_port()}" for room in ROOMS}
    return replace(
        settings,
        router=replace(
            settings.router,
            address=places["router"],
            classifier_address=places["classifier"],
            executor_address=places["executor"],
        ),
        classifier=replace(settings.classifier, address=places["classifier"]),
        executor=replace(settings.executor, address=places["executor"]),
    )


def service(room: str, settings: Settings) -> AbstractAsyncContextManager[Server]:
    clock, categories = SystemClock(), tuple(settings.pools)
    if room == "executor":
        return executor.run(settings, clock=clock)
    if room == "classifier":
        return classifier.run(settings.classifier, settings.limits, categories, clock=clock)
    return router.run(settings.router, settings.limits, categories, clock=clock)


@pytest.mark.parametrize("order", [*permutations(ROOMS)], ids="-".join)
async def test_in_whatever_order_they_start_a_request_is_answered_whole(
    order: tuple[str, ...], placed: Settings
) -> None:
    async with AsyncExitStack() as stack:
        for room in order:
            await stack.enter_async_context(service(room, placed))
        async with health(placed.router.address, ROUTER) as watch, within(SOON_S + SLACK_S):
            while await watch.hear() != SERVING:
                pass
        async with Client(placed.router.address) as client:
            answer = await client.route("Reverse a list in Python.")

    assert answer.simulated
    assert not answer.degraded


async def test_a_router_without_its_executor_lives_and_cannot_take_work() -> None:
    async with routing(FakeClassifier()) as alone:
        told = await status(alone.address, ROUTER), await status(alone.address, "")

    assert told == (NOT_SERVING, SERVING)


async def test_a_router_without_its_classifier_can_take_work() -> None:
    async with routing(None, FakeExecutor()) as without:
        told = await status(without.address, ROUTER)

    assert told == SERVING


async def test_health_follows_the_executor_as_it_goes_and_comes() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with (
        serving(FakeExecutor(), address=address, grace_s=0.1) as first,
        routing(FakeClassifier(), executor_address=address) as running,
        health(running.address, ROUTER) as watch,
    ):
        heard = [await watch.hear()]
        await first.stop()
        heard.append(await watch.hear())
        async with serving(FakeExecutor(), address=address), within(SOON_S + SLACK_S):
            heard.append(await watch.hear())

    assert heard == [SERVING, NOT_SERVING, SERVING]


async def test_a_request_waits_for_an_executor_that_is_late() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with (
        routing(FakeClassifier(), executor_address=address, executor_patience_s=30.0) as running,
        Client(running.address) as client,
    ):
        asking = asyncio.ensure_future(client.route("2+2?", timeout_s=30))
        explaining = asyncio.ensure_future(client.explain("2+2?", timeout_s=30))
        early, _ = await asyncio.wait({asking, explaining}, timeout=0.2)
        async with serving(FakeExecutor(), address=address):
            answer, _ = await asyncio.gather(asking, explaining)

    assert not early
    assert answer.text == "4"


async def test_nobody_waits_longer_for_an_executor_than_the_patience() -> None:
    async with (
        routing(FakeClassifier(), executor_patience_s=0.2) as running,
        Client(running.address) as client,
    ):
        with pytest.raises(Unreachable, match="see that it runs") as first:
            await client.route("2+2?", timeout_s=30)
        async with within(SLACK_S):
            with pytest.raises(Unreachable) as later:
                await client.route("2+2?", timeout_s=30)

    assert (first.value.reason, later.value.reason) == ("EXECUTOR_DOWN", "EXECUTOR_DOWN")


async def test_nobody_waits_for_an_executor_beyond_the_deadline() -> None:
    async with (
        routing(FakeClassifier(), executor_patience_s=60.0) as running,
        Client(running.address) as client,
    ):
        with pytest.raises(Unreachable) as raised:
            await client.route("2+2?", timeout_s=0.5)

    assert raised.value.reason == "EXECUTOR_DOWN"


async def test_a_router_that_was_never_there_is_said_at_once() -> None:
    async with Client("127.0.0.1:1", patience_s=60.0) as client, within(SLACK_S):
        with pytest.raises(Unreachable, match="no Pointsman answers"):
            await client.route("2+2?")


async def test_a_router_that_is_gone_for_good_is_said_after_the_patience() -> None:
    async with routing(FakeClassifier(), FakeExecutor()) as running, Client(running.address, patience_s=0.3) as client:
        await client.route("2+2?")
        await running.stop()
        with pytest.raises(Unreachable, match="no Pointsman answers"):
            await client.route("2+2?")
        async with within(SLACK_S):
            with pytest.raises(Unreachable, match="no Pointsman answers"):
                await client.explain("2+2?")
            with pytest.raises(Unreachable, match="no Pointsman answers"):
                _ = [text async for text in client.stream("2+2?")]
