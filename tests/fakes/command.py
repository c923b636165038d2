"""The command line as a user's shell runs it: a process of its own, with an environment that the test spells out."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

LIMIT_S: Final = 40.0
"""Seconds that no command of a test needs; over it the test hangs and should say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - whatever the command printed
        """Return the one JSON object that standard output holds; fails for anything beside it."""
        return json.loads(self.out)


class Running:
    """A command under way, for those that serve until they are told to stop."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def line(self) -> str:
        """Return the next line of standard output; empty at its end."""
        assert self._process.stdout
        async with asyncio.timeout(LIMIT_S):
            return (await self._process.stdout.readline()).decode()

    async def json_line(self) -> Any:  # noqa: ANN401 - whatever the command printed
        return json.loads(await self.line())

    async def said(self, words: str) -> None:
        """Wait until a line of standard error holds these words."""
        assert self._process.stderr
        async with asyncio.timeout(LIMIT_S):
            while words not in (line := (await self._process.stderr.readline()).decode()):
                assert line, f"it ended and never said {words}"

    def tell(self, sign: signal.Signals) -> None:
        self._process.send_signal(sign)

    async def end(self) -> Finished:
        """Wait for it to end by itself."""
        async with asyncio.timeout(LIMIT_S):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return Finished(code=self._process.returncode, out=out.decode(), err=err.decode())


async def pointsman(
    *arguments: str | bytes, environment: Mapping[str, str] | None = None, stdin: bytes = b""
) -> Finished:
    """Run `pointsman` with these arguments to its end. Nothing of the test run's own environment is handed down."""
    process = await _start(arguments, environment or {}, stdin=PIPE)
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Finished(code=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def pointsman_running(*arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Start `pointsman` with these arguments; what still runs when the block ends is killed."""
    process = await _start(arguments, environment or {}, stdin=asyncio.subprocess.DEVNULL)
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _start(arguments: tuple[str | bytes, ...], environment: Mapping[str, str], *, stdin: int) -> Process:
    environment = {
        "POINTSMAN__JOURNAL__URL": "",
        **environment,
    }  # none writes into the journal of whoever runs the tests
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pointsman", *arguments, env=dict(environment), stdin=stdin, stdout=PIPE, stderr=PIPE
    )
