"""SIGTERM to real processes: what is under way ends, what was asked is written down, and who watches holds nothing."""

import asyncio
import signal
import sqlite3
from pathlib import Path

import pytest

from pointsman.cli.rehearsal import overrides
from pointsman.config import load
from pointsman.domain.clock import SystemClock
from pointsman.simulator import scenarios
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from pointsman_client import Client, Unreachable
from tests.fakes.command import pointsman_running

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
FAR_BELOW_THE_GRACE_S = 15.0


def environment(simulation: Simulation, **more: str) -> dict[str, str]:
    return overrides(load(REFERENCE, environ={}), simulation.base_urls) | {
        "POINTSMAN_CONFIG": str(REFERENCE),
        "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__CLASSIFIER__MODE": "embedded",
        "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__EXECUTOR__GRACE_S": "60",
        **more,
    }


async def test_an_open_top_and_a_watched_list_hold_no_stop(simulation: Simulation) -> None:
    async with pointsman_running("up", "--json", environment=environment(simulation)) as up:
        address = (await up.json_line())["addresses"]["executor"]
        async with (
            pointsman_running("top", "--json", "--address", address) as top,
            pointsman_running("pools", "--watch", "--json", "--address", address) as pools,
        ):
            await asyncio.gather(top.line(), pools.line())
            up.tell(signal.SIGTERM)
            async with asyncio.timeout(FAR_BELOW_THE_GRACE_S):
                finished = await up.end()
            away = await top.line()

    assert finished.code == 0
    assert away


async def test_calls_and_streams_under_way_are_answered_and_later_ones_refused() -> None:
    async with (
        serve(scenarios.CALM, clock=SystemClock(), seed=1) as calm,
        pointsman_running("up", "--json", environment=environment(calm)) as up,
    ):
        address = (await up.json_line())["addresses"]["router"]
        async with Client(address, patience_s=0.0) as client:
            asking = [asyncio.ensure_future(client.route(f"What is {n}?", category="quick")) for n in range(3)]
            async with client.stream("Tell a long story.", category="quick") as stream:
                texts = aiter(stream)
                said = [await anext(texts)]
                while calm.tallies.total.in_flight + sum(each.done() for each in asking) < len(asking):
                    await SystemClock().sleep(0.01)
                up.tell(signal.SIGTERM)
                said += [text async for text in texts]
            answers = await asyncio.gather(*asking)
            with pytest.raises(Unreachable):
                await client.route("too late", category="quick")
        finished = await up.end()

    assert all(answer.text for answer in answers)
    assert stream.end
    assert not stream.end.partial
    assert "".join(said)
    assert finished.code == 0


async def test_a_hang_up_during_a_stop_loses_no_stream() -> None:
    async with (
        serve(scenarios.CALM, clock=SystemClock(), seed=1) as calm,
        pointsman_running("up", "--json", environment=environment(calm)) as up,
    ):
        address = (await up.json_line())["addresses"]["router"]
        async with (
            Client(address, patience_s=0.0) as client,
            client.stream("Tell a story.", category="quick") as stream,
        ):
            texts = aiter(stream)
            await anext(texts)
            up.tell(signal.SIGTERM)
            await anext(texts)
            up.tell(signal.SIGHUP)
            async for _ in texts:
                pass
        finished = await up.end()

    assert stream.end
    assert not stream.end.partial
    assert finished.code == 0


async def test_all_that_was_asked_is_in_the_journal_after_the_stop(simulation: Simulation, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    kept = environment(simulation, POINTSMAN__JOURNAL__URL=f"sqlite:///{journal}")
    async with pointsman_running("up", "--json", environment=kept) as up:
        address = (await up.json_line())["addresses"]["router"]
        async with Client(address) as client:
            await asyncio.gather(*(client.route(f"What is {n}?", category="quick") for n in range(20)))
            up.tell(signal.SIGTERM)
        finished = await up.end()

    (rows,) = sqlite3.connect(journal).execute("SELECT count(*) FROM requests").fetchone()
    assert rows == 20
    assert finished.code == 0
