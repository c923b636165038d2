"""Each service is stopped and started again under load: no caller loses a call, and nobody is called twice for one."""

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from pointsman.cli.rehearsal import overrides
from pointsman.config import load
from pointsman.domain.clock import SystemClock
from pointsman.simulator import scenarios
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from pointsman_client import Client, RouteError
from tests.fakes.command import Running, pointsman_running
from tests.fakes.health import SERVING, status
from tests.fakes.ports import free_port

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
ROOMS = ("executor", "classifier", "router")
CALLERS = 8
BUSY_S = 0.5
"""How long the load goes on before a stop."""

CLOCK = SystemClock()
NUMBERS = itertools.count()
"""What makes each prompt a new one, of all tests."""


class Services:
    """The three as processes on ports that stay, each of which can be started again."""

    def __init__(self, stack: AsyncExitStack, simulation: Simulation) -> None:
        self._stack = stack
        self.places = {room: f"127.0.0.1:{free_port()}" for room in ROOMS}
        self._environment = overrides(load(REFERENCE, environ={}), simulation.base_urls) | {
            "POINTSMAN_CONFIG": str(REFERENCE),
            "POINTSMAN__CLASSIFIER__MODE": "embedded",
            "POINTSMAN__ROUTER__EXECUTOR_PATIENCE_S": "50",
            "POINTSMAN__ROUTER__CLASSIFIER_ADDRESS": self.places["classifier"],
            "POINTSMAN__ROUTER__EXECUTOR_ADDRESS": self.places["executor"],
            **{f"POINTSMAN__{room.upper()}__ADDRESS": place for room, place in self.places.items()},
            # The reference limits would stop the load within seconds.
            **{
                f"POINTSMAN__GROUPS__{group}__{key}": "1_000_000_000"
                for group in ("CLAUDE_OPUS", "CLAUDE_SONNET", "CLAUDE_HAIKU", "GEMINI_FLASH")
                for key in (
                    "REQUESTS_PER_MINUTE",
                    "INPUT_TOKENS_PER_MINUTE",
                    "OUTPUT_TOKENS_PER_MINUTE",
                    "REQUESTS_PER_DAY",
                )
            },
        }
        self._running: dict[str, Running] = {}

    async def start(self, room: str) -> None:
        """Start a service, and return when it listens."""
        process = pointsman_running("serve", room, "--json", environment=self._environment)
        self._running[room] = await self._stack.enter_async_context(process)
        await self._running[room].json_line()

    async def stop(self, room: str, sign: signal.Signals = signal.SIGTERM) -> int:
        """Stop a service and return how it ended."""
        self._running[room].tell(sign)
        return (await self._running[room].end()).code


class Load:
    """Callers who ask one thing after the other, each something new."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.answered = 0
        self.failures: list[tuple[str, str]] = []
        self.ruled = Counter[str]()
        self._is_over = False

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(self._stream_on() if number % 4 == 0 else self._ask_on())
            yield
            self._is_over = True

    async def goes_on(self) -> None:
        """Return when as many calls more were answered as there are callers, twice."""
        wanted = self.answered + 2 * CALLERS
        async with asyncio.timeout(60):
            while self.answered < wanted:
                await CLOCK.sleep(0.02)

    async def _ask_on(self) -> None:
        while not self._is_over:
            try:
                answer = await self._client.route(f"What is {next(NUMBERS)} plus one?", timeout_s=60)
            except RouteError as error:
                self.failures.append((error.reason, error.message))
            else:
                self.answered += 1
                self.ruled["degraded" if answer.degraded else "whole"] += 1

    async def _stream_on(self) -> None:
        while not self._is_over:
            try:
                async with self._client.stream(f"Tell of {next(NUMBERS)} ships.", timeout_s=60) as stream:
                    _ = [text async for text in stream]
            except RouteError as error:
                self.failures.append((error.reason, error.message))
            else:
                assert stream.end
                if stream.end.partial:
                    self.failures.append(("PARTIAL", ""))
                self.answered += 1


@pytest.fixture(scope="module")
async def calm() -> AsyncIterator[Simulation]:
    """Yield providers who take as long as real ones that are quick, so that calls are under way at any moment."""
    async with serve(scenarios.CALM, clock=SystemClock(), seed=1) as simulation:
        yield simulation


@pytest.fixture(scope="module")
async def services(calm: Simulation) -> AsyncIterator[Services]:
    """Yield the three once for all tests, each of which leaves them running."""
    async with AsyncExitStack() as stack:
        services = Services(stack, calm)
        await asyncio.gather(*map(services.start, ROOMS))
        yield services


@pytest.mark.timeout(180)
@pytest.mark.parametrize("room", ROOMS)
async def test_a_restart_under_load_costs_no_call(room: str, services: Services, calm: Simulation) -> None:
    async with Client(services.places["router"]) as client:
        await client.route("Are you there?", timeout_s=60)
        before = calm.tallies.total.calls
        load = Load(client)
        async with load.under_way():
            await CLOCK.sleep(BUSY_S)
            code = await services.stop(room)
            await services.start(room)
            await load.goes_on()

    assert load.failures == []
    assert code == 0
    # Each answer is one call: nothing was asked twice, and nothing was asked in vain.
    assert calm.tallies.total.calls - before == load.answered


@pytest.mark.timeout(120)
async def test_a_killed_executor_is_missed_by_those_whose_calls_it_had_and_by_nobody_else(
    services: Services, calm: Simulation
) -> None:
    async with Client(services.places["router"]) as client:
        await client.route("Are you there?", timeout_s=60)
        before = calm.tallies.total.calls
        load = Load(client)
        async with load.under_way():
            while calm.tallies.total.in_flight < 2:
                await CLOCK.sleep(0.01)
            await services.stop("executor", signal.SIGKILL)
            lost = calm.tallies.total.calls - before
            await services.start("executor")
            await load.goes_on()

    assert lost
    assert {reason for reason, _ in load.failures} <= {"EXECUTOR_DOWN", "PARTIAL"}
    assert 0 < len(load.failures) <= CALLERS
    assert calm.tallies.total.calls - before <= load.answered + len(load.failures)


@pytest.mark.timeout(120)
async def test_health_is_true_of_three_processes_that_come_and_go(services: Services) -> None:
    router = services.places["router"]
    told = {room: await status(place) for room, place in services.places.items()}
    await services.stop("executor")
    gone = await status(router, "pointsman.v1.RouterService"), await status(router)
    await services.start("executor")
    async with asyncio.timeout(10):
        while await status(router, "pointsman.v1.RouterService") != SERVING:
            pass

    assert set(told.values()) == {SERVING}
    assert gone[0] != SERVING
    assert gone[1] == SERVING
