"""The ledger in a real Redis, in real time: several replicas, crashes, and a Redis that is away, hung or slow."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from pointsman.domain.clock import SystemClock
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.link import LinkDown
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.ledger.redis import RedisLedger
from tests.fakes.patience import within
from tests.fakes.redis_ledger import kept
from tests.fakes.redis_server import RedisServer, SlowWay, redis_server, slow_way
from tests.unit.executor.making import MINUTE, candidate, estimate, limit, usage

pytestmark = pytest.mark.needs_redis

SMALL = estimate(10)
FREE = candidate("a/m")
TEN = candidate("a/m", limits=[limit(10)])
ONE_AT_ONCE = candidate("a/m", limits=[limit(1, Unit.CONCURRENCY, None)])
CLOCK = SystemClock()


@pytest.fixture(scope="module")
async def shared_server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@pytest.fixture
async def server(shared_server: RedisServer) -> RedisServer:
    """Return a Redis that runs and knows nothing."""
    async with shared_server.client() as client:
        await client.flushall()
    return shared_server


@pytest.fixture
async def doomed() -> AsyncIterator[RedisServer]:
    """Yield a Redis of the test's own, which it may kill."""
    async with redis_server() as server:
        yield server


@pytest.fixture
async def way(server: RedisServer) -> AsyncIterator[SlowWay]:
    async with slow_way(server) as way:
        yield way


async def until(holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await CLOCK.sleep(0.01)


async def reserve(book: RedisLedger, one: Candidate = FREE) -> Reservation:
    reservation = await book.reserve(one, SMALL)
    assert isinstance(reservation, Reservation), reservation
    return reservation


async def denied(book: RedisLedger, one: Candidate = FREE) -> Skip:
    skip = await book.reserve(one, SMALL)
    assert isinstance(skip, Skip), skip
    return skip


async def end(
    book: RedisLedger,
    reservation: Reservation,
    outcome: Outcome = Outcome.ANSWERED,
    *stated: StatedQuota,
    retry_after_s: float | None = None,
) -> None:
    settlement = Settlement(outcome=outcome, usage=usage(10, 10), stated=stated, retry_after_s=retry_after_s)
    await book.settle(reservation, settlement)


async def call(book: RedisLedger, one: Candidate, *stated: StatedQuota, outcome: Outcome = Outcome.ANSWERED) -> None:
    await end(book, await reserve(book, one), outcome, *stated)


def stated(remaining: int, of: int = 10) -> StatedQuota:
    full_at = CLOCK.now() + timedelta(seconds=50)
    return StatedQuota(unit=Unit.REQUESTS, limit=of, remaining=remaining, full_at=full_at, period=MINUTE)


def left(book: RedisLedger, one: Candidate) -> int:
    (window,) = (each for each in book.windows(one) if each.unit is Unit.REQUESTS)
    return window.remaining


# --- Exact and cheap


async def test_ten_thousand_reservations_of_four_replicas_get_and_use_exactly_the_limit(server: RedisServer) -> None:
    one = candidate("a/m", limits=[limit(2_500), limit(10**9, Unit.TOKENS)])
    async with (
        kept(one, url=server.url, seed=1, timeout_s=30.0) as book,
        kept(one, url=server.url, seed=2, timeout_s=30.0) as second,
        kept(one, url=server.url, seed=3, timeout_s=30.0) as third,
        kept(one, url=server.url, seed=4, timeout_s=30.0) as fourth,
    ):
        books = [each for _ in range(2_500) for each in (book, second, third, fourth)]

        answers = await asyncio.gather(*(each.reserve(one, estimate(50)) for each in books))
        await book.refresh()
        held = book.in_flight(one), left(book, one)
        taken = [
            end(each, answer) for each, answer in zip(books, answers, strict=True) if isinstance(answer, Reservation)
        ]
        await asyncio.gather(*taken)

        await book.refresh()
        assert Counter(map(type, answers)) == {Reservation: 2_500, Skip: 7_500}
        assert held == (2_500, 0)
        assert (book.in_flight(one), left(book, one)) == (0, 0)
        used = 2_500 * (10 + 50)  # ten tokens in, fewer than were set aside, and the fifty out that were asked for
        (tokens,) = (each for each in book.windows(one) if each.unit is Unit.TOKENS)
        assert (tokens.remaining, tokens.reserved) == (10**9 - used, 0)


async def test_a_storm_of_cancels_leaves_nothing_held(server: RedisServer) -> None:
    one = candidate("a/m", limits=[limit(1_000), limit(1_000, Unit.CONCURRENCY, None)])
    async with kept(one, url=server.url, timeout_s=30.0) as book:
        taken = await asyncio.gather(*(reserve(book, one) for _ in range(1_000)))

        await asyncio.gather(*(end(book, each, Outcome.CANCELLED) for each in taken))

        await book.refresh()
        assert book.in_flight(one) == 0
        assert [(window.remaining, window.reserved) for window in book.windows(one)] == [(0, 0), (1_000, 0)]


async def test_a_reserve_and_a_settle_take_one_round_trip_each(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    one = candidate("a/m", limits=[limit(10**6), limit(10**9, Unit.TOKENS)], account_limits=[limit(10**6)])
    pairs = 300
    async with kept(one, url=server.url) as book:
        before, wall_s, cpu_s = await server.calls(), time.perf_counter(), time.process_time()  # noqa: TID251 - a figure

        for _ in range(pairs):
            await call(book, one)

        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s  # noqa: TID251 - a figure
        after = await server.calls()

    looks = math.ceil(wall_s / 0.5)
    trips = after["evalsha"] - before["evalsha"]
    assert 2 * pairs <= trips <= 2 * pairs + looks
    assert after.get("eval", 0) == 0
    figures = f"{trips / pairs:.2f} round trips and {cpu_s / pairs * 1e6:.0f} µs CPU a reserve + settle"
    with capsys.disabled():
        print(f"\nledger in Redis: {figures}")  # noqa: T201 - a figure, for who runs the tests


async def test_a_script_that_redis_forgot_is_told_again(server: RedisServer) -> None:
    async with kept(TEN, url=server.url) as book, server.client() as client:
        await client.script_flush()

        await asyncio.gather(*(call(book, TEN) for _ in range(5)))

        assert (book.name, left(book, TEN)) == ("redis", 5)


# --- Several replicas


async def test_replicas_share_cooldowns(server: RedisServer) -> None:
    async with kept(FREE, url=server.url, seed=1) as book, kept(FREE, url=server.url, seed=2) as other:
        await end(book, await reserve(book), Outcome.RATE_LIMITED, retry_after_s=30.0)

        skip = await denied(other)

        assert (skip.reason, skip.detail) == (SkipReason.COOLING, "model:a/m is cooling after rate_limited")
        assert skip.ready_at
        assert timedelta(seconds=25) < skip.ready_at - CLOCK.now() <= timedelta(seconds=30)
        assert other.skip(FREE, SMALL)


async def test_what_one_replica_is_told_the_others_know(server: RedisServer) -> None:
    async with kept(FREE, url=server.url, seed=1) as book, kept(FREE, url=server.url, seed=2) as other:
        await call(book, FREE, stated(1))

        await until(lambda: bool(other.windows(FREE)))

        assert left(other, FREE) == 1
        await reserve(other)
        assert (await denied(book)).reason is SkipReason.OUT_OF_QUOTA


async def test_an_older_answer_of_another_replica_raises_nothing(server: RedisServer) -> None:
    async with kept(FREE, url=server.url, seed=1) as book, kept(FREE, url=server.url, seed=2) as other:
        older, newer = await reserve(book), await reserve(other)

        await end(other, newer, Outcome.ANSWERED, stated(0))
        await end(book, older, Outcome.ANSWERED, stated(9))

        assert left(book, FREE) == 0


async def test_only_one_replica_probes(server: RedisServer) -> None:
    async with kept(FREE, url=server.url, seed=1) as book, kept(FREE, url=server.url, seed=2) as other:
        await end(book, await reserve(book), Outcome.OVERLOADED, retry_after_s=0.05)
        await CLOCK.sleep(0.1)

        answers = await asyncio.gather(*(each.reserve(FREE, SMALL) for each in (book, other) for _ in range(5)))

        assert Counter(type(answer) for answer in answers) == {Reservation: 1, Skip: 9}


async def test_who_is_out_is_out_for_all_until_revived(server: RedisServer) -> None:
    async with kept(FREE, url=server.url, seed=1) as book, kept(FREE, url=server.url, seed=2) as other:
        book.take_out(FREE, Outcome.UNAUTHORIZED)
        await until(lambda: other.is_out(FREE) is Outcome.UNAUTHORIZED)

        other.revive(FREE)

        await until(lambda: book.is_out(FREE) is None)
        await reserve(book)
        assert (await denied(other)).reason is SkipReason.COOLING


async def test_watchers_hear_of_what_other_replicas_do(server: RedisServer) -> None:
    async with kept(FREE, url=server.url, seed=1) as book, kept(FREE, url=server.url, seed=2) as other:
        heard: list[str] = []
        leave = other.watch(heard.append)

        await reserve(book)

        await until(lambda: heard == [FREE.id])
        leave()


async def test_a_model_on_this_machine_is_no_affair_of_redis(server: RedisServer) -> None:
    here = candidate("local/m", local=True, limits=[limit(1, Unit.CONCURRENCY, None)])
    async with kept(here, url=server.url, seed=1) as book, kept(here, url=server.url, seed=2) as other:
        reservation = await reserve(book, here)
        book.take_out(here, Outcome.NETWORK)

        await other.refresh()

        assert (book.in_flight(here), other.in_flight(here)) == (1, 0)
        assert (book.is_out(here), other.is_out(here)) == (Outcome.NETWORK, None)
        await end(book, reservation)


# --- Leases


async def test_what_is_told_in_the_moment_of_a_stop_is_heard(server: RedisServer) -> None:
    with capture_logs() as lines:
        async with kept(ONE_AT_ONCE, url=server.url, seed=1) as book:
            reservation = await reserve(book, ONE_AT_ONCE)
            ending = asyncio.ensure_future(end(book, reservation))
            await asyncio.sleep(0)  # noqa: TID251 - one turn, in which it is told
        await ending
        async with kept(ONE_AT_ONCE, url=server.url, seed=2) as other:
            await reserve(other, ONE_AT_ONCE)

    assert [line["event"] for line in lines] == ["ledger.joined", "ledger.joined"]


async def test_what_a_crashed_replica_held_comes_back(server: RedisServer) -> None:
    async with kept(ONE_AT_ONCE, url=server.url, seed=2, lease_s=0.8) as other:
        async with kept(ONE_AT_ONCE, url=server.url, seed=1, lease_s=0.8) as crashing:
            await reserve(crashing, ONE_AT_ONCE)

        held = await denied(other, ONE_AT_ONCE)
        await until(lambda: other.skip(ONE_AT_ONCE, SMALL) is None)

        assert held.reason is SkipReason.OUT_OF_CONCURRENCY
        await reserve(other, ONE_AT_ONCE)


async def test_settling_after_the_lease_changes_nothing(server: RedisServer) -> None:
    async with kept(TEN, url=server.url, lease_s=0.3) as book:
        reservation = await reserve(book, TEN)
        await until(lambda: book.in_flight(TEN) == 0)

        await end(book, reservation, Outcome.RATE_LIMITED, retry_after_s=60.0)

        assert (left(book, TEN), book.in_flight(TEN), book.skip(TEN, SMALL)) == (9, 0, None)


async def test_a_reservation_whose_request_gave_up_is_released(server: RedisServer, way: SlowWay) -> None:
    async with kept(TEN, url=way.url) as book:
        way.delay_s = 0.05
        request = asyncio.ensure_future(book.reserve(TEN, SMALL))
        await CLOCK.sleep(0.02)

        request.cancel()
        await asyncio.wait([request])

        way.delay_s = 0.0
        await CLOCK.sleep(0.15)
        await book.refresh()
        assert (left(book, TEN), book.in_flight(TEN)) == (10, 0)


# --- Redis away


async def test_a_redis_that_is_killed_costs_no_request_and_comes_back_empty(doomed: RedisServer) -> None:
    with capture_logs() as logs:
        async with kept(TEN, url=doomed.url, replicas=2) as book:
            await call(book, TEN, stated(4))
            under_way = await reserve(book, TEN)
            stated_left = left(book, TEN)
            await doomed.kill()

            away = [await book.reserve(TEN, SMALL) for _ in range(5)]
            name_away = book.name
            await doomed.start()
            await until(lambda: book.name == "redis")
            await book.refresh()

            # Of the four that were stated, one is under way, and half of the rest is ours.
            assert stated_left == 3
            assert [isinstance(each, Reservation) for each in away] == [True, False, False, False, False]
            assert (name_away, book.in_flight(TEN)) == ("redis-away", 2)
            (window,) = book.windows(TEN)
            assert (window.limit, window.source, window.remaining) == (10, "configured", 8)
            await end(book, under_way)
            assert book.in_flight(TEN) == 1
    events = [entry["event"] for entry in logs]
    assert events == ["ledger.joined", "ledger.away", "ledger.joined"]


async def test_a_redis_that_hangs_is_left_within_the_deadline_and_told_everything_later(server: RedisServer) -> None:
    async with kept(TEN, url=server.url, replicas=2, timeout_s=0.4) as book:
        await call(book, TEN)
        await call(book, TEN)
        server.pause()
        try:
            async with within(1.0):
                waiting = await asyncio.gather(*(book.reserve(TEN, SMALL) for _ in range(6)))
            taken = [each for each in waiting if isinstance(each, Reservation)]
            for reservation in taken[1:]:
                await end(book, reservation)
        finally:
            server.resume()

        await until(lambda: book.name == "redis")
        await book.refresh()

        assert len(taken) == 4  # half of ten, less half of what was used
        assert (left(book, TEN), book.in_flight(TEN)) == (4, 1)
        await end(book, taken[0])
        assert (left(book, TEN), book.in_flight(TEN)) == (4, 0)


@pytest.mark.parametrize("steps", range(6))
async def test_an_executor_that_stops_as_redis_goes_away_does_stop(server: RedisServer, steps: int) -> None:
    async with asyncio.timeout(5.0) as patience, kept(TEN, url=server.url) as book:
        book.talk.on_loss(LinkDown("gone"))
        for _ in range(steps):
            await asyncio.sleep(0)  # noqa: TID251 - the loss is noticed step by step

    assert not patience.expired()


async def test_a_call_that_is_given_up_as_redis_goes_away_is_not_held_for_ever(server: RedisServer) -> None:
    async with kept(TEN, url=server.url, replicas=2) as book:
        reservation = await reserve(book, TEN)
        server.pause()
        try:
            settling = asyncio.ensure_future(end(book, reservation))
            await asyncio.sleep(0)  # noqa: TID251 - it waits for Redis now
            book.talk.on_loss(LinkDown("gone"))
            settling.cancel()
            await asyncio.wait([settling])

            assert (book.name, book.in_flight(TEN)) == ("redis-away", 0)
        finally:
            server.resume()


async def test_what_is_learned_while_redis_is_away_is_carried_over(doomed: RedisServer) -> None:
    async with kept(FREE, url=doomed.url, seed=1) as book, kept(FREE, url=doomed.url, seed=2) as other:
        await doomed.kill()
        await until(lambda: book.name == "redis-away")
        await end(book, await reserve(book), Outcome.RATE_LIMITED, stated(0), retry_after_s=30.0)
        await doomed.start()

        await until(lambda: other.name == "redis" and other.skip(FREE, SMALL) is not None)

        assert [(window.limit, window.remaining) for window in other.windows(FREE)] == [(10, 0)]


async def test_where_no_limit_is_known_there_is_a_bound_without_redis(doomed: RedisServer) -> None:
    async with kept(FREE, url=doomed.url, replicas=4) as book:
        await doomed.kill()

        calls = [await book.reserve(FREE, SMALL) for _ in range(20)]

        assert [isinstance(each, Reservation) for each in calls] == [True] * 16 + [False] * 4


async def test_a_start_without_redis_waits_for_nobody_and_joins_later() -> None:
    async with redis_server(is_up=False) as server, AsyncExitStack() as stack:
        async with within(1.0):
            book = await stack.enter_async_context(kept(TEN, url=server.url, replicas=2))
        name = book.name
        calls = [await book.reserve(TEN, SMALL) for _ in range(7)]

        await server.start()
        await until(lambda: book.name == "redis")
        await book.refresh()

        assert name == "redis-away"
        assert [isinstance(each, Reservation) for each in calls] == [True] * 5 + [False] * 2
        assert (left(book, TEN), book.in_flight(TEN)) == (5, 5)


async def test_a_slow_redis_is_borne_up_to_the_deadline(way: SlowWay) -> None:
    async with kept(TEN, url=way.url, timeout_s=0.4) as book:
        way.delay_s = 0.02
        await call(book, TEN)
        slow = book.name
        way.delay_s = 1.5

        async with within(1.4):
            await reserve(book, TEN)
        too_slow = book.name
        way.delay_s = 0.0
        await until(lambda: book.name == "redis")

        assert (slow, too_slow) == ("redis", "redis-away")
        await until(lambda: left(book, TEN) == 8 and book.in_flight(TEN) == 1)


async def test_a_connection_that_breaks_loses_nothing(way: SlowWay) -> None:
    async with kept(TEN, url=way.url) as book:
        reservation = await reserve(book, TEN)
        way.reset()

        await end(book, reservation)
        await call(book, TEN)

        await until(lambda: book.name == "redis")
        await until(lambda: (left(book, TEN), book.in_flight(TEN)) == (8, 0))


async def test_an_error_of_the_script_is_redis_being_away(server: RedisServer) -> None:
    with capture_logs() as logs:
        async with kept(TEN, url=server.url) as book, server.client() as client:
            await client.set("pointsman:{ledger}:model:a/m", "not a scope")

            reservation = await reserve(book, TEN)
            name = book.name
            await client.delete("pointsman:{ledger}:model:a/m")
            await until(lambda: book.name == "redis")
            await end(book, reservation)

            assert (name, left(book, TEN)) == ("redis-away", 9)
    (away,) = (entry for entry in logs if entry["event"] == "ledger.away")
    assert "WRONGTYPE" in away["reason"]


async def test_the_share_follows_the_replicas_that_are_there(doomed: RedisServer) -> None:
    async with kept(TEN, url=doomed.url, replicas=1, seed=1) as book, kept(TEN, url=doomed.url, replicas=1, seed=2):
        await book.refresh()
        await doomed.kill()

        calls = [await book.reserve(TEN, SMALL) for _ in range(7)]

        assert sum(isinstance(each, Reservation) for each in calls) == 5


async def test_time_that_is_set_back_in_redis_frees_nothing_and_holds_nothing_longer(server: RedisServer) -> None:
    one = candidate("a/m", limits=[limit(1, Unit.REQUESTS, timedelta(seconds=1))])
    async with kept(one, url=server.url) as book, server.client() as client:
        ahead = CLOCK.now().timestamp() + 7_200
        await client.hset("pointsman:{ledger}:clock", mapping={"last": str(ahead), "shift": "0"})
        await call(book, one)

        skip = await denied(book, one)
        await until(lambda: book.skip(one, SMALL) is None)

        assert skip.ready_at
        assert skip.ready_at - CLOCK.now() < timedelta(seconds=1.2)
