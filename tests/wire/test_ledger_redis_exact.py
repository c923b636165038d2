"""The ledger in a real Redis stays exact: cancelled requests, and an Executor that is killed."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import grpc
import pytest

from pointsman.cli.rehearsal import overrides
from pointsman.config import load
from pointsman.domain.clock import SystemClock
from pointsman.domain.pool import Candidate, Unit
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.ledger.port import WindowState
from pointsman.executor.ledger.redis import RedisLedger
from pointsman.executor.pools import candidates
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from pointsman.v1 import executor_pb2, executor_pb2_grpc
from tests.fakes.adapter import ANSWERED, FakeAdapter
from tests.fakes.command import pointsman_running
from tests.fakes.redis_ledger import kept
from tests.fakes.redis_server import RedisServer, redis_server
from tests.unit.executor.making import candidate, engine, limit, request

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(120)]

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
CLOCK = SystemClock()


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


async def until(holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await CLOCK.sleep(0.02)


def windows(book: RedisLedger, one: Candidate) -> dict[Unit, WindowState]:
    return {window.unit: window for window in book.windows(one) if window.period_s in {60.0, None}}


async def test_requests_cancelled_at_any_moment_hold_nothing_and_count_if_they_left(server: RedisServer) -> None:
    one = candidate("a/m", limits=[limit(1_000), limit(1_000, Unit.CONCURRENCY, None)])
    opened, random = asyncio.Event(), Random(4)

    async def answer(call: Call) -> Reply:
        await opened.wait()
        return ANSWERED

    adapter = FakeAdapter(otherwise=answer)
    async with kept(one, url=server.url, timeout_s=30.0) as book:
        made = replace(engine(one, clock=CLOCK, adapters={"a": adapter}), ledger=book)
        asked = [
            asyncio.ensure_future(made.execute(request(), "quick", deadline=CLOCK.monotonic() + 60)) for _ in range(600)
        ]
        await asyncio.sleep(0)  # noqa: TID251 - all have asked Redis, none has its answer
        for task in random.sample(asked, 200):
            task.cancel()
        await until(lambda: len(adapter.calls) >= 400)
        for task in random.sample([task for task in asked if not task.done()], 200):
            task.cancel()
        opened.set()
        await asyncio.gather(*asked, return_exceptions=True)

        await book.refresh()
        left = windows(book, one)
        assert len(adapter.calls) == 400
        assert book.in_flight(one) == 0
        assert (left[Unit.REQUESTS].remaining, left[Unit.REQUESTS].reserved) == (600, 0)
        assert (left[Unit.CONCURRENCY].remaining, left[Unit.CONCURRENCY].reserved) == (1_000, 0)


async def test_what_a_killed_executor_held_comes_back_when_its_lease_ends(
    server: RedisServer, simulation: Simulation
) -> None:
    settings = load(REFERENCE, environ={})
    one = candidates(settings)["anthropic/claude-sonnet"]
    simulation.script(one.model.id, Fault.SILENCE, times=3)
    environment = overrides(settings, simulation.base_urls) | {
        "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__EXECUTOR__ATTEMPT_TIMEOUT_S": "4.0",
        "POINTSMAN__LEDGER__LEASE_MARGIN_S": "0.5",
        "POINTSMAN__LEDGER__URL": server.url,
    }
    async with (
        kept(one, url=server.url, lease_s=4.5) as other,
        pointsman_running(
            "serve", "executor", "--json", "--config", str(REFERENCE), environment=environment
        ) as process,
    ):
        async with grpc.aio.insecure_channel((await process.json_line())["addresses"]["executor"]) as channel:
            stub = executor_pb2_grpc.ExecutorServiceStub(channel)
            asked = [
                stub.Execute(executor_pb2.ExecuteRequest(text=f"Sort {number}.", category="coding"), timeout=30)
                for number in range(3)
            ]
            await until(lambda: other.in_flight(one) == 3)
            held = windows(other, one)[Unit.REQUESTS]

            process.tell(signal.SIGKILL)
            await process.end()
            ends = await asyncio.gather(*asked, return_exceptions=True)
        still_held = other.in_flight(one)
        await until(lambda: other.in_flight(one) == 0)

        left = windows(other, one)
        assert [type(end) for end in ends] == [grpc.aio.AioRpcError] * 3
        assert (held.reserved, still_held) == (3, 3)
        # The provider has let them in, so they count; nothing is set aside for them any more.
        assert (left[Unit.REQUESTS].remaining, left[Unit.REQUESTS].limit) == (997, 1_000)
        assert {window.reserved for window in left.values()} == {0}
