"""`pointsman serve router --workers 2`: several processes of one service behind one port, kept alive.

This process serves nothing and never imports gRPC, which may not be forked. It starts the workers by exec, hands them
the port, starts one anew that ends, and stops them all. What a worker does stands in `worker.py`.
"""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from pointsman.cli.failure import Failure, Misuse
from pointsman.cli.loop import hang_ups, run, stop_signals
from pointsman.cli.notices import notices
from pointsman.cli.room import Room
from pointsman.cli.shared_port import held
from pointsman.cli.terminal import print_json
from pointsman.config import Settings, load
from pointsman.config.settings import ClassifierSettings, RouterSettings
from pointsman.domain.clock import Clock, SystemClock
from pointsman.telemetry import names
from pointsman.telemetry.setup import configure

READY: Final = b"ready\n"
"""What a worker says when all is imported and it could serve."""
SERVE: Final = b"serve\n"
"""What it then waits for. The end of its standard input, at any time, tells it to finish and stop."""
SERVING: Final = b"serving\n"

ONE_EXECUTOR: Final = (
    "an Executor keeps quotas in memory, and several would each spend all of them; start one an account, or several "
    "that share ledger.url (Redis), each at an address of its own"
)

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
_KILL_AFTER_S: Final = 5.0
"""Beyond the grace of the service: what has not stopped by then hangs."""


class WorkerEnded(Exception):
    """A worker ended before it served. `code` is its exit code, or minus the signal."""

    def __init__(self, code: int) -> None:
        """Keep the code."""
        super().__init__(f"a worker ended with code {code} before it served")
        self.code = code


class Worker:
    """One process of the service, from its start to its end."""

    def __init__(self, process: Process) -> None:
        """Take a process that was started with pipes for its standard input and output."""
        self._process = process
        self._is_serving = False

    @property
    def pid(self) -> int:
        """The number by which the system knows it."""
        return self._process.pid

    async def serve(self) -> None:
        """Let it listen, and wait until it does. Raises WorkerEnded."""
        if self._process.stdin and not self._process.stdin.is_closing():  # one that has ended says so by its silence
            self._process.stdin.write(SERVE)
        await self.hear(SERVING)
        self._is_serving = True

    async def hear(self, line: bytes) -> None:
        """Wait until it says a line. Raises WorkerEnded."""
        if self._process.stdout and await self._process.stdout.readline() != line:
            raise WorkerEnded(await self.ended())

    async def ended(self) -> int:
        """Wait for its end, and return its exit code, or minus the signal."""
        return await self._process.wait()

    def let_go(self) -> None:
        """Have it finish the calls under way and end."""
        self._is_serving = False
        if self._process.stdin:
            self._process.stdin.close()

    def reload(self) -> None:
        """Have it read its settings again.

        Before it serves and when it is on its way out, it would end by the signal; it looks at the file by itself.
        """
        if self._is_serving and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once, where it still runs."""
        if self._process.returncode is None:
            self._process.kill()


@dataclass(slots=True, kw_only=True)
class Crew:
    """All workers of one service, by their numbers from 1 on. `commands` start them."""

    commands: Sequence[Sequence[str]]
    clock: Clock
    at_work: dict[int, Worker] = field(default_factory=dict)

    def reload(self) -> None:
        """Have all read their settings again."""
        for worker in self.at_work.values():
            worker.reload()

    async def begin(self) -> None:
        """Start all; they listen when the last one could, so that who finds the service healthy finds all of it.

        Raises WorkerEnded.
        """
        numbers = range(1, len(self.commands) + 1)
        await asyncio.gather(*map(self._start, numbers))
        await asyncio.gather(*(self.at_work[number].serve() for number in numbers))

    async def keep(self) -> None:
        """Start anew whichever ends, until cancelled."""
        async with asyncio.TaskGroup() as keeping:
            for number in self.at_work:
                keeping.create_task(self._keep(number))

    async def end(self, grace_s: float) -> None:
        """Have all finish and end; kill those that take longer than `grace_s` and a little."""
        for worker in self.at_work.values():
            worker.let_go()
        ending = [asyncio.ensure_future(worker.ended()) for worker in self.at_work.values()]
        if ending:
            await asyncio.wait(ending, timeout=grace_s + _KILL_AFTER_S)
        for worker in self.at_work.values():
            worker.kill()
        await asyncio.gather(*ending)

    async def _start(self, number: int) -> None:
        command = self.commands[number - 1]
        worker = self.at_work[number] = Worker(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE))
        await worker.hear(READY)

    async def _keep(self, number: int) -> None:
        log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
        failures = 0
        while True:
            began = self.clock.monotonic()
            code = await self.at_work[number].ended()
            failures = 0 if self.clock.monotonic() - began > _STEADY_S else failures + 1
            pause = pause_s(failures)
            log.error(names.EVENT_WORKER_ENDED, worker=number, exit_code=code, restart_in_s=pause)
            await self.clock.sleep(pause)
            try:
                await self._start(number)
                await self.at_work[number].serve()
            except WorkerEnded:
                continue  # its end is told above, once
            except OSError as error:  # there is no room for a process just now, or an upgrade has its program in pieces
                log.warning(names.EVENT_WORKER_ENDED, worker=number, detail=str(error))
                continue
            log.info(names.EVENT_WORKER_STARTED, worker=number, pid=self.at_work[number].pid)


def pause_s(failures: int) -> float:
    """Return the seconds before a worker is started anew that ended so many times in a row, 0 after a long life."""
    doubled: float = _FIRST_PAUSE_S * 2 ** max(0, min(failures, 16) - 1)
    return min(doubled, _LONGEST_PAUSE_S)


def serve(room: Room, config: Path | None, *, workers: int | None, as_json: bool) -> None:
    """Serve one of the services until a signal, in this process or in several workers.

    `workers` None: as many as the settings say. Raises SettingsError, Failure, and Misuse for workers of the Executor.
    """
    if room == "executor":
        if workers is not None and workers > 1:
            raise Misuse(f"--workers {workers}: {ONE_EXECUTOR}")
        _serve_alone(room, config, as_json=as_json)
        return
    settings = load(config)
    number = workers or _section(settings, room).workers
    if number == 1:
        _serve_alone(room, config, as_json=as_json)
        return
    silent = replace(settings.telemetry, otlp_endpoint="")  # this process makes no call that could be traced
    with configure(silent, service=f"pointsman-{room}"):
        run(_serve(room, settings, config, number=number, as_json=as_json))


def _serve_alone(room: Room, config: Path | None, *, as_json: bool) -> None:
    from pointsman.cli.up import serve as serve_alone  # noqa: PLC0415 - brings gRPC, which may not be here otherwise

    serve_alone(room, config, as_json=as_json)


def _section(settings: Settings, room: Room) -> RouterSettings | ClassifierSettings:
    return settings.router if room == "router" else settings.classifier


async def _serve(room: Room, settings: Settings, config: Path | None, *, number: int, as_json: bool) -> None:
    section = _section(settings, room)
    with (
        stop_signals(lambda: notices(stderr=True).say("Stopping the workers.")) as stopped,
        held(section.address, f"{room}.address") as address,
    ):
        commands = [command(room, each, address, config) for each in range(1, number + 1)]
        crew = Crew(commands=commands, clock=SystemClock())
        with hang_ups(stopped.set, crew.reload):
            try:
                await crew.begin()
                if as_json:
                    print_json({"addresses": {room: address}, "workers": number})
                else:
                    notices().say(f"{number} workers of the {room} listen on {address}. Ctrl-C stops them.")
                await _until(stopped, crew)
            except WorkerEnded as error:
                raise Failure(f"{error}; what it said stands above") from error
            finally:
                await crew.end(section.grace_s)


async def _until(stopped: asyncio.Event, crew: Crew) -> None:
    """Keep the crew until the event is set."""
    keeping, stopping = asyncio.ensure_future(crew.keep()), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        keeping.cancel()
        stopping.cancel()
        await asyncio.wait({keeping, stopping})
    if not keeping.cancelled():
        keeping.result()


def command(room: str, number: int, address: str, config: Path | None) -> tuple[str, ...]:
    """Return the command of one worker, from 1 on."""
    return (sys.executable, "-m", "pointsman.cli.worker", room, str(number), address, str(config or ""))
