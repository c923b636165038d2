import asyncio
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest

from pointsman.domain.trail import Outcome
from pointsman.simulator.faults import Fault
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.scenarios import BUSY_HOUR, INSTANT
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.transport import SimulatorTransport
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.unit.simulator.asking import MODELS

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
BODY = {"model": MODELS["openai"], "messages": [{"role": "user", "content": "Name a prime."}]}
HEADERS = {"authorization": "Bearer key"}


def client(world: Simulation, **options: float) -> httpx.AsyncClient:
    timeout = httpx.Timeout(options.get("timeout_s", 60.0))
    return httpx.AsyncClient(transport=SimulatorTransport(world), headers=HEADERS, timeout=timeout)


def url(world: Simulation) -> str:
    return world.base_urls["openai"] + "/chat/completions"


def test_an_answer_comes_through_with_status_headers_and_body() -> None:
    async def main(clock: VirtualClock) -> httpx.Response:
        world = Simulation(INSTANT, clock=clock, seed=1)
        async with client(world) as http:
            return await http.post(url(world), json=BODY)

    response = run_virtual(main, start=START)

    assert response.status_code == 200
    assert response.headers["x-pointsman-simulated"] == "1"
    assert response.json()["choices"][0]["message"]["content"].startswith("[simulated gpt-6.2-sol]")


def test_a_stream_comes_through_in_pieces_over_time() -> None:
    async def main(clock: VirtualClock) -> list[tuple[float, bytes]]:
        world = Simulation(BUSY_HOUR, clock=clock, seed=1)
        async with client(world) as http, http.stream("POST", url(world), json=BODY | {"stream": True}) as response:
            return [(clock.monotonic(), piece) async for piece in response.aiter_raw()]

    pieces = run_virtual(main, start=START)
    instants = [at for at, _ in pieces]

    assert len(pieces) > 10
    assert instants == sorted(instants)
    assert instants[0] == 0.0
    assert 1.0 < instants[-1] < 10.0


@pytest.mark.parametrize(
    "fault, error",
    [
        pytest.param(Fault.RESET, httpx.ReadError, id="reset"),
        pytest.param(Fault.SILENCE, httpx.ReadTimeout, id="silence"),
    ],
)
def test_a_broken_wire_is_the_exception_of_httpx(fault: Fault, error: type[Exception]) -> None:
    async def main(clock: VirtualClock) -> float:
        world = Simulation(INSTANT, clock=clock, seed=1)
        world.script(MODELS["openai"], fault)
        async with client(world, timeout_s=7.0) as http:
            with pytest.raises(error):
                await http.post(url(world), json=BODY)
        return clock.monotonic()

    assert run_virtual(main, start=START) == pytest.approx(7.0 if fault is Fault.SILENCE else 0.0)


def test_a_provider_that_is_down_refuses_the_connection() -> None:
    async def main(clock: VirtualClock) -> None:
        world = Simulation(INSTANT, clock=clock, seed=1)
        world.down("openai")
        async with client(world) as http:
            await http.post(url(world), json=BODY)

    with pytest.raises(httpx.ConnectError):
        run_virtual(main, start=START)


def test_slow_bytes_pass_a_read_timeout_that_counts_from_byte_to_byte() -> None:
    async def main(clock: VirtualClock) -> tuple[int, float]:
        world = Simulation(INSTANT, clock=clock, seed=1)
        world.script(MODELS["openai"], Fault.SLOW_BYTES)
        async with client(world, timeout_s=2.0) as http:
            response = await http.post(url(world), json=BODY)
        return response.status_code, clock.monotonic()

    status, at = run_virtual(main, start=START)

    assert status == 200
    assert at > 10.0


def test_a_body_that_stalls_is_a_read_timeout_and_is_counted_as_abandoned() -> None:
    async def main(clock: VirtualClock) -> int:
        world = Simulation(INSTANT, clock=clock, seed=1)
        world.script(MODELS["openai"], Fault.SLOW_BYTES)
        async with client(world, timeout_s=0.5) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(url(world), json=BODY)
        return world.tallies.total.abandoned

    assert run_virtual(main, start=START) == 1


def hour(scenario: Scenario, requests: int) -> tuple[Counter[int], datetime, Simulation]:
    async def main(clock: VirtualClock) -> tuple[Counter[int], datetime, Simulation]:
        world = Simulation(scenario, clock=clock, seed=1)

        async def one(number: int) -> int:
            await clock.sleep(number * 3_600 / requests)
            return (await http.post(url(world), json=BODY)).status_code

        async with client(world) as http:
            statuses = Counter(await asyncio.gather(*(one(number) for number in range(requests))))
        return statuses, clock.now(), world

    return run_virtual(main, start=START)


def test_an_hour_of_traffic_meets_the_limits_as_computed_by_hand() -> None:
    statuses, ended, world = hour(BUSY_HOUR, 1_800)

    # Ten in the bucket at the start and ten a minute for an hour, the last of them just after the last request.
    assert statuses == {200: 609, 429: 1_191}
    assert world.tallies.total.outcomes == {Outcome.ANSWERED: 609, Outcome.RATE_LIMITED: 1_191}
    assert ended < datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)


def test_nothing_is_left_in_flight_and_no_timer_is_left_behind() -> None:
    _, _, world = hour(BUSY_HOUR, 100)

    assert world.tallies.total.in_flight == 0


def test_a_stream_that_is_cut_is_a_read_error_behind_what_came() -> None:
    async def main(clock: VirtualClock) -> list[bytes]:
        world, pieces = Simulation(INSTANT, clock=clock, seed=1), list[bytes]()

        async def read(response: httpx.Response) -> None:
            async for piece in response.aiter_raw():
                pieces.append(piece)

        world.script(MODELS["openai"], Fault.STREAM_CUT)
        async with client(world) as http, http.stream("POST", url(world), json=BODY | {"stream": True}) as response:
            with pytest.raises(httpx.ReadError):
                await read(response)
        return pieces

    assert len(run_virtual(main, start=START)) == 4
