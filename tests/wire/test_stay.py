"""Trouble between one process and a real Redis: what nobody foresaw is survived, and who is cut off is bounded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest
from structlog.testing import capture_logs

from pointsman.domain.clock import SystemClock
from pointsman.domain.trail import Skip
from pointsman.executor.allowance import Allowances, Charge, Grant
from pointsman.executor.instant import Instant
from pointsman.executor.ledger.account import Account
from pointsman.executor.ledger.link import LinkDown
from pointsman.executor.ledger.redis import RedisLedger
from pointsman.executor.ledger.shared_allowances import SharedAllowances
from pointsman.executor.ledger.stay import Stay, Terms
from tests.fakes.faulty_door import FaultyDoor
from tests.fakes.redis_server import RedisServer, redis_server
from tests.unit.executor.making import candidate, estimate, limit

pytestmark = pytest.mark.needs_redis

CLOCK = SystemClock()
TERMS = Terms(lease_s=60.0, timeout_s=2.0, replicas=2)
TEN = candidate("a/m", limits=[limit(10)])
A_DOLLAR = Charge(tokens=10, most_usd=Decimal(1))


@dataclass(slots=True)
class Counted:
    """Something that is counted in Redis: ten for all, five for each of two while it is away."""

    stay: Stay
    let_in: Callable[[], Awaitable[int]]
    """Returns how many calls of twelve are let in now."""


@asynccontextmanager
async def quotas(way: FaultyDoor) -> AsyncIterator[Counted]:
    """Run a ledger until the block ends."""
    ledger = RedisLedger([TEN], TERMS, margin_s=0.0, connect=way.connect, clock=CLOCK, random=Random(way.seed))

    async def let_in() -> int:
        calls = [await ledger.reserve(TEN, estimate(10)) for _ in range(12)]
        return sum(not isinstance(call, Skip) for call in calls)

    async with ledger.kept():
        yield Counted(ledger.stay, let_in)


@asynccontextmanager
async def callers(way: FaultyDoor) -> AsyncIterator[Counted]:
    """Run the allowances of callers until the block ends."""
    account = Account(TERMS, connect=way.connect, clock=CLOCK, random=Random(way.seed))
    granted = Allowances.of({"alice": Grant(usd_per_day=Decimal(10))}).known
    shared = SharedAllowances(granted, account, lease_s=60.0)

    async def let_in() -> int:
        at = Instant(now=CLOCK.now(), monotonic_s=CLOCK.monotonic())
        calls = [await shared.hold("alice", "a/m", A_DOLLAR, at) for _ in range(12)]
        return sum(not isinstance(call, Skip) for call in calls)

    async with shared.kept():
        yield Counted(account.stay, let_in)


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await CLOCK.sleep(0.02)


@pytest.mark.parametrize("place", ["connecting", "sending", "receiving"])
@pytest.mark.parametrize("run", [quotas, callers])
async def test_a_fault_that_nobody_foresaw_costs_a_part_and_is_over_when_it_is(
    server: RedisServer, run: Callable[[FaultyDoor], AbstractAsyncContextManager[Counted]], place: str
) -> None:
    way = FaultyDoor(server.url)
    with capture_logs() as lines:
        async with run(way) as counted:
            way.fails_at = place
            counted.stay.leave(LinkDown("for the test"))
            await until(lambda: way.faults >= 3)
            was_away, let_in = counted.stay.is_away, await counted.let_in()
            way.fails_at = ""
            await until(lambda: not counted.stay.is_away)
            rest = await counted.let_in()

    said = [(line["log_level"], line["reason"]) for line in lines if line["event"].endswith(".away")]
    assert (was_away, let_in, rest) == (True, 5, 5)
    assert said == [("warning", "for the test"), ("error", "a fault of Pointsman's, Unforeseen")]


@pytest.mark.parametrize("run", [quotas, callers])
async def test_an_answer_that_cannot_be_read_fails_no_call(
    server: RedisServer, run: Callable[[FaultyDoor], AbstractAsyncContextManager[Counted]]
) -> None:
    way = FaultyDoor(server.url)
    async with run(way) as counted:
        way.fails_at = "reading"

        assert await counted.let_in() == 5


@pytest.mark.parametrize("run", [quotas, callers])
async def test_one_of_two_that_is_cut_off_alone_adds_half_at_most_and_tells_it_later(
    server: RedisServer, run: Callable[[FaultyDoor], AbstractAsyncContextManager[Counted]]
) -> None:
    way = FaultyDoor(server.url, seed=2)
    async with run(FaultyDoor(server.url)) as other, run(way) as cut_off:
        way.fails_at = "connecting"
        cut_off.stay.leave(LinkDown("for the test"))
        let_in = await cut_off.let_in(), await other.let_in()
        way.fails_at = ""
        await until(lambda: not cut_off.stay.is_away)
        later = await cut_off.let_in(), await other.let_in()

    assert let_in == (5, 10)
    assert later == (0, 0)
