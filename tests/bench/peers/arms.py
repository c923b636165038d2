"""The processes of a run: the provider, each gateway before it, and the load on each, started one after another."""

import asyncio
import json
import os
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.bench.cpu import rss_mib, used_s
from tests.bench.peers.gateways import ROOT, Gateway, Started
from tests.bench.peers.load import Slice, Target, Took
from tests.bench.processes import HERE

LONGEST_LINE_BYTES = 1 << 24
LETS_THROUGH = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV")
"""What of this environment gateways get: no keys, no proxies, none of Pointsman's overrides."""


class Load:
    """The process that asks."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    async def is_there(self) -> None:
        """Return when it has been imported, so that its own start is not counted with what it asks."""
        await self._line()

    async def first_answer(self, target: Target) -> float:
        """Say whom to ask; return when the first right answer came, in seconds since the epoch."""
        told = await self._told(asdict(target))
        return float(told["answered_at"])

    async def run(self, wanted: Slice) -> Took:
        """Return what came of a slice."""
        return Took(**await self._told(asdict(wanted)))

    async def _told(self, line: Mapping[str, object]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the load was started without standard input")
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        await self._process.stdin.drain()
        told: dict[str, Any] = json.loads(await self._line())
        return told

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise RuntimeError("the load was started without standard output")
        if not (line := await self._process.stdout.readline()):
            raise RuntimeError("the load ended; what it said stands above")
        return line


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A row of the table under way: whose CPU counts, who asks it, and what its start took."""

    title: str
    does: str
    load: Load
    processes: Sequence[psutil.Process]
    startup_s: float

    async def ask(self, wanted: Slice) -> tuple[Took, float]:
        """Return what came of a slice, and the CPU seconds that it cost the gateway."""
        before = used_s(self.processes)
        took = await self.load.run(wanted)
        return took, used_s(self.processes) - before

    def rss_mib(self) -> float:
        """Return what it holds now."""
        return rss_mib(self.processes)


@asynccontextmanager
async def started(gateways: Sequence[Gateway], folder: Path, *, delay_ms: float = 0.0) -> AsyncIterator[list[Arm]]:
    """Start each gateway before the same provider, wait for its first answer, and end all of them with the block."""
    async with AsyncExitStack() as stack:
        provider = await _spawn(
            stack, (sys.executable, str(HERE / "instant.py"), f"--delay-ms={delay_ms}"), {}, speaks=True
        )
        if provider.stdout is None:
            raise RuntimeError("the provider was started without standard output")
        url = (await provider.stdout.readline()).decode().strip()
        arms = list[Arm]()
        for gateway in gateways:
            arms += await _arms(stack, gateway, gateway.start(url, folder), provider)
        yield arms


async def _arms(stack: AsyncExitStack, gateway: Gateway, how: Started, provider: Process) -> list[Arm]:
    """Return the row of the gateway and those of its other targets."""
    began = time.time()
    load = await _load(stack, how.python)
    await load.is_there()
    if how.commands:  # else the load is what starts
        began = time.time()
    pids = [(await _spawn(stack, command, how.environment)).pid for command in how.commands]
    startup_s = await load.first_answer(how.target) - began
    if not pids:
        pids = [provider.pid if how.target.kind == "http" else load.pid]
    processes = [psutil.Process(pid) for pid in pids]
    arms = [Arm(title=gateway.title, does=gateway.does, load=load, processes=processes, startup_s=startup_s)]
    for suffix, (does, target) in how.others.items():
        other = await _load(stack, how.python)
        await other.is_there()
        await other.first_answer(target)
        arms.append(Arm(title=gateway.title + suffix, does=does, load=other, processes=processes, startup_s=startup_s))
    return arms


async def _load(stack: AsyncExitStack, python: str) -> Load:
    return Load(await _spawn(stack, (python, "-m", "tests.bench.peers.load"), {}, speaks=True))


async def _spawn(
    stack: AsyncExitStack,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    speaks: bool = False,
) -> Process:
    """Start a process that ends with the stack. What gateways say and log goes nowhere, alike for all."""
    ours = {name: os.environ[name] for name in LETS_THROUGH if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE if speaks else subprocess.DEVNULL,
        stderr=None if speaks else subprocess.DEVNULL,
        cwd=ROOT,
        env={**ours, **environment},
        limit=LONGEST_LINE_BYTES,
    )
    stack.push_async_callback(_end, process)
    return process


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
