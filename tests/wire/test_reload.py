"""Settings that change while services run: new calls go by the new ones, calls under way end as they began."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.rehearsal import overrides
from pointsman.cli.stack import Stack
from pointsman.config import Settings, load, settings_hash
from pointsman.config.revision import Prepare
from pointsman.config.settings import CategorySettings, PoolSettings, QuotaSettings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.simulator import scenarios
from pointsman.simulator.faults import Fault
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from pointsman.v1 import types_pb2
from pointsman_client import Client, InvalidRequest
from tests.fakes.command import Running, pointsman_running
from tests.fakes.hops import running

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
SOON_S = 20.0
"""Far more than the two seconds in which a change of the file is seen."""


class Reloadable:
    """A running stack and what takes newer settings up in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.prepares: list[Prepare] = []

    async def take_up(self, **changed: Any) -> None:  # noqa: ANN401 - any section of the settings
        """Take up the settings with these changed."""
        newer = replace(self.settings, **changed)
        for commit in [await prepare(newer) for prepare in self.prepares]:
            commit()
        self.settings = newer


@pytest.fixture
def reloadable(settings: Settings) -> Reloadable:
    return Reloadable(settings)


@pytest.fixture
async def stack(reloadable: Reloadable) -> AsyncIterator[Stack]:
    async with running(reloadable.settings, clock=SystemClock(), on_reload=reloadable.prepares.append) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with Client(stack.router.address, timeout_s=30) as client:
        yield client


def quick(*candidates: str) -> dict[str, PoolSettings]:
    return {"quick": PoolSettings(candidates=candidates)}


async def test_another_order_of_a_pool_is_asked_from_the_next_call_on(reloadable: Reloadable, client: Client) -> None:
    before = await client.route("hi", category="quick")
    pools = reloadable.settings.pools | quick("anthropic/claude-haiku", "gemini/gemini-flash")

    await reloadable.take_up(pools=pools)
    after = await client.route("hi", category="quick")

    assert (before.candidate, after.candidate) == ("gemini/gemini-flash", "anthropic/claude-haiku")


async def test_explain_tells_the_hash_of_what_is_in_force(reloadable: Reloadable, client: Client) -> None:
    await reloadable.take_up(pools=reloadable.settings.pools | quick("anthropic/claude-haiku"))

    explanation = await client.explain("hi", category="quick")

    assert explanation.response.plan.settings_hash == settings_hash(reloadable.settings)
    assert explanation.candidates == ("anthropic/claude-haiku",)


async def test_a_call_under_way_goes_on_with_what_it_began_with(
    reloadable: Reloadable, client: Client, simulation: Simulation
) -> None:
    simulation.script("gemini-3.8-flash", Fault.SILENCE)
    impatient = replace(reloadable.settings.executor, attempt_timeout_s=1.0)
    await reloadable.take_up(executor=impatient)
    asking = asyncio.ensure_future(client.route("hi", category="quick"))
    while not simulation.tallies.total.in_flight:
        await asyncio.wait({asking}, timeout=0.01)

    await reloadable.take_up(pools=reloadable.settings.pools | quick("gemini/gemini-flash"))
    answer = await asking

    assert answer.candidate == "anthropic/claude-haiku"


async def test_a_call_under_way_keeps_its_connection_whatever_the_next_settings_but_one_do_to_its_provider(
    reloadable: Reloadable, client: Client, simulation: Simulation
) -> None:
    simulation.script("gemini-3.8-flash", Fault.SILENCE)
    await reloadable.take_up(executor=replace(reloadable.settings.executor, attempt_timeout_s=1.0))
    asking = asyncio.ensure_future(client.route("hi", category="quick"))
    while not simulation.tallies.total.in_flight:
        await asyncio.wait({asking}, timeout=0.01)
    moved = replace(reloadable.settings.providers["gemini"], base_url="http://127.0.0.1:1")

    await reloadable.take_up(pools=reloadable.settings.pools | quick("gemini/gemini-flash"))
    await reloadable.take_up(providers=reloadable.settings.providers | {"gemini": moved})
    answer = await asking

    attempts = [step.attempt.outcome for step in answer.response.trail.steps if step.HasField("attempt")]
    assert attempts == [types_pb2.OUTCOME_TIMED_OUT, types_pb2.OUTCOME_ANSWERED]


async def test_a_provider_elsewhere_is_asked_there_and_the_old_one_no_more(
    reloadable: Reloadable, client: Client, simulation: Simulation
) -> None:
    await client.route("hi", category="quick")
    asked_before = simulation.tallies.total.calls
    async with serve(scenarios.INSTANT, clock=SystemClock(), seed=2) as elsewhere:
        moved = replace(reloadable.settings.providers["gemini"], base_url=elsewhere.base_urls["gemini"])
        await reloadable.take_up(providers=reloadable.settings.providers | {"gemini": moved})
        answer = await client.route("hi", category="quick")

        assert answer.candidate == "gemini/gemini-flash"
        assert (simulation.tallies.total.calls, elsewhere.tallies.total.calls) == (asked_before, 1)


async def test_quota_that_was_used_is_remembered_and_a_raised_limit_holds_at_once(
    reloadable: Reloadable, client: Client
) -> None:
    groups = reloadable.settings.groups
    await reloadable.take_up(groups=groups | {"gemini-flash": QuotaSettings(requests_per_minute=2)})
    used = [(await client.route("hi", category="quick")).candidate for _ in range(2)]

    await reloadable.take_up(executor=replace(reloadable.settings.executor, max_attempts=3))
    over = (await client.route("hi", category="quick")).candidate
    await reloadable.take_up(groups=groups | {"gemini-flash": QuotaSettings(requests_per_minute=3)})
    raised = [(await client.route("hi", category="quick")).candidate for _ in range(2)]

    assert used == ["gemini/gemini-flash"] * 2
    assert over == "anthropic/claude-haiku"
    assert raised == ["gemini/gemini-flash", "anthropic/claude-haiku"]


async def test_a_category_that_is_added_can_be_asked_for(reloadable: Reloadable, client: Client) -> None:
    with pytest.raises(InvalidRequest):
        await client.route("hi", category="legal")
    examples = ("Is this contract valid?", "Can my landlord do this?", "What is a tort?", "May I sue my neighbour?")
    added = {"legal": CategorySettings(description="questions of law", examples=examples)}

    await reloadable.take_up(
        classifier=replace(reloadable.settings.classifier, categories=added),
        pools=reloadable.settings.pools | {"legal": PoolSettings(candidates=("openai/gpt-4",))},
    )
    told = await client.route("hi", category="legal")
    ruled = await client.explain("Can my landlord keep the deposit?")

    assert told.candidate == "openai/gpt-4"
    assert "legal" in {each.category for each in ruled.response.verdict.probabilities}


async def test_the_small_model_is_asked_once_the_settings_say_so_and_not_when_they_do_not(
    reloadable: Reloadable, client: Client
) -> None:
    embedded = reloadable.settings.classifier
    # Three answers that are late by a busy machine would silence the small model for fifteen seconds.
    unhurried = replace(embedded.ollama, timeout_s=SOON_S)
    cascade = replace(embedded, mode="cascade", accept_confidence=1.0, ollama=unhurried)
    hops = list[int]()

    await reloadable.take_up(
        classifier=cascade, router=replace(reloadable.settings.router, classifier_timeout_s=SOON_S)
    )
    async with asyncio.timeout(SOON_S):
        while types_pb2.MODEL_HOP_ANSWERED not in hops:
            explained = await client.explain(f"What is the capital of Australia? {len(hops)}")
            hops.append(explained.response.verdict.model_hop)
            await asyncio.sleep(0.05)  # noqa: TID251 - the small model is brought up in real time
    await reloadable.take_up(classifier=embedded)
    back = await client.explain("What is the capital of Austria?")

    assert back.response.verdict.model_hop == types_pb2.MODEL_HOP_SWITCHED_OFF


async def test_a_fallback_can_be_taken_away_and_given_back(
    reloadable: Reloadable, client: Client, simulation: Simulation
) -> None:
    fallback, pools = reloadable.settings.fallback, reloadable.settings.pools
    await reloadable.take_up(fallback=replace(fallback, candidate=""), pools=pools | quick("gemini/gemini-flash"))
    without = await client.explain("hi", category="quick")

    await reloadable.take_up(fallback=fallback)
    simulation.down("gemini")
    answer = await client.route("hi", category="quick")

    assert not without.response.plan.HasField("fallback")
    assert answer.local


async def test_limits_of_a_request_hold_from_the_next_one_on(reloadable: Reloadable, client: Client) -> None:
    await client.route("a" * 200, category="quick")

    await reloadable.take_up(limits=replace(reloadable.settings.limits, text_bytes=100))

    with pytest.raises(InvalidRequest, match="send at most 100"):
        await client.route("a" * 200, category="quick")


async def test_a_model_of_which_too_little_is_known_is_refused_before_anything_changes(
    reloadable: Reloadable, client: Client
) -> None:
    before = reloadable.settings
    unknown = replace(before.candidates["openai/gpt-4"], model="nobody-knows")

    with pytest.raises(SettingsError, match="facts"):
        await reloadable.take_up(candidates=before.candidates | {"openai/gpt-4": unknown})

    explanation = await client.explain("hi", category="quick")
    assert explanation.response.plan.settings_hash == settings_hash(before)


# --- As processes, which find each other over the wire or within, whatever this test run does


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "pointsman.toml"
    copy.write_bytes(REFERENCE.read_bytes())
    return copy


@pytest.fixture
def rewrite(file: Path) -> Callable[[str, str], None]:
    def replaced(old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        another = file.with_suffix(".new")
        another.write_text(text.replace(old, new, 1))
        another.replace(file)

    return replaced


def environment(simulation: Simulation) -> dict[str, str]:
    """Return what points a service at the simulated world, and at free ports."""
    return overrides(load(REFERENCE, environ={}), simulation.base_urls) | {
        "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__CLASSIFIER__MODE": "embedded",
        "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
    }


@asynccontextmanager
async def up(file: Path, simulation: Simulation, *command: str) -> AsyncIterator[Running]:
    """Start a service from the file."""
    arguments = (*command, "--json", "--config", str(file))
    async with pointsman_running(*arguments, environment=environment(simulation)) as process:
        yield process


async def candidates(client: Client) -> tuple[str, ...]:
    """Return where a quick prompt would go."""
    return (await client.explain("hi", category="quick")).candidates


OTHER_ORDER = (
    'candidates = ["gemini/gemini-flash", "anthropic/claude-haiku"]',
    'candidates = ["anthropic/claude-haiku", "gemini/gemini-flash"]',
)


@pytest.mark.one_way
async def test_a_file_that_is_replaced_is_taken_up_and_a_broken_one_is_not(
    file: Path, rewrite: Callable[[str, str], None], simulation: Simulation
) -> None:
    async with up(file, simulation, "up") as process:
        address = (await process.json_line())["addresses"]["router"]
        async with Client(address) as client:
            rewrite(*OTHER_ORDER)
            await process.said("settings.reloaded")
            taken_up = await candidates(client)
            rewrite("[router] ", "[rooter] ")
            process.tell(signal.SIGHUP)
            await process.said("settings.refused")
            kept = await candidates(client)
            rewrite("[rooter] ", "[router] ")
            rewrite(*reversed(OTHER_ORDER))
            process.tell(signal.SIGHUP)
            await process.said("settings.reloaded")
            back = await candidates(client)
        process.tell(signal.SIGTERM)
        finished = await process.end()

    assert taken_up == kept == ("anthropic/claude-haiku", "gemini/gemini-flash")
    assert back == ("gemini/gemini-flash", "anthropic/claude-haiku")
    assert finished.code == 0


@pytest.mark.one_way
@pytest.mark.parametrize("room", ["router", "classifier", "executor"])
async def test_each_service_alone_reads_its_settings_again_when_it_is_told_to(
    room: str, file: Path, rewrite: Callable[[str, str], None], simulation: Simulation
) -> None:
    async with up(file, simulation, "serve", room) as process:
        await process.json_line()
        rewrite(*OTHER_ORDER)
        process.tell(signal.SIGHUP)
        await process.said("settings.reloaded")
        process.tell(signal.SIGTERM)
        finished = await process.end()

    assert finished.code == 0


@pytest.mark.one_way
async def test_a_terminal_that_is_closed_stops_what_was_started_on_it(file: Path, simulation: Simulation) -> None:
    terminal, its_end = os.openpty()
    on_it = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    command = ("-m", "pointsman", "up", "--json", "--config", str(file))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", on_it, os.ttyname(its_end), *command),
        env=environment(simulation) | {"POINTSMAN__JOURNAL__URL": ""},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    os.close(its_end)
    assert process.stdout
    await process.stdout.readline()
    os.close(terminal)
    async with asyncio.timeout(SOON_S):
        await process.communicate()

    assert process.returncode == 0
