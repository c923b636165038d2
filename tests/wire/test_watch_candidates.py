"""WatchCandidates over real gRPC: all states at first, then those that change."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from pointsman.cli.executor import CandidateLine, reaching
from pointsman.cli.stack import Stack
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from pointsman_client import Client

PREFERRED = "anthropic/claude-sonnet"


async def until_wasted(lines: AsyncIterator[CandidateLine]) -> CandidateLine:
    return await anext(line async for line in lines if line.wasted_today)


async def test_a_wasted_call_is_told_of_with_the_cooldown_that_followed(stack: Stack, simulation: Simulation) -> None:
    simulation.script("claude-sonnet-5-5", Fault.MINUTE_LIMIT)
    async with reaching(stack.executor.address) as executor, Client(stack.router.address) as client:
        async with aclosing(executor.watch_candidates("coding")) as listings:
            first = await anext(listings)
            answer = await client.route("Reverse a list in Python.", category="coding")

            told = await until_wasted(line async for listing in listings for line in listing.candidates)
        listed = (await executor.list_candidates("coding")).candidates[0]

    assert [line.wasted_today for line in first.candidates] == [0, 0, 0]
    assert answer.candidate == "deepseek/deepseek-coder"
    assert (told.id, told.wasted_today, told.availability, told.reason) == (PREFERRED, 1, "waiting", "cooling")
    assert (listed.id, listed.wasted_today) == (PREFERRED, 1)
