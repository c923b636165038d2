"""Cells of the waste matrix with four Executors that share a real Redis, on the wire and in real time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import pytest

from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.domain.pool import Unit
from pointsman.executor.ledger.door import door
from pointsman.executor.ledger.port import Ledger
from pointsman.executor.ledger.redis import RedisLedger
from pointsman.executor.ledger.stay import Terms
from pointsman.executor.pools import candidates
from pointsman.simulator.scenario import Algorithm, LatencyProfile, LimitProfile
from tests.fakes.redis_server import RedisServer, redis_server
from tests.waste.cells import Cell, Traffic
from tests.waste.drive import ShareLedger, run, run_on_the_wire
from tests.waste.terms import Says
from tests.waste.terms import Terms as ProviderTerms

pytestmark = pytest.mark.needs_redis

REPLICAS = 4
SECONDS = 4.0
STATED = Cell(
    terms=ProviderTerms(
        counts="two seconds",
        says=Says.ALL,
        kind="openai",
        limit=LimitProfile(unit=Unit.REQUESTS, amount=12, period_s=2.0, algorithm=Algorithm.FIXED_WINDOW),
        latency=LatencyProfile(first_token_s=0.1, spread=0.1, per_token_s=0.0),
    ),
    traffic=Traffic(name="wire", singles=100.0, seconds=SECONDS),
    configured=True,
    replicas=REPLICAS,
)
"""Three times what the preferred model takes."""


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


def shared(server: RedisServer) -> ShareLedger:
    """Return what gives each Executor its own door to that Redis."""

    @asynccontextmanager
    async def doors(written: Settings, replicas: int) -> AsyncIterator[Sequence[Ledger]]:
        terms = Terms(lease_s=30.0, timeout_s=0.5, replicas=replicas)
        async with AsyncExitStack() as stack:
            ledgers = [
                RedisLedger(
                    candidates(written).values(),
                    terms,
                    margin_s=1.0,
                    connect=door(server.url),
                    clock=SystemClock(),
                    random=Random(replica),
                )
                for replica in range(replicas)
            ]
            for ledger in ledgers:
                await stack.enter_async_context(ledger.kept())
            yield ledgers

    return doors


async def test_four_executors_over_redis_are_as_good_as_four_over_one_memory(redis: RedisServer) -> None:
    arrivals = STATED.traffic.arrivals(0, 1)
    memory = await asyncio.to_thread(run, STATED, arrivals, seed=1)

    sums = await run_on_the_wire(STATED, arrivals, clock=SystemClock(), seed=1, share=shared(redis))

    assert (sums.requests, sums.answered, sums.unproductive) == (len(arrivals), len(arrivals), 0)
    assert sums.wasted <= 1
    assert sums.preferred >= 0.9 * memory.preferred


async def test_redis_killed_half_way_loses_nothing_and_wastes_next_to_nothing(redis: RedisServer) -> None:
    arrivals, clock = STATED.traffic.arrivals(0, 1), SystemClock()

    async def kill() -> None:
        await clock.sleep(SECONDS / 2)
        await redis.kill()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        running = tasks.create_task(run_on_the_wire(STATED, arrivals, clock=clock, seed=1, share=shared(redis)))

    sums = running.result()
    assert (sums.requests, sums.answered) == (len(arrivals), len(arrivals))
    assert sums.wasted <= 1  # of some 80: a boundary of a window that lasts two seconds, met by the way of a call
