"""What callers may use, counted for several Executors in a real Redis: exact, and bounded while Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
import structlog

from pointsman.cli.stack import running
from pointsman.config import Settings, keys
from pointsman.config.revision import Prepare, revise
from pointsman.config.settings import CallerSettings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import CallerOverBudget, CallerOverRate, PointsmanError
from pointsman.domain.trail import Skip, SkipReason
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.allowance import Allowances, Charge, Grant, Held
from pointsman.executor.execute import Execute
from pointsman.executor.instant import Instant
from pointsman.executor.ledger.account import Account
from pointsman.executor.ledger.door import door
from pointsman.executor.ledger.shared_allowances import SharedAllowances
from pointsman.executor.ledger.stay import Terms
from pointsman.executor.purse import Term
from pointsman_client import CallerOverLimit, Client
from tests.fakes.adapter import ANSWERED, FakeAdapter
from tests.fakes.faulty_door import FaultyDoor
from tests.fakes.redis_server import RedisServer, redis_server
from tests.unit.executor.making import attempt, candidate, engine, request, usage

pytestmark = [pytest.mark.needs_redis, pytest.mark.timeout(120)]

CLOCK = SystemClock()
A = candidate("a/m")
A_DOLLAR = Charge(tokens=100, most_usd=Decimal(1))


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@asynccontextmanager
async def kept(
    url: str,
    *,
    seed: int = 1,
    lease_s: float = 60.0,
    spent: Decimal | None = None,
    timeout_s: float = 5.0,
    **grant: object,
) -> AsyncIterator[SharedAllowances]:
    """Run one Executor's allowances until the block ends: alice's, of whom the journal knows what she spent."""
    terms = Terms(lease_s=lease_s, timeout_s=timeout_s, replicas=2)
    grants = {"alice": Grant(**grant), "bob": Grant()}  # type: ignore[arg-type]  # as named
    account = Account(terms, connect=door(url), clock=CLOCK, random=Random(seed))
    shared = SharedAllowances(Allowances.of(grants).known, account, lease_s=lease_s)
    if spent is not None:
        for _, purse in shared.purses(Term.DAY):
            purse.spent += spent
    async with shared.kept():
        yield shared


def now() -> Instant:
    return Instant(now=CLOCK.now(), monotonic_s=CLOCK.monotonic())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await CLOCK.sleep(0.02)


async def hold(shared: SharedAllowances, charge: Charge = A_DOLLAR) -> Held:
    held = await shared.hold("alice", "a/m", charge, now())
    assert isinstance(held, Held)
    return held


async def refused(shared: SharedAllowances, charge: Charge = A_DOLLAR) -> Skip:
    skip = await shared.hold("alice", "a/m", charge, now())
    assert isinstance(skip, Skip)
    return skip


async def let_in(shared: SharedAllowances, *, most: int = 50) -> int:
    """Return how many calls of a dollar each are let in now."""
    taken = 0
    while taken < most and isinstance(await shared.hold("alice", "a/m", A_DOLLAR, now()), Held):
        taken += 1
    return taken


async def test_of_a_thousand_at_once_over_two_executors_with_money_for_ten_at_most_ten_pass(
    server: RedisServer,
) -> None:
    opened = asyncio.Event()

    async def answer(_call: Call) -> Reply:
        await opened.wait()
        return ANSWERED

    def made(shared: SharedAllowances) -> tuple[Execute, FakeAdapter]:
        adapter = FakeAdapter(otherwise=answer)
        return replace(engine(A, clock=CLOCK, adapters={"a": adapter}, priced=(A,)), allowances=shared), adapter

    usd = Decimal("0.01024")  # ten times what a call can cost at most
    async with kept(server.url, usd_per_day=usd) as one, kept(server.url, seed=2, usd_per_day=usd) as two:
        (first, of_first), (second, of_second) = made(one), made(two)
        asked = replace(request(), caller="alice")
        calls = [
            asyncio.ensure_future(engine_.execute(asked, "quick", deadline=CLOCK.monotonic() + 60))
            for _ in range(500)
            for engine_ in (first, second)
        ]
        await until(lambda: sum(call.done() for call in calls) >= 990)
        opened.set()
        ends = await asyncio.gather(*calls, return_exceptions=True)

    errors = [end for end in ends if isinstance(end, BaseException)]
    assert len(of_first.calls) + len(of_second.calls) == 10
    assert len(ends) - len(errors) == 10
    assert {type(error) for error in errors} == {CallerOverBudget}


async def test_a_minute_of_requests_is_one_for_all_executors(server: RedisServer) -> None:
    async with kept(server.url, requests_per_minute=5) as one, kept(server.url, seed=2, requests_per_minute=5) as two:
        ends = await asyncio.gather(
            *(shared.admit("alice", "quick", now()) for _ in range(20) for shared in (one, two)),
            return_exceptions=True,
        )
        with pytest.raises(CallerOverRate) as caught:
            await two.admit("alice", "quick", now())

    assert [end for end in ends if end is None] == [None] * 5
    assert caught.value.ready_at
    assert timedelta(seconds=50) < caught.value.ready_at - CLOCK.now() < timedelta(seconds=61)


async def test_a_minute_of_tokens_is_one_for_all_executors(server: RedisServer) -> None:
    async with kept(server.url, tokens_per_minute=250) as one, kept(server.url, seed=2, tokens_per_minute=250) as two:
        first = await hold(one)
        await hold(two)
        while_both_run = await refused(one)
        one.settle("alice", first, attempt(usage=usage(40, 10)), now())
        await until(lambda: one["alice"].tokens is not None and one["alice"].tokens.past.amount == 50)
        await hold(two)
        after = await refused(two)

    assert (while_both_run.reason, after.reason) == (SkipReason.CALLER_OVER_RATE, SkipReason.CALLER_OVER_RATE)
    assert after.ready_at


async def test_what_a_call_did_not_cost_is_there_for_the_other_executor(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(2)) as one, kept(server.url, seed=2, usd_per_day=Decimal(2)) as two:
        held = [await hold(one), await hold(one)]
        denied = await refused(two)
        one.settle("alice", held[0], attempt(usage=usage(), cost_usd=Decimal("0.25")), now())
        one.settle("alice", held[1], None, now())
        await until(lambda: one["alice"].purses[0].held == 0)
        let = await let_in(two)

    assert denied.reason is SkipReason.CALLER_OVER_BUDGET
    assert let == 1
    assert two.known["alice"].purses[0].spent == Decimal("0.25")


async def test_what_another_executor_used_is_heard_of_without_asking(server: RedisServer) -> None:
    async with (
        kept(server.url, usd_per_month=Decimal(9)) as one,
        kept(server.url, seed=2, usd_per_month=Decimal(9)) as two,
    ):
        await hold(one)
        await until(lambda: two["alice"].purses[0].held == 1)


async def test_what_another_executor_used_is_heard_of_though_the_caller_has_not_asked_here(server: RedisServer) -> None:
    async with (
        kept(server.url, usd_per_month=Decimal(9)) as one,
        kept(server.url, seed=2, usd_per_month=Decimal(9)) as two,
    ):
        (purse,) = two.known["alice"].purses
        held = await hold(one)
        await until(lambda: purse.held == 1)
        one.settle("alice", held, attempt(usage=usage(), cost_usd=Decimal("0.5")), now())
        await until(lambda: [purse.held, purse.spent] == [0, Decimal("0.5")])


async def test_the_part_follows_the_executors_that_are_there(server: RedisServer) -> None:
    async with (
        kept(server.url, usd_per_day=Decimal(12)) as one,
        kept(server.url, seed=2, usd_per_day=Decimal(12)),
        kept(server.url, seed=3, usd_per_day=Decimal(12)),
    ):
        await until(lambda: one.account.replicas == 3)
        await server.kill()
        let = await let_in(one)

    assert let == 4


async def test_an_end_that_is_told_twice_because_the_answer_was_lost_counts_once(server: RedisServer) -> None:
    way = FaultyDoor(server.url)
    account = Account(
        Terms(lease_s=60.0, timeout_s=5.0, replicas=2), connect=way.connect, clock=CLOCK, random=Random(1)
    )
    granted = Allowances.of({"alice": Grant(usd_per_day=Decimal(9))}).known
    shared = SharedAllowances(granted, account, lease_s=60.0)
    (purse,) = granted["alice"].purses
    async with shared.kept():
        held = await hold(shared)
        way.fails_at = "receiving"
        shared.settle("alice", held, attempt(usage=usage(), cost_usd=Decimal(2)), now())
        await until(lambda: way.faults >= 1)
        way.fails_at = ""
        await until(lambda: not shared.is_away)
        await until(lambda: not purse.held)

        assert purse.spent == 2


async def test_the_part_of_each_while_redis_is_away_is_never_more_than_what_was_left(server: RedisServer) -> None:
    async with (
        kept(server.url, usd_per_day=Decimal(11)) as one,
        kept(server.url, seed=2, usd_per_day=Decimal(11)) as two,
    ):
        for _ in range(3):
            await hold(one)
        await until(lambda: two["alice"].purses[0].held == 3)
        with structlog.testing.capture_logs() as captured:
            await server.kill()
            let = [await let_in(one), await let_in(two)]
        events = [line["event"] for line in captured]

    assert let == [4, 4]
    assert events == ["allowances.away", "allowances.away"]


async def test_metrics_are_told_where_it_is_counted_what_callers_use(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(11)) as shared:
        found = shared.name
        await server.kill()
        await until(lambda: shared.is_away)
        lost = shared.name

    assert (Allowances.of({}).name, found, lost) == ("memory", "redis", "redis-away")


async def test_what_was_used_while_redis_was_away_is_known_when_it_is_back(server: RedisServer) -> None:
    async with (
        kept(server.url, usd_per_day=Decimal(10)) as one,
        kept(server.url, seed=2, usd_per_day=Decimal(10)) as two,
    ):
        before = await hold(one)
        await until(lambda: two["alice"].purses[0].held == 1)
        await server.kill()
        during = [await hold(one), await hold(one)]
        one.settle("alice", before, attempt(usage=usage(), cost_usd=Decimal("0.5")), now())
        one.settle("alice", during[0], attempt(usage=usage(), cost_usd=Decimal("0.5")), now())
        await server.start()  # and has forgotten everything
        await until(lambda: not one.is_away and not two.is_away)
        let = await let_in(two)

    assert let == 8  # ten, less one that was spent and one that is held by a call under way


async def test_a_redis_that_has_forgotten_is_told_what_the_journal_knows(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(10), spent=Decimal(7)) as one:
        let = await let_in(one)

    assert let == 3


async def test_what_a_crashed_executor_held_counts_as_spent_after_the_lease(server: RedisServer) -> None:
    async with kept(server.url, lease_s=0.3, usd_per_day=Decimal(3)) as one:
        await hold(one)
        await until(lambda: not one["alice"].purses[0].held)

        assert one["alice"].purses[0].spent == 1


async def test_a_request_that_is_cancelled_while_it_asks_holds_nothing(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(3)) as one:
        asking = asyncio.ensure_future(hold(one))
        await asyncio.sleep(0)  # noqa: TID251 - it has asked, and has no answer
        asking.cancel()
        await asyncio.wait({asking})
        let = await let_in(one)

    assert let == 3


async def test_a_redis_that_hangs_delays_no_request_longer_than_its_time(server: RedisServer) -> None:
    async with kept(server.url, timeout_s=0.2, usd_per_day=Decimal(4)) as one:
        server.pause()
        async with asyncio.timeout(5):
            let = await let_in(one)
        server.resume()
        (purse,) = one.known["alice"].purses
        await until(lambda: not one.is_away and purse.held == 2)

    assert let == 2


async def test_callers_whom_nobody_counts_are_no_affair_of_redis(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(4)) as one:
        await one.admit("bob", "quick", now())
        held = await one.hold("bob", "a/m", Charge(tokens=10, most_usd=None), now())
        assert isinstance(held, Held)
        one.settle("bob", held, None, now())
        async with server.client() as client:
            keys = await client.keys("*bob*")

    assert keys == []


async def test_a_caller_who_may_not_is_refused_without_asking(server: RedisServer) -> None:
    async with kept(server.url, categories=frozenset({"coding"}), requests_per_minute=1) as one:
        with pytest.raises(PointsmanError) as caught:
            await one.admit("alice", "quick", now())
        await one.admit("alice", "coding", now())

    assert caught.value.reason == "CATEGORY_FORBIDDEN"


# --- Newer settings


def newer(before: SharedAllowances, *, spent: Decimal = Decimal(0), **grant: object) -> SharedAllowances:
    """Return alice's allowances by newer settings, taken up; for a new budget the journal knows what was spent."""
    granted = Allowances.of({"alice": Grant(**grant)})  # type: ignore[arg-type]  # as named
    for _, purse in granted.purses(Term.DAY):
        purse.spent += spent
    after = SharedAllowances(granted.known, before.account, lease_s=60.0)
    after.inherit(before)
    return after


async def test_a_raised_limit_holds_at_once_with_what_was_used_and_what_is_held(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(3)) as one:
        before = await let_in(one)
        after = await let_in(newer(one, usd_per_day=Decimal(5)))

    assert (before, after) == (3, 2)


async def test_two_executors_that_go_by_different_limits_for_a_while_count_one_use(server: RedisServer) -> None:
    async with (
        kept(server.url, requests_per_minute=9) as one,
        kept(server.url, seed=2, requests_per_minute=9) as two,
    ):
        fewer = newer(two, requests_per_minute=4)
        for _ in range(4):
            await one.admit("alice", "quick", now())
        with pytest.raises(CallerOverRate):
            await fewer.admit("alice", "quick", now())
        await one.admit("alice", "quick", now())


async def test_a_call_ends_by_the_settings_it_began_with(server: RedisServer) -> None:
    async with kept(server.url, usd_per_day=Decimal(3)) as one:
        held = await hold(one)
        nobody = SharedAllowances({}, one.account, lease_s=60.0)
        nobody.inherit(one)
        with pytest.raises(PointsmanError) as caught:
            await nobody.hold("alice", "a/m", A_DOLLAR, now())
        another = await hold(one)  # of the same request
        for each in (held, another):
            one.settle("alice", each, attempt(usage=usage(), cost_usd=Decimal("0.5")), now())
        again = newer(nobody, usd_per_day=Decimal(3))
        let = await let_in(again)

    assert caught.value.reason == "CALLER_UNKNOWN"
    assert let == 2


async def test_a_new_budget_begins_with_what_the_journal_knows(server: RedisServer) -> None:
    async with kept(server.url, requests_per_minute=100) as one:
        let = await let_in(newer(one, spent=Decimal(7), requests_per_minute=100, usd_per_day=Decimal(10)))

    assert let == 3


async def test_a_limit_that_changes_while_redis_is_away_changes_the_part_and_keeps_what_was_used(
    server: RedisServer,
) -> None:
    async with kept(server.url, usd_per_day=Decimal(10), tokens_per_minute=100_000) as one:
        under_way = await hold(one)
        await server.kill()
        before = await let_in(one)
        after = newer(one, usd_per_day=Decimal(20), usd_per_month=Decimal(1_000), tokens_per_minute=200_000)
        more = await let_in(after)
        one.settle("alice", under_way, None, now())
        freed = await let_in(after)
        await server.start()
        await until(lambda: not after.is_away)
        purse = after["alice"].purses[0]
        await until(lambda: purse.held == before + more + freed)

    assert (before, more, freed) == (4, 5, 1)


def known_alice(settings: Settings, server: RedisServer, folder: Path, grant: CallerSettings) -> tuple[str, Settings]:
    """Return alice's key, and settings of a stack over this Redis that knows it and grants her this."""
    key, file = keys.make(), folder / "keys.jsonl"
    with keys.changing(file) as known:
        known.append(keys.record(key, caller="alice", created=CLOCK.now()))
    return key, replace(
        settings,
        ledger=replace(settings.ledger, url=server.url, timeout_s=2.0),
        router=replace(settings.router, keys=str(file)),
        callers={"alice": grant},
    )


async def test_two_stacks_over_one_redis_let_a_caller_in_as_often_as_one(
    settings: Settings, server: RedisServer, tmp_path: Path
) -> None:
    key, changed = known_alice(settings, server, tmp_path, CallerSettings(requests_per_minute=3))
    refused = 0
    async with running(changed, clock=CLOCK) as one, running(changed, clock=CLOCK) as two:
        for stack in (one, two, one, two, one):
            async with Client(stack.router.address, api_key=key) as client:
                try:
                    await client.route("2+2?", category="quick")
                except CallerOverLimit as error:
                    refused += error.reason == "CALLER_OVER_RATE"

    assert refused == 2


async def test_a_running_stack_takes_up_what_a_caller_may_though_it_shares_a_redis(
    settings: Settings, server: RedisServer, tmp_path: Path
) -> None:
    key, few = known_alice(settings, server, tmp_path, CallerSettings(requests_per_minute=1))
    more = replace(few, callers={"alice": CallerSettings(requests_per_minute=2, usd_per_day=100.0)})
    prepares: list[Prepare] = []
    async with (
        running(few, clock=CLOCK, on_reload=prepares.append) as stack,
        Client(stack.router.address, api_key=key) as client,
    ):
        await client.route("2+2?", category="quick")
        with pytest.raises(CallerOverLimit):
            await client.route("2+2?", category="quick")

        for commit in [await prepare(revise(few, more).settings) for prepare in prepares]:
            commit()

        await client.route("2+2?", category="quick")
        with pytest.raises(CallerOverLimit):
            await client.route("2+2?", category="quick")
