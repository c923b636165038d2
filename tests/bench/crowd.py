"""The section `crowd`: many streams at once before a provider that paces its words, on whatever cores there are.

All must come to their end. Printed are memory a stream, CPU a word, and how late words come: the gap between two words
of one stream beyond the provider's pace. The provider and this process, which is the callers, use the same cores, and
their CPU is not counted.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import Final

from rich.table import Table

from pointsman_client import Client, RouteError
from tests.bench.findings import Effort, Findings
from tests.bench.processes import ALL_IN_ONE, HERE, running, spawn, until_it_answers

EACH_MS: Final = 500
"""How far apart the words of a stream are. A thousand of them are two thousand words, and messages, a second."""
RAMP_S: Final = 5.0
"""How long it takes until all have begun: callers do not come in one millisecond."""
CONNECTIONS: Final = 4
DEADLINE_S: Final = 180.0

Figures = dict[str, float]

SHAPES: Final[Mapping[str, tuple[str, ...]]] = {"three": ("executor", "router"), "one": (ALL_IN_ONE,)}
"""Processes that the words go through, by how many there are."""


@dataclass(slots=True)
class Heard:
    """What the callers heard: the gaps between words in seconds, and how many streams ended otherwise than whole."""

    gaps_s: list[float] = field(default_factory=list)
    words: int = 0
    broken: list[str] = field(default_factory=list)

    async def listen(self, client: Client, words: int, *, after_s: float) -> None:
        """Take one stream to its end."""
        await asyncio.sleep(after_s)
        last_s, count = 0.0, 0
        try:
            prompt = f"words={words} each_ms={EACH_MS}"
            async with client.stream(prompt, category="quick", timeout_s=DEADLINE_S) as stream:
                async for piece in stream:
                    now_s = time.perf_counter()
                    if last_s:
                        self.gaps_s.append(now_s - last_s)
                    last_s, count = now_s, count + piece.split(" ").count("word")
        except RouteError as error:
            self.broken.append(str(error))
        else:
            self.words += count
            if count != words:
                self.broken.append(f"{count} of {words} words came")


async def crowd(shape: str, streams: int, words: int) -> tuple[Figures, list[str]]:
    """Return what so many streams of so many words cost, and what became of those that did not end whole."""
    names, heard = SHAPES[shape], Heard()
    async with AsyncExitStack() as stack:
        processes = stack.enter_context(ExitStack())
        _, line = spawn(processes, [str(HERE / "paced.py")], {})
        changed = {
            "POINTSMAN__PROVIDERS__OPENAI__BASE_URL": line.strip(),
            "POINTSMAN__POOLS__QUICK__CANDIDATES": '["openai/gpt-4"]',
            "POINTSMAN__TELEMETRY__LOG_LEVEL": "error",
        }
        services = processes.enter_context(running(changed, in_one=shape == "one"))
        await until_it_answers(services)
        clients = [await stack.enter_async_context(Client(services.router)) for _ in range(CONNECTIONS)]
        for client in clients:
            await heard.listen(client, 2, after_s=0.0)
        heard = Heard()
        idle = {name: int(services.processes[name].memory_info().rss) for name in names}
        before_s = services.cpu_s(*names)
        listening = asyncio.gather(
            *(
                heard.listen(clients[number % CONNECTIONS], words, after_s=number * RAMP_S / streams)
                for number in range(streams)
            )
        )
        await asyncio.wait({listening}, timeout=RAMP_S + 1)
        held = {name: int(services.processes[name].memory_info().rss) - idle[name] for name in names}
        await listening
        used_s = services.cpu_s(*names) - before_s
    late = sorted(max(0.0, gap_s - EACH_MS / 1e3) * 1e3 for gap_s in heard.gaps_s) or [0.0]
    figures = {
        "streams": float(streams),
        "whole": float(streams - len(heard.broken)),
        "cpu_us_a_word": used_s / max(1, heard.words) * 1e6,
        "late_p50_ms": statistics.median(late),
        "late_p99_ms": late[int(len(late) * 0.99) - 1 if len(late) > 1 else 0],
        **{f"{name}_kib_a_stream": size / 1024 / streams for name, size in held.items()},
    }
    return {f"crowd_{shape}_{name}": value for name, value in figures.items()}, heard.broken


def measure(effort: Effort) -> Findings:
    """Measure in three processes and in one."""
    figures: Figures = {}
    broken: list[str] = []
    words = max(8, effort.seconds * 1_000 // EACH_MS // 4)
    for shape in SHAPES:
        found, why = asyncio.run(crowd(shape, effort.streams, words))
        figures |= found
        broken += why[:1]
    return Findings(tables=(_table(figures),), figures=figures, falls_short=tuple(_falls_short(figures, broken)))


def _falls_short(figures: Figures, broken: list[str]) -> Iterator[str]:
    for shape in SHAPES:
        streams, whole = figures[f"crowd_{shape}_streams"], figures[f"crowd_{shape}_whole"]
        if whole < streams:
            yield f"{streams - whole:.0f} of {streams:.0f} streams did not end whole ({shape}): {'; '.join(broken)}"


def _table(figures: Figures) -> Table:
    streams = figures["crowd_one_streams"]
    table = Table("", "whole", "CPU a word", "late, p50 and p99", "memory a stream")
    table.title = f"{streams:.0f} streams at once, a word each {EACH_MS} ms"
    for shape, names in SHAPES.items():
        kept = ", ".join(f"{name} {figures[f'crowd_{shape}_{name}_kib_a_stream']:.0f} KiB" for name in names)
        table.add_row(
            f"{shape} process{'es' if shape == 'three' else ''}",
            f"{figures[f'crowd_{shape}_whole']:.0f}",
            f"{figures[f'crowd_{shape}_cpu_us_a_word']:.0f} µs",
            f"{figures[f'crowd_{shape}_late_p50_ms']:.0f} and {figures[f'crowd_{shape}_late_p99_ms']:.0f} ms",
            kept,
        )
    return table
