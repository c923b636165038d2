"""Steady load on Router, Classifier and Executor for minutes, while each is looked at every second."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from pointsman.simulator.prompts import SAMPLE_PROMPTS
from pointsman_client import Client, RouteError
from tests.bench.processes import SERVICES, Stack, running, until_it_answers

DEADLINE_S: Final = 20.0
"""What is not answered by then has failed; many of them say that more was asked than this machine can do."""
STREAMED_EACH: Final = 3
"""Every third call is streamed."""

CACHE_ENTRIES: Final = 500
"""Few, so that the cache of verdicts is full before the half of which memory is judged: it may grow until then."""

TELL_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one service held, `at_s` after the start."""

    at_s: float
    service: str
    rss_bytes: int
    descriptors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One call: when it began, `at_s` after the start, and how long it took."""

    at_s: float
    took_s: float


@dataclass(slots=True)
class Soak:
    """What was seen: looks at each service, calls that were answered, and how many were not."""

    seconds: float
    looks: list[Look] = field(default_factory=list)
    calls: list[Timed] = field(default_factory=list)
    failed: int = 0


async def soak(*, seconds: float, rate: float, tell: Callable[[str], None]) -> Soak:
    """Run the stack under `rate` calls a second for so long. Its journal is a file, as in service."""
    seen = Soak(seconds)
    with tempfile.TemporaryDirectory() as folder, running(_changed(Path(folder))) as stack:
        await until_it_answers(stack)
        tell(f"three services are up, {rate:g} calls a second for {seconds / 60:g} min")
        began = time.monotonic()
        async with Client(stack.router) as client, asyncio.TaskGroup() as tasks:
            tasks.create_task(_look(stack, seen, began, tell))
            tasks.create_task(_ask(client, seen, began, rate))
    return seen


def _changed(folder: Path) -> Mapping[str, str]:
    return {
        "POINTSMAN__JOURNAL__URL": f"sqlite:///{folder / 'journal.sqlite'}",
        "POINTSMAN__CLASSIFIER__CACHE_ENTRIES": str(CACHE_ENTRIES),
    }


async def _look(stack: Stack, seen: Soak, began: float, tell: Callable[[str], None]) -> None:
    told_s = 0.0
    for second in range(int(seen.seconds)):
        await asyncio.sleep(max(0.0, began + second - time.monotonic()))
        for service in SERVICES:
            seen.looks.append(_look_at(stack.processes[service], service, time.monotonic() - began))
        if second - told_s >= TELL_S:
            told_s = second
            held = (f"{look.service} {look.rss_bytes / 2**20:.1f} MiB" for look in seen.looks[-len(SERVICES) :])
            tell(f"{second} s: {', '.join(held)}")


def _look_at(process: psutil.Process, service: str, at_s: float) -> Look:
    return Look(at_s=at_s, service=service, rss_bytes=process.memory_info().rss, descriptors=process.num_fds())


async def _ask(client: Client, seen: Soak, began: float, rate: float) -> None:
    """Ask at even times, however long answers take."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(seen.seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            tasks.create_task(_call(client, seen, began, number))


async def _call(client: Client, seen: Soak, began: float, number: int) -> None:
    prompts = [sample.text for sample in SAMPLE_PROMPTS if sample.image is None]
    prompt, started = f"{prompts[number % len(prompts)]} ({number})", time.monotonic()
    try:
        if number % STREAMED_EACH:
            await client.route(prompt, timeout_s=DEADLINE_S)
        else:
            async for _ in client.stream(prompt, timeout_s=DEADLINE_S):
                pass
    except RouteError:
        seen.failed += 1
    else:
        seen.calls.append(Timed(at_s=started - began, took_s=time.monotonic() - started))
