"""The ledger in Redis that is told of other limits, while Redis is there and while it is away."""

from collections.abc import AsyncIterator

import pytest

from pointsman.domain.clock import SystemClock
from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome, Skip
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.ledger.redis import RedisLedger
from tests.fakes.redis_ledger import kept
from tests.fakes.redis_server import RedisServer, redis_server
from tests.unit.executor.making import candidate, estimate, limit, usage

pytestmark = pytest.mark.needs_redis

SMALL = estimate(10)
FEW, MORE = (candidate("a/m", limits=[limit(amount)]) for amount in (3, 5))
ANOTHER = candidate("b/m", limits=[limit(1)])


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


async def reserved(book: RedisLedger) -> Reservation:
    reservation = await book.reserve(FEW, SMALL)
    assert isinstance(reservation, Reservation), reservation
    return reservation


async def end(book: RedisLedger, reservation: Reservation) -> None:
    await book.settle(reservation, Settlement(outcome=Outcome.ANSWERED, usage=usage(10, 10)))


def remaining(book: RedisLedger) -> int:
    (window,) = (each for each in book.windows(MORE) if each.unit is Unit.REQUESTS)
    return window.remaining


async def test_a_raised_limit_holds_with_what_was_used_and_with_calls_under_way(server: RedisServer) -> None:
    async with kept(FEW, url=server.url) as book:
        under_way = [await reserved(book) for _ in range(3)]
        full = await book.reserve(FEW, SMALL)

        book.heed([MORE, ANOTHER])
        left = [await book.reserve(MORE, SMALL) for _ in range(3)]
        for each in under_way:
            await end(book, each)
        other = await book.reserve(ANOTHER, SMALL)

    assert isinstance(full, Skip)
    assert [isinstance(each, Reservation) for each in left] == [True, True, False]
    assert isinstance(other, Reservation)


async def test_a_candidate_that_was_taken_away_is_settled_and_can_still_be_called_by_who_began_with_it(
    server: RedisServer,
) -> None:
    async with kept(FEW, url=server.url) as book:
        under_way = await reserved(book)

        book.heed([ANOTHER])
        late = await reserved(book)
        for each in (under_way, late):
            await end(book, each)
        book.heed([MORE])
        await book.refresh()
        left = remaining(book)

    assert left == 3


async def test_while_redis_is_away_the_part_is_that_of_the_new_limit(server: RedisServer) -> None:
    async with kept(FEW, url=server.url) as book:
        await server.kill()
        clock = SystemClock()
        while book.name != "redis-away":
            await clock.sleep(0.02)

        book.heed([MORE])
        left = remaining(book)

    assert left == 2  # of five, for two replicas
