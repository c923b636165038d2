"""What an arm's process is told, does and tells: one job on standard input, one line of JSON for each request.

Standard library only, because it also runs in the virtual environment of the peers, which has no Pointsman.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One cell for one arm: an account of its own at `base_url`, and its requests as (seconds from the start, text)."""

    id: int
    base_url: str
    arrivals: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that an arm has to do. `arm` names its settings; `per_minute` is the preferred model's quota.

    `warm_up` is a run that is not counted: what a process does once, at its first calls, is no latency of a gateway.
    """

    arm: str
    preferred: str
    second: str
    per_minute: int
    deadline_s: float
    runs: tuple[Run, ...]
    warm_up: Run

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """The runs that count, and the one that does not."""
        return (*self.runs, self.warm_up)

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Job":
        """Read what `to_json` wrote."""
        known = json.loads(line)
        runs, warm_up = known.pop("runs"), known.pop("warm_up")
        return cls(runs=tuple(_run(run) for run in runs), warm_up=_run(warm_up), **known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What an arm tells when it can begin: what it is, and the settings that make it so."""

    version: str
    settings: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One request that ended, `took_s` after it was asked."""

    run: int
    took_s: float
    answered: bool


Ask = Callable[[Run, str], Awaitable[bool]]
"""How an arm has one request of a run answered; False when it could not."""

Opened = AbstractAsyncContextManager[tuple[Ready, Ask]]


def main(opened: Callable[[Job], Opened]) -> None:
    """Read a job, make the arm ready, wait for the word when to start (seconds since the epoch), and do the job."""
    asyncio.run(_main(opened))


async def _main(opened: Callable[[Job], Opened]) -> None:
    job = Job.from_json(await asyncio.to_thread(sys.stdin.readline))
    async with opened(job) as (ready, ask):
        for _, text in job.warm_up.arrivals:
            await ask(job.warm_up, text)
        _tell(asdict(ready))
        starts_at = float(await asyncio.to_thread(sys.stdin.readline))
        async with asyncio.TaskGroup() as tasks:
            for run in job.runs:
                for at_s, text in run.arrivals:
                    tasks.create_task(_serve(run, text, ask, at=starts_at + at_s, deadline_s=job.deadline_s))


async def _serve(run: Run, text: str, ask: Ask, *, at: float, deadline_s: float) -> None:
    await asyncio.sleep(max(0.0, at - time.time()))
    began = time.monotonic()
    try:
        async with asyncio.timeout(deadline_s):
            answered = await ask(run, text)
    except TimeoutError:
        answered = False
    _tell(asdict(End(run=run.id, took_s=round(time.monotonic() - began, 4), answered=answered)))


def _run(known: Mapping[str, Any]) -> Run:
    arrivals = tuple((at_s, text) for at_s, text in known["arrivals"])
    return Run(id=known["id"], base_url=known["base_url"], arrivals=arrivals)


def _tell(fields: Mapping[str, object]) -> None:
    print(json.dumps(fields), flush=True)


@asynccontextmanager
async def just(ready: Ready, ask: Ask) -> AsyncIterator[tuple[Ready, Ask]]:
    """Open an arm that has nothing to close."""
    yield ready, ask
