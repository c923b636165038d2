"""One process of the stack: started, killed, stopped, let go on, told to end, started again."""

import asyncio
import json
import os
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

READY_S: Final = 120.0
"""Seconds that no start takes; over it the part does not come back, which is told with its log."""


class NotReady(RuntimeError):
    """A part of the stack did not start. The text has the end of what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process that is over. `asked` is how it was ended, None when it ended by itself; `code` is the shell's."""

    began: float
    ended: float
    asked: signal.Signals | None
    code: int
    took_s: float


@dataclass(slots=True)
class Member:
    """A named part. `command` gives its words anew for each start, `told` is given the JSON that it prints when ready.

    Standard error goes to `log`, for all its processes together.
    """

    name: str
    command: Callable[[], Sequence[str | Path]]
    environment: Mapping[str, str]
    log: Path
    told: Callable[[Any], None] = lambda _: None
    lives: list[Life] = field(default_factory=list)
    began: float = 0.0
    is_ready: bool = False
    """True from when a process said that it serves until it is ended."""
    _process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs now; None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and return when it says that it serves. Raises NotReady."""
        self.began = time.time()
        with self.log.open("ab") as log:
            environment = {**os.environ, **self.environment}
            self._process = await asyncio.create_subprocess_exec(
                *self.command(), env=environment, stdin=PIPE, stdout=PIPE, stderr=log
            )
        assert self._process.stdout
        try:
            async with asyncio.timeout(READY_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise NotReady(f"{self.name} did not start: …{self.log.read_text(errors='replace')[-2_000:]}")
        self.told(json.loads(line))
        self.is_ready = True

    async def kill(self) -> None:
        """End it as a crash would."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> Life:
        """Ask it to end, and wait until it has."""
        return await self._end(signal.SIGTERM)

    def stop(self) -> None:
        """Make it hang: its sockets stay open, it does nothing."""
        self._tell(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._tell(signal.SIGCONT)

    async def ask(self, line: Mapping[str, object]) -> None:
        """Say a line of JSON to its standard input, if it lives."""
        if self.pid is not None and self._process and self._process.stdin:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")

    def _tell(self, sign: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(sign)

    async def _end(self, sign: signal.Signals) -> Life:
        process = self._process
        assert process is not None
        asked_at, self.is_ready = time.time(), False
        by_itself = process.returncode is not None
        self._tell(sign)
        try:
            async with asyncio.timeout(READY_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        ended = time.time()
        assert process.returncode is not None
        life = Life(
            began=self.began,
            ended=ended,
            asked=None if by_itself else sign,
            code=process.returncode,
            took_s=ended - asked_at,
        )
        self.lives.append(life)
        return life
