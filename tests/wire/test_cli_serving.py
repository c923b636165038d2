"""`pointsman up`, `serve` and `simulate`: processes that serve until they are told to stop, and stop in good order."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import grpc
import pytest

from pointsman.cli.rehearsal import overrides
from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.simulator import scenarios
from pointsman.simulator.faults import Fault
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from pointsman_client import Client, InvalidRequest, NoCredentials
from tests.fakes.command import pointsman, pointsman_running

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"

ANY_PORTS = {
    "POINTSMAN_CONFIG": str(REFERENCE),
    "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__CLASSIFIER__MODE": "embedded",
    "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
}
NO_OLLAMA = {"POINTSMAN__PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:1"}


def over(settings: Settings, simulation: Simulation) -> dict[str, str]:
    """Return the environment of a stack over the simulated world."""
    return ANY_PORTS | overrides(settings, simulation.base_urls)


@pytest.fixture
def environment(settings: Settings, simulation: Simulation) -> dict[str, str]:
    return over(settings, simulation)


@pytest.mark.parametrize("options", [(), ("--over-the-wire",)], ids=["within the process", "over the wire"])
async def test_up_serves_all_three_and_stops_on_sigterm(environment: dict[str, str], options: tuple[str, ...]) -> None:
    async with pointsman_running("up", "--json", *options, environment=environment) as up:
        told = await up.json_line()
        async with Client(told["addresses"]["router"]) as client:
            answer = await client.route("2+2는?")
        up.tell(signal.SIGTERM)
        finished = await up.end()

    assert answer.simulated
    assert set(told["addresses"]) == {"router", "classifier", "executor"}
    assert told["can_answer"] is True
    assert told["missing"] == []
    assert finished.code == 0
    assert "Stopping: calls under way get up to 30 s" in finished.err
    assert "Traceback" not in finished.err


async def test_up_tells_people_where_it_listens_and_that_it_is_simulated(environment: dict[str, str]) -> None:
    async with pointsman_running("up", environment=environment) as up:
        lines = [await up.line() for _ in range(9)]
        up.tell(signal.SIGINT)
        finished = await up.end()

    shown = "".join(lines)
    assert shown.startswith("Pointsman is up, settings ")
    assert "  router      127.0.0.1:" in shown
    assert "SIMULATED: what anthropic, gemini, openai, deepseek, moonshot, local answer is invented." in shown
    assert "Ready to be called: anthropic/claude-opus" in shown
    assert finished.code == 0


async def test_a_call_under_way_is_answered_after_the_signal(settings: Settings) -> None:
    async with (
        serve(scenarios.CALM, clock=SystemClock(), seed=1) as simulation,
        pointsman_running("up", "--json", environment=over(settings, simulation)) as up,
    ):
        told = await up.json_line()
        async with Client(told["addresses"]["router"]) as client:
            asking = asyncio.ensure_future(client.route("hi", category="quick"))
            while not simulation.tallies.total.in_flight:
                await asyncio.wait({asking}, timeout=0.01)
            up.tell(signal.SIGTERM)
            answer = await asking
        finished = await up.end()

    assert answer.text
    assert finished.code == 0


async def test_a_second_signal_stops_at_once(environment: dict[str, str], simulation: Simulation) -> None:
    simulation.script("gemini-3.8-flash", Fault.SILENCE)
    async with pointsman_running("up", "--json", environment=environment) as up:
        told = await up.json_line()
        async with Client(told["addresses"]["router"]) as client:
            asking = asyncio.ensure_future(client.route("hi", category="quick"))
            while not simulation.tallies.total.in_flight:
                await asyncio.wait({asking}, timeout=0.01)
            up.tell(signal.SIGINT)
            await asyncio.wait({asking}, timeout=0.2)
            up.tell(signal.SIGINT)
            finished = await up.end()
            asking.cancel()
            await asyncio.wait({asking})

    assert finished.code == -signal.SIGINT


async def test_without_any_model_up_starts_all_the_same_and_says_what_to_do() -> None:
    async with pointsman_running("up", "--json", environment=ANY_PORTS | NO_OLLAMA) as up:
        told = await up.json_line()
        async with Client(told["addresses"]["router"]) as client:
            with pytest.raises(NoCredentials) as raised:
                await client.route("hi", category="coding")

    lacks = {lack["missing"]: lack["advice"] for lack in told["missing"]}
    assert told["can_answer"] is False
    assert "console.anthropic.com" in lacks["ANTHROPIC_API_KEY is not set"]
    assert "ollama serve" in lacks["no Ollama at http://127.0.0.1:1"]
    assert raised.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "ANTHROPIC_API_KEY" in raised.value.message


async def test_without_any_model_up_shows_people_the_list() -> None:
    async with pointsman_running("up", environment=ANY_PORTS | NO_OLLAMA) as up:
        shown = "".join([await up.line() for _ in range(20)])

    assert "No model can answer yet" in shown
    assert "ANTHROPIC_API_KEY is not set (for anthropic/claude-opus, anthropic/claude-sonnet" in shown
    assert "→ export ANTHROPIC_API_KEY=… with a key from https://console.anthropic.com" in shown
    assert "Keys are read at the start" in shown


async def test_the_three_services_find_each_other_as_three_processes(environment: dict[str, str]) -> None:
    async with (
        pointsman_running("serve", "executor", "--json", environment=environment) as executor,
        pointsman_running("serve", "classifier", "--json", environment=environment) as classifier,
    ):
        peers = {
            "POINTSMAN__ROUTER__EXECUTOR_ADDRESS": (await executor.json_line())["addresses"]["executor"],
            "POINTSMAN__ROUTER__CLASSIFIER_ADDRESS": (await classifier.json_line())["addresses"]["classifier"],
        }
        async with pointsman_running("serve", "router", "--json", environment=environment | peers) as router:
            told = await router.json_line()
            async with Client(told["addresses"]["router"]) as client:
                answer = await client.route("Reverse a list in Python.")
            for process in (router, classifier, executor):
                process.tell(signal.SIGTERM)
            codes = [(await process.end()).code for process in (router, classifier, executor)]

    assert answer.simulated
    assert not answer.degraded
    assert codes == [0, 0, 0]


async def test_a_router_alone_refuses_what_is_wrong_by_itself() -> None:
    async with pointsman_running("serve", "router", "--json", environment=ANY_PORTS) as router:
        address = (await router.json_line())["addresses"]["router"]
        async with Client(address) as client:
            with pytest.raises(InvalidRequest):
                await client.route(" ")


@pytest.mark.parametrize("arguments", [("up",), ("serve", "router")], ids=["up", "serve"])
async def test_a_port_in_use_stops_the_start_with_one_line(arguments: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        finished = await pointsman(*arguments, environment=ANY_PORTS | {"POINTSMAN__ROUTER__ADDRESS": address})

    assert finished.code == 2
    assert f"pointsman: cannot listen on {address}: it is in use" in finished.err
    assert "with a new address for the router goes --address or $POINTSMAN_ROUTER of `route`" in finished.err
    assert "Traceback" not in finished.err


async def test_all_ports_that_are_taken_are_named_at_once(stack: Stack) -> None:
    held = {f"POINTSMAN__{room.upper()}__ADDRESS": address for room, address in stack.addresses.items()}

    finished = await pointsman("up", environment=ANY_PORTS | held)

    assert f"cannot listen on {stack.executor.address}" in finished.err
    others = f"router.address {stack.router.address}, classifier.address {stack.classifier.address}"
    assert f"\ntaken too: {others}\n" in finished.err
    assert "goes router.executor_address, where the Router is served alone" in finished.err


@pytest.mark.parametrize("arguments", [("up",), ("serve", "executor")], ids=["up", "serve"])
async def test_a_port_that_a_pointsman_holds_is_told_from_others(arguments: tuple[str, ...], stack: Stack) -> None:
    held = {"POINTSMAN__EXECUTOR__ADDRESS": stack.executor.address}

    finished = await pointsman(*arguments, environment=ANY_PORTS | held)

    assert finished.code == 2
    assert "a running Pointsman holds it" in finished.err
    assert finished.err.endswith(f"-m pointsman pools --address {stack.executor.address}\n")


async def test_the_demo_beside_a_running_pointsman_names_the_way_around(stack: Stack) -> None:
    held = {"POINTSMAN__EXECUTOR__ADDRESS": stack.executor.address}

    finished = await pointsman("demo", environment=ANY_PORTS | held)

    assert finished.code == 2
    assert "a running Pointsman holds it" in finished.err
    assert finished.err.endswith("-m pointsman demo --once\n")


async def test_on_a_terminal_the_log_comes_after_the_words_for_people() -> None:
    terminal, its_end = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pointsman",
        "up",
        env=ANY_PORTS | NO_OLLAMA | {"POINTSMAN__JOURNAL__URL": ""},
        stdout=its_end,
        stderr=its_end,
    )
    os.close(its_end)
    shown = b""
    while b"RouterService" not in shown:
        shown += await asyncio.to_thread(os.read, terminal, 4_096)
    process.kill()
    await process.wait()
    os.close(terminal)

    assert shown.startswith((b"\x1b[1mPointsman is up", b"Pointsman is up"))
    assert shown.index(b"Ctrl-C stops it.") < shown.index(b"server.started")


@pytest.mark.parametrize(
    "change, says",
    [
        pytest.param({"POINTSMAN_CONFIG": "/nowhere.toml"}, "/nowhere.toml does not exist", id="no file"),
        pytest.param({"POINTSMAN__ROUTER__ADRESS": "x"}, "did you mean 'address'", id="unknown key"),
        pytest.param({"POINTSMAN__ROUTER__GRACE_S": "soon"}, "must be a number", id="wrong type"),
        pytest.param({"POINTSMAN__ROUTER__ADDRESS": "0.0.0.0:0"}, "use 127.0.0.1", id="the open network"),
    ],
)
async def test_settings_that_cannot_be_used_stop_the_start_with_2(change: dict[str, str], says: str) -> None:
    finished = await pointsman("up", environment=ANY_PORTS | change)

    assert finished.code == 2
    assert says in finished.err
    assert "Traceback" not in finished.err


async def test_simulate_says_that_it_invents_and_how_to_use_it() -> None:
    kept = ANY_PORTS | {"POINTSMAN__JOURNAL__URL": "sqlite:///journal.sqlite"}
    async with pointsman_running("simulate", "--port", "0", environment=kept) as simulate:
        shown = "".join([await simulate.line() for _ in range(25)])
        simulate.tell(signal.SIGTERM)
        finished = await simulate.end()

    assert shown.startswith("Everything that answers here is INVENTED")
    assert "export POINTSMAN__PROVIDERS__ANTHROPIC__BASE_URL=http://127.0.0.1:" in shown
    assert "export POINTSMAN__JOURNAL__URL=sqlite:///simulated.sqlite" in shown
    assert "export POINTSMAN__CLASSIFIER__OLLAMA__URL=http://127.0.0.1:" in shown
    assert finished.code == 0


async def test_a_stack_started_with_what_simulate_printed_answers_from_it() -> None:
    async with pointsman_running(
        "simulate", "--port", "0", "--scenario", "instant", "--json", environment=ANY_PORTS
    ) as simulate:
        printed = await simulate.json_line()
        async with pointsman_running("up", "--json", environment=ANY_PORTS | printed["environment"]) as up:
            told = await up.json_line()
            async with Client(told["addresses"]["router"]) as client:
                answer = await client.route("hi", category="coding")

    assert printed["simulated"] is True
    assert answer.simulated
    assert answer.text.startswith("[simulated claude-sonnet-5-5]")


async def test_simulate_on_a_taken_port_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        finished = await pointsman("simulate", "--port", port, environment=ANY_PORTS)

    assert finished.code == 2
    assert f"cannot listen on port {port}" in finished.err
    assert "choose another with --port" in finished.err
