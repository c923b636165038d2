import asyncio
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pointsman.cli.failure import Misuse
from pointsman.cli.loop import run
from pointsman.cli.shared_port import held
from pointsman.cli.up import up
from pointsman.cli.worker import of_worker
from pointsman.cli.workers import Crew, WorkerEnded, pause_s, serve
from pointsman.config import Settings, load
from pointsman.domain.errors import SettingsError
from tests.fakes.clock import FakeClock
from tests.fakes.ports import free_port

READY_ONLY = "print('ready', flush=True)"
WILLING = "print('ready', flush=True); input(); print('serving', flush=True); input()"
WILLING_TO_THE_END = f"import sys, time; {WILLING.replace('; input()', '; sys.stdin.readline()')}; time.sleep(0.5)"
"""Programs of workers that do not handle signals: the first ends as soon as it could serve, the last takes its time."""

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux spreads the connections")


@pytest.mark.parametrize(
    "failures, seconds",
    [
        pytest.param(0, 0.5, id="after a long life"),
        pytest.param(1, 0.5, id="once"),
        pytest.param(2, 1.0, id="twice in a row"),
        pytest.param(5, 8.0, id="five times in a row"),
        pytest.param(7, 30.0, id="never longer than half a minute"),
        pytest.param(5_000, 30.0, id="for days"),
    ],
)
def test_each_end_in_a_row_doubles_the_pause(failures: int, seconds: float) -> None:
    assert pause_s(failures) == seconds


@pytest.mark.parametrize(
    "number, shown_at",
    [
        pytest.param(1, "127.0.0.1:9465", id="the first has the port of the settings"),
        pytest.param(3, "127.0.0.1:9467", id="and each other the next"),
    ],
)
def test_each_worker_shows_its_metrics_at_a_port_of_its_own(
    monkeypatch: pytest.MonkeyPatch, number: int, shown_at: str
) -> None:
    monkeypatch.setenv("POINTSMAN__TELEMETRY__METRICS__ROUTER", "127.0.0.1:9465")

    assert of_worker(load(None), "router", number, "127.0.0.1:1").telemetry.metrics.router == shown_at


def test_a_worker_that_shows_no_metrics_stays_so(settings: Settings) -> None:
    assert of_worker(settings, "router", 2, "127.0.0.1:1").telemetry.metrics.router == ""


def test_a_worker_listens_at_the_port_that_it_is_given(settings: Settings) -> None:
    assert of_worker(settings, "classifier", 2, "127.0.0.1:7").classifier.address == "127.0.0.1:7"


def test_a_unix_socket_cannot_be_shared(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/socket"

    with pytest.raises(SettingsError, match="cannot share a Unix socket"), held(address, "router.address"):
        pytest.fail("it was held")


@linux_only
def test_a_shared_port_is_taken_for_whoever_does_not_share_it() -> None:
    with held("127.0.0.1:0", "router.address") as address, socket.socket() as other:
        port = int(address.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


@linux_only
def test_a_port_that_others_share_is_taken() -> None:
    with (
        held("127.0.0.1:0", "router.address") as address,
        pytest.raises(SettingsError, match=f"cannot listen on {re.escape(address)}: it is in use"),
        held(address, "router.address"),
    ):
        pytest.fail("it was held twice")


@linux_only
def test_nobody_is_connected_to_who_only_holds_the_port() -> None:
    with (
        held("127.0.0.1:0", "router.address") as address,
        socket.socket() as caller,
        pytest.raises(ConnectionRefusedError),
    ):
        caller.connect(("127.0.0.1", int(address.rpartition(":")[2])))


def crew(clock: FakeClock, program: str | Path, code: str) -> Crew:
    return Crew(commands=[(str(program), "-c", code)], clock=clock)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.01)


async def test_a_worker_that_starts_is_not_told_to_read_its_settings_again() -> None:
    workers = crew(FakeClock(), sys.executable, WILLING)
    beginning = asyncio.ensure_future(workers.begin())
    await until(lambda: bool(workers.at_work))

    workers.reload()
    await beginning
    workers.reload()

    assert await workers.at_work[1].ended() == -signal.SIGHUP


async def test_a_worker_that_ends_is_not_told_to_read_its_settings_again() -> None:
    workers = crew(FakeClock(), sys.executable, WILLING_TO_THE_END)
    await workers.begin()

    ending = asyncio.ensure_future(workers.end(5))
    await asyncio.wait({ending}, timeout=0.1)
    workers.reload()
    await ending

    assert await workers.at_work[1].ended() == 0


def test_a_worker_that_ended_while_others_started_is_told_from_a_fault_of_ours() -> None:
    workers = crew(FakeClock(), sys.executable, READY_ONLY)
    workers.commands = [*workers.commands, (sys.executable, "-c", f"import time; time.sleep(0.5); {WILLING}")]

    async def begin() -> None:
        try:
            await workers.begin()
        finally:
            await workers.end(5)

    with pytest.raises(WorkerEnded, match="code 0"):
        run(begin())  # on the loop that serves, which minds what is written to nobody


async def test_a_worker_whose_program_is_away_for_a_while_is_started_when_it_is_back(tmp_path: Path) -> None:
    program = tmp_path / "worker"
    program.symlink_to(sys.executable)
    clock = FakeClock()
    workers = crew(clock, program, WILLING)
    await workers.begin()
    first = workers.at_work[1]
    keeping = asyncio.ensure_future(workers.keep())
    program.unlink()
    first.kill()
    with capture_logs() as lines:
        await until(lambda: clock.sleeping == 1)
        clock.advance(30)
        await until(lambda: clock.sleeping == 1)
        program.symlink_to(sys.executable)
        clock.advance(30)
        await until(lambda: "worker.started" in {line["event"] for line in lines})
    keeping.cancel()
    await workers.end(5)

    assert any("No such file" in line.get("detail", "") for line in lines)
    assert workers.at_work[1] is not first


def test_an_executor_has_no_workers() -> None:
    with pytest.raises(Misuse, match=r"ledger\.url"):
        serve("executor", None, workers=2, as_json=True)


def test_up_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN__CLASSIFIER__WORKERS", "2")
    monkeypatch.setenv("POINTSMAN__ROUTER__ADDRESS", f"127.0.0.1:{free_port()}")

    with pytest.raises(SettingsError, match=r"classifier\.workers = 2: `up` is one process"):
        up(None, as_json=True)
