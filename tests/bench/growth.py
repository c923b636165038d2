"""The section `growth`: how cost grows with what there is more of, a line each.

CPU is that of this process: an Execute without sockets, and the journal's file. A stream is measured over the wire. Of
the rounds the cheapest counts: whatever else the machine does only adds to it.
"""

import asyncio
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from pointsman.config import Settings
from tests.bench import streams
from tests.bench.findings import Effort, Findings
from tests.bench.in_process import Ask, executing, settings_of
from tests.bench.journal_rows import written_us

SENTENCE: Final = "The harbour keeps its lights on until the last boat is in. "
TEXT_BYTES: Final = (100, 1_000, 10_000, 100_000)
IN_POOL: Final = (1, 10, 50, 200)
POOLS: Final = (5, 20, 100)
CALLERS: Final = (1, 16, 64, 256)
STREAMS: Final = (1, 16, 128)
ROWS: Final = (0, 1_000, 1_000_000)

CALLS: Final = 64
"""In a round, of all callers together where there are no more of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one thing costs where there is so much of another. `most` bounds the last cost by the first."""

    name: str
    unit: str
    sizes: Sequence[int]
    costs_us: Sequence[float]
    most: float

    @property
    def times(self) -> float:
        """How many times the first cost the last one is."""
        return self.costs_us[-1] / self.costs_us[0]

    @property
    def exponent(self) -> float:
        """The power of the size with which cost grows: 0 is flat, 1 is in proportion."""
        return statistics.linear_regression(
            [math.log(max(size, 1)) for size in self.sizes], [math.log(cost) for cost in self.costs_us]
        ).slope


def measure(effort: Effort, *, rows: Sequence[int] = ROWS, at_once: Sequence[int] = STREAMS) -> Findings:
    """Return the lines; the bound of each is how many times the cost of the least the most may cost."""
    lines = asyncio.run(_lines(effort, rows, at_once))
    table = Table("", "sizes", "CPU", "times", "exponent", "bound", title="How cost grows")
    for line in lines:
        table.add_row(
            line.name,
            " … ".join(f"{size:,}" for size in line.sizes),
            " … ".join(f"{cost_us:,.0f}" for cost_us in line.costs_us) + f" µs {line.unit}",
            f"{line.times:.2f}",
            f"{line.exponent:+.2f}",
            f"{line.most:g} ×",
        )
    figures: dict[str, float] = {}
    for line in lines:
        key = f"growth_{line.name.replace(' ', '_')}"
        figures |= {f"{key}_{size}_us": cost_us for size, cost_us in zip(line.sizes, line.costs_us, strict=True)}
        figures |= {f"{key}_times": line.times, f"{key}_exponent": line.exponent}
    return Findings(tables=(table,), figures=figures, falls_short=tuple(falls_short(lines)))


def falls_short(lines: Sequence[Line]) -> Iterator[str]:
    """Yield a sentence for each bound that does not hold."""
    for line in lines:
        if line.times > line.most:
            yield (
                f"{line.name}: {line.sizes[-1]:,} cost {line.times:.2f} × what {line.sizes[0]:,} do, "
                f"promised {line.most:g} ×"
            )


async def _lines(effort: Effort, rows: Sequence[int], at_once: Sequence[int]) -> list[Line]:
    usual = settings_of()
    with TemporaryDirectory() as folder:
        return [
            await _executed("bytes of a prompt", {size: (usual, size, 1) for size in TEXT_BYTES}, effort, most=2),
            await _executed(
                "candidates in a pool", {size: (settings_of(in_pool=size), 0, 1) for size in IN_POOL}, effort, most=10
            ),
            await _executed("pools", {size: (settings_of(pools=size), 0, 1) for size in POOLS}, effort, most=1.3),
            await _executed("callers", {size: (usual, 0, size) for size in CALLERS}, effort, most=1.5),
            Line(
                name="streams",
                unit="a token",
                sizes=at_once,
                costs_us=[
                    await streams.cpu_us(max(50, effort.tokens // size), at_once=size, each_ms=streams.SLOWER_EACH_MS)
                    for size in at_once
                ],
                most=1.3,
            ),
            Line(
                name="rows of the journal",
                unit="a row written",
                sizes=rows,
                costs_us=[written_us(Path(folder) / f"{size}.sqlite", size, rounds=effort.rounds) for size in rows],
                most=3,
            ),
        ]


async def _executed(name: str, kinds: Mapping[int, tuple[Settings, int, int]], effort: Effort, *, most: float) -> Line:
    """Return what an Execute costs at each size: its settings, the bytes of its prompt, and how many ask at once."""
    costs_us = []
    for settings, text_bytes, callers in kinds.values():
        async with executing(settings) as ask:
            rounds = [await _round_us(ask, text_bytes, callers, f"{number}") for number in range(effort.rounds + 1)]
        costs_us.append(min(rounds[1:]))
    return Line(name=name, unit="an Execute", sizes=[*kinds], costs_us=costs_us, most=most)


async def _round_us(ask: Ask, text_bytes: int, callers: int, series: str) -> float:
    numbers = iter(range(max(CALLS, callers)))
    more = (SENTENCE * (text_bytes // len(SENTENCE) + 1))[:text_bytes]

    async def caller() -> None:
        for number in numbers:
            await ask(f"Round {series}, question {number}. {more}")
            await asyncio.sleep(0)

    began = time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return (time.process_time() - began) / max(CALLS, callers) * 1e6
