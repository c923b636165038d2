"""WatchActivity over real gRPC: what the last minute looked like, at once and again after each interval."""

from contextlib import aclosing

import pytest

from pointsman.cli.executor import ActivityNews, reaching
from pointsman.cli.stack import Stack
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import InvalidRequest
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from pointsman.v1 import types_pb2
from pointsman_client import Client

SOON_S = 0.1


async def told(stack: Stack) -> ActivityNews:
    async with reaching(stack.executor.address) as executor, aclosing(executor.watch_activity(SOON_S)) as arriving:
        return await anext(arriving)


async def test_before_anything_was_asked_there_are_zeros_and_no_durations(stack: Stack) -> None:
    news = await told(stack)

    assert (news.last_minute.requests, news.last_minute.cost_usd, news.hops) == (0, 0.0, ())
    assert 0 <= (SystemClock().now() - news.started_at).total_seconds() < 60


async def test_it_counts_what_the_report_counts(stack: Stack, simulation: Simulation) -> None:
    simulation.script("claude-sonnet-5-5", Fault.MINUTE_LIMIT)
    async with Client(stack.router.address) as client, reaching(stack.executor.address) as executor:
        await client.route("Reverse a list in Python.")
        await client.route("Keep this here.", category="quick", options=types_pb2.Options(local_only=True))

        news, total = await told(stack), (await executor.report("", None)).total

    assert news.last_minute == news.since_start
    counts = news.since_start
    assert (counts.requests, counts.answered, counts.answered_locally) == (2, 2, 1)
    assert (counts.attempts, counts.wasted, counts.unproductive) == (total.attempts, total.wasted, total.unproductive)
    assert (counts.wasted, counts.cost_usd) == (1, total.cost_usd)
    assert sum(news.by_second) == 2


async def test_each_hop_that_a_request_took_has_its_durations(stack: Stack) -> None:
    async with Client(stack.router.address) as client:
        await client.route("Reverse a list in Python.")
        await client.route("hi", category="quick")

    news = await told(stack)

    assert {hop.hop: hop.count for hop in news.hops} == {"classify": 1, "queue": 2, "provider": 2, "execute": 2}
    assert all(0 <= hop.p50_s <= hop.p95_s < 60 for hop in news.hops)


async def test_it_is_told_again_with_what_happened_meanwhile(stack: Stack) -> None:
    async with (
        Client(stack.router.address) as client,
        reaching(stack.executor.address) as executor,
        aclosing(executor.watch_activity(SOON_S)) as arriving,
    ):
        first = await anext(arriving)
        await client.route("hi", category="quick")
        later = await anext(news async for news in arriving if news.since_start.requests)

    assert (first.since_start.requests, later.since_start.requests) == (0, 1)


@pytest.mark.parametrize("interval_s", [-1.0, 0.0, 0.099, 60.001])
async def test_an_interval_that_is_too_short_or_too_long_is_refused(interval_s: float, stack: Stack) -> None:
    async with reaching(stack.executor.address) as executor, aclosing(executor.watch_activity(interval_s)) as arriving:
        with pytest.raises(InvalidRequest, match=r"interval of .* is not possible; send 0\.1 s to 60 s") as refused:
            await anext(arriving)

    assert [violation.reason for violation in refused.value.violations] == ["INTERVAL_INVALID"]
