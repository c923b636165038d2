"""The processes of the arms: started, given their jobs, let go together, and heard."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

from tests.waste.peers.figures import Arm
from tests.waste.peers.work import End, Job, Ready

ROOT = Path(__file__).resolve().parents[3]
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"

LONGEST_LINE_BYTES = 1 << 20
READY_S = 120.0
"""How long a process may take to import what it needs."""


class ArmProcess:
    """One arm at work in a process of its own. It is given no environment: no keys, no proxies."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, arm: Arm, job: Job) -> "ArmProcess":
        """Start the process and give it its job."""
        python = str(PEER_PYTHON if arm.is_peer else sys.executable)
        # LiteLLM would fetch its table of prices otherwise; what else it might fetch, `stay_here` refuses.
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        process = await asyncio.create_subprocess_exec(
            python, "-m", arm.module, stdin=PIPE, stdout=PIPE, cwd=ROOT, env=environment, limit=LONGEST_LINE_BYTES
        )
        started = cls(process)
        await started._send(job.to_json())
        return started

    async def ready(self) -> Ready:
        """Wait until it can begin."""
        async with asyncio.timeout(READY_S):
            return Ready(**json.loads(await self._line()))

    async def work(self, starts_at: float, heard: Callable[[End], None]) -> None:
        """Let it begin at an instant (seconds since the epoch), and hear of each request until it is done."""
        await self._send(repr(starts_at))
        while line := await self._line(may_end=True):
            heard(End(**json.loads(line)))
        if code := await self._process.wait():
            raise RuntimeError(f"an arm ended with exit code {code}; what it said stands above")

    async def stop(self) -> None:
        """End the process if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _send(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the process was started without a standard input")
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def _line(self, *, may_end: bool = False) -> bytes:
        if self._process.stdout is None:
            raise RuntimeError("the process was started without a standard output")
        line = await self._process.stdout.readline()
        if not line and not may_end:
            raise RuntimeError("an arm ended before it was ready; what it said stands above")
        return line
