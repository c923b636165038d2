"""The section `payload`: what a megabyte of an image or of text costs on its way, in CPU and in memory of each process.

CPU is that of Pointsman's processes alone, beyond what a small prompt takes; memory is the peak beyond the idle level,
as a multiple of the payload. The provider is simulated in a process of its own.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from rich.table import Table

from pointsman_client import Client
from tests.bench.findings import Effort, Findings
from tests.bench.processes import ALL_IN_ONE, SERVICES, Stack, running, until_it_answers

IMAGE_BYTES: Final = 10_000_000
"""The largest image that the reference settings let in."""
TEXT_BYTES: Final = 2_000_000
MOST_CALLS: Final = 20
WARM_CALLS: Final = 20

ROUTER_TIMES: Final = 8.0
EXECUTOR_TIMES: Final = 10.0
"""Bounds of the peak, as multiples of the image."""

Figures = dict[str, float]

SHAPES: Final[Mapping[str, tuple[str, ...]]] = {"three": SERVICES, "one": (ALL_IN_ONE,)}
"""Processes, by how many there are."""


def image(size_bytes: int = IMAGE_BYTES) -> bytes:
    """Return what begins and ends as a PNG; nobody on the way decodes it."""
    start, end = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
    return start + bytes(range(251)) * ((size_bytes - len(start) - len(end)) // 251) + end


@asynccontextmanager
async def stack_of(shape: str) -> AsyncIterator[tuple[Stack, Client]]:
    """Yield Pointsman in three processes or in one, warm, and a client."""
    changed = {"POINTSMAN__TELEMETRY__LOG_LEVEL": "error"}
    with running(changed, in_one=shape == "one") as stack:
        await until_it_answers(stack)
        async with Client(stack.router) as client:
            for _ in range(WARM_CALLS):
                await client.route("What is it?", category="vision")
            yield stack, client


async def cost(shape: str, kind: str, calls: int) -> Figures:
    """Return the CPU a megabyte and the peaks of one kind of payload, sent one after another."""
    payload = image() if kind == "image" else b"a sentence of an English text. " * (TEXT_BYTES // 31)
    names = SHAPES[shape]
    async with stack_of(shape) as (stack, client):

        async def send(small: bool) -> float:  # noqa: FBT001 - one loop for both, which are compared
            before_s = stack.cpu_s(*names)
            for _ in range(calls):
                text = "What is it?" if small or kind == "image" else payload.decode()
                images = [payload] if kind == "image" and not small else []
                await client.route(text, images=images, category="vision")
            return stack.cpu_s(*names) - before_s

        small_s = await send(small=True)
        idle = {name: _resident_bytes(stack, name) for name in names}
        large_s = await send(small=False)
        peaks = {name: _peak_bytes(stack, name) - idle[name] for name in names}
    figures = {f"payload_{shape}_{kind}_cpu_ms_a_mb": (large_s - small_s) * 1e3 / (calls * len(payload) / 1e6)}
    return figures | {f"payload_{shape}_{kind}_{name}_peak_times": peak / len(payload) for name, peak in peaks.items()}


def measure(effort: Effort) -> Findings:
    """Measure in three processes and in one."""
    if not sys.platform.startswith("linux"):
        return Findings(tables=(), figures={}, skipped=("payload: only Linux tells the peak of a process",))
    figures = asyncio.run(_figures(min(effort.calls, MOST_CALLS)))
    return Findings(tables=(_table(figures),), figures=figures, falls_short=tuple(_falls_short(figures)))


async def _figures(calls: int) -> Figures:
    figures: Figures = {}
    for shape in SHAPES:
        for kind in ("image", "text"):
            figures |= await cost(shape, kind, calls)
    return figures


def _resident_bytes(stack: Stack, name: str) -> int:
    return int(stack.processes[name].memory_info().rss)


def _peak_bytes(stack: Stack, name: str) -> int:
    status = Path(f"/proc/{stack.processes[name].pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def _falls_short(figures: Figures) -> Iterator[str]:
    rows = (
        ("payload_three_image_router_peak_times", ROUTER_TIMES),
        ("payload_three_image_executor_peak_times", EXECUTOR_TIMES),
    )
    yield from (f"{name} is {figures[name]:.1f}; at most {bound:g}" for name, bound in rows if figures[name] > bound)


def _table(figures: Figures) -> Table:
    table = Table(
        "",
        "CPU a MB",
        "peak, times the payload",
        title=f"Payloads: an image of {IMAGE_BYTES / 1e6:g} MB, a text of {TEXT_BYTES / 1e6:g} MB",
    )
    for shape, names in SHAPES.items():
        for kind in ("image", "text"):
            peaks = ", ".join(f"{name} {figures[f'payload_{shape}_{kind}_{name}_peak_times']:.1f}" for name in names)
            table.add_row(
                f"{kind}, {shape} process{'es' if shape == 'three' else ''}",
                f"{figures[f'payload_{shape}_{kind}_cpu_ms_a_mb']:.1f} ms",
                peaks,
            )
    return table
