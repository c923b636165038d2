"""The ledger in Redis decides as the one in memory does: the same tests, and the same random sequences, over both."""

from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.domain.pool import Algorithm, Candidate, Unit
from pointsman.domain.trail import Outcome, Skip
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Ledger, Reservation, Settlement, WindowState
from pointsman.executor.quota import Estimate
from tests.fakes.clock import FakeClock
from tests.fakes.redis_ledger import Shelf, Steady
from tests.fakes.redis_server import RedisServer, redis_server
from tests.unit.executor.ledger import test_memory as contract
from tests.unit.executor.making import DAY, MINUTE, candidate, estimate, limit, usage

pytestmark = pytest.mark.needs_redis

UNLIKE = {
    "test_odd_statements_are_read_with_care": "Lua counts exactly up to 2**53 only; the other rows are below",
    "test_watchers_are_told_until_they_leave": "joining is told too, and what one does oneself when it is answered",
    "test_a_watcher_may_leave_while_it_is_told": "as above",
    "test_ten_thousand_reservations_and_a_storm_of_cancels_leave_it_exact": "see test_ledger_redis.py",
    "test_whatever_happens_nothing_is_held_in_the_end": "the random sequences below say more",
}
"""Tests of the ledger in memory that do not hold here word for word, and why."""

TESTS = {name: test for name, test in vars(contract).items() if name.startswith("test_") and name not in UNLIKE}
globals().update(TESTS)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@pytest.fixture(autouse=True)
async def shelf(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    """Let the tests of the ledger in memory make theirs in Redis."""
    shelf = Shelf(server.url, monkeypatch)
    monkeypatch.setattr(contract, "ledger", shelf.ledger)
    yield shelf
    await shelf.close()


def test_the_tests_that_do_not_hold_here_exist() -> None:
    assert [name for name in UNLIKE if not hasattr(contract, name)] == []


ONE = candidate(
    "a/one",
    group="g",
    limits=[limit(6), limit(200, Unit.TOKENS), limit(60, Unit.OUTPUT_TOKENS), limit(40, Unit.REQUESTS, DAY)],
    account_limits=[limit(5, Unit.CONCURRENCY, None)],
)
TWIN = candidate("a/twin", group="g")
BARE = candidate("b/bare")
POURED = candidate(
    "c/poured",
    limits=[
        limit(6, algorithm=Algorithm.TOKEN_BUCKET),
        limit(200, Unit.TOKENS, algorithm=Algorithm.TOKEN_BUCKET),
        limit(60, Unit.OUTPUT_TOKENS, algorithm=Algorithm.TOKEN_BUCKET),
    ],
)
FIXED = candidate(
    "d/fixed",
    limits=[
        limit(6, algorithm=Algorithm.FIXED_WINDOW, offset_s=17.3),
        limit(200, Unit.TOKENS, algorithm=Algorithm.FIXED_WINDOW),
        limit(150, Unit.INPUT_TOKENS, algorithm=Algorithm.SLIDING_WINDOW),
    ],
)
ALL = (ONE, TWIN, BARE, POURED, FIXED)

WAYS = [None, Algorithm.SLIDING_WINDOW, Algorithm.FIXED_WINDOW, Algorithm.TOKEN_BUCKET]


@pytest.mark.parametrize("unit, used", [(Unit.REQUESTS, 1), (Unit.OUTPUT_TOKENS, 5), (Unit.TOKENS, 10)])
@pytest.mark.parametrize("after", WAYS)
@pytest.mark.parametrize("before", WAYS)
async def test_other_settings_forget_nothing_and_remember_nothing_for_ever(
    shelf: Shelf, before: Algorithm | None, after: Algorithm | None, unit: Unit, used: int
) -> None:
    clock = FakeClock()
    old, new = (candidate(limits=[limit(6 * used, unit, algorithm=way)]) for way in (before, after))
    one, size = (
        shelf.ledger(old, clock=clock, margin_s=1.0),
        Estimate(input_tokens=5, output_tokens=5, admitted_tokens=10),
    )
    for _ in range(3):
        reservation = await one.reserve(old, size)
        assert isinstance(reservation, Reservation)
        await one.settle(reservation, Settlement(outcome=Outcome.ANSWERED, usage=usage(5, 5)))
    held = [await one.reserve(old, size) for _ in range(3)]
    other = shelf.another(new, clock=clock, margin_s=1.0)

    at_first = await other.reserve(new, size)
    for reservation in held:
        assert isinstance(reservation, Reservation)
        await one.settle(reservation, Settlement(outcome=Outcome.ANSWERED, usage=usage(5, 5)))
    at_the_end = await other.reserve(new, size)
    clock.advance(2 * MINUTE.total_seconds() + 3.0)
    later = [await other.reserve(new, size) for _ in range(6)]

    assert isinstance(at_first, Skip)
    assert isinstance(at_the_end, Skip)
    assert all(isinstance(each, Reservation) for each in later)


async def test_a_bucket_has_one_level_for_all_replicas(shelf: Shelf) -> None:
    clock, one = FakeClock(), candidate(limits=[limit(6, algorithm=Algorithm.TOKEN_BUCKET)])
    first = shelf.ledger(one, clock=clock)
    second = shelf.another(one, clock=clock)
    for book in (first, second) * 3:
        assert isinstance(await book.reserve(one, estimate()), Reservation)

    full = await first.reserve(one, estimate())
    clock.advance(10.0)
    left = [await book.reserve(one, estimate()) for book in (second, first)]

    assert isinstance(full, Skip)
    assert [isinstance(each, Reservation) for each in left] == [True, False]


KINDS = ["reserve"] * 4 + ["end"] * 3 + ["late", "wait", "out", "revive"]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2**32)), max_size=60)


def a_settlement(random: Random, clock: FakeClock) -> Settlement:
    """Return an end of a call: mostly answers, and every kind of statement."""
    outcome = random.choice([Outcome.ANSWERED] * 6 + [Outcome.RATE_LIMITED] * 2 + list(Outcome))
    stated = tuple(a_statement(random, clock) for _ in range(random.choice([0, 1, 1, 2])))
    return Settlement(
        outcome=outcome,
        usage=random.choice([None, usage(random.randint(0, 30), random.randint(0, 30))]),
        stated=stated,
        retry_after_s=random.choice([None, None, 0.0, -1.0, random.uniform(0, 30)]),
        out_until=clock.now() + timedelta(hours=2) if outcome is Outcome.DAILY_QUOTA else None,
    )


def a_statement(random: Random, clock: FakeClock) -> StatedQuota:
    unit = random.choice(list(Unit))
    full_in_s = random.choice([None, random.uniform(-5, 90), 7_200.0])
    return StatedQuota(
        unit=unit,
        limit=random.randint(0, 60),
        remaining=random.choice([None, *range(-1, 60, 3)]),
        full_at=None if full_in_s is None else clock.now() + timedelta(seconds=full_in_s),
        period=None if unit is Unit.CONCURRENCY else random.choice([None, MINUTE, MINUTE, DAY]),
        refills=random.random() < 0.7,
    )


def seen(ledger: Ledger, one: Candidate) -> list[tuple[object, ...]]:
    """Return what people see of a candidate, but for instants, which the mirror may name later than need be."""

    def row(window: WindowState) -> tuple[object, ...]:
        period = -1.0 if window.period_s is None else window.period_s
        return (window.scope, window.unit, period, window.limit, window.remaining, window.reserved, window.source)

    return sorted(row(window) for window in ledger.windows(one))


@given(steps=STEPS, seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
async def test_the_same_sequence_gets_the_same_decisions(shelf: Shelf, steps: list[tuple[str, int]], seed: int) -> None:
    clock = FakeClock()
    memory = MemoryLedger(ALL, clock=clock, random=Steady(seed), margin_s=1.0)
    redis = shelf.ledger(*ALL, clock=clock, margin_s=1.0)
    open_: list[tuple[Reservation, Reservation]] = []

    for step, chance in steps:
        random = Random(chance)
        one, size = random.choice(ALL), random.choice([1, 5, 20, 90])
        asked = Estimate(input_tokens=size, output_tokens=size // 2, admitted_tokens=2 * size)
        if step == "reserve":
            ours, theirs = await memory.reserve(one, asked), await redis.reserve(one, asked)
            assert (ours.reason if isinstance(ours, Skip) else "") == (
                theirs.reason if isinstance(theirs, Skip) else ""
            ), (ours, theirs)
            if isinstance(ours, Reservation) and isinstance(theirs, Reservation):
                open_.append((ours, theirs))
        elif step == "wait":
            clock.advance(random.choice([random.uniform(0, 2), random.uniform(0, 80), 30_000.0]))
        elif step == "out":
            cause = random.choice([Outcome.NETWORK, Outcome.UNAUTHORIZED, Outcome.MODEL_NOT_FOUND])
            memory.take_out(one, cause)
            redis.take_out(one, cause)
        elif step == "revive":
            memory.revive(one)
            redis.revive(one)
        elif open_:
            ours_open, theirs_open = open_.pop(0 if step == "end" else -1)
            settlement = a_settlement(random, clock)
            await memory.settle(ours_open, settlement)
            await redis.settle(theirs_open, settlement)
        await redis.joined()
        redis.talk.start_over()
        await redis.refresh()
        for each in ALL:
            assert seen(memory, each) == seen(redis, each), (step, each.id)
            assert (memory.in_flight(each), memory.is_out(each)) == (redis.in_flight(each), redis.is_out(each))
            ours_skip, theirs_skip = memory.skip(each, estimate(3)), redis.skip(each, estimate(3))
            assert (ours_skip and ours_skip.reason) == (theirs_skip and theirs_skip.reason), (ours_skip, theirs_skip)
    await shelf.close()
