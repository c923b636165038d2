"""The section `guard`: what an Execute costs, in bare exchanges; the same measure that a test holds to its bound.

Wall time would say how busy the machine is. This is a ratio of instructions where the processor counts them for us,
else of CPU time, of rounds that take turns: what slows one slows the other.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.table import Table

from tests.bench.findings import Effort, Findings
from tests.bench.in_process import Ask, ProviderHere, bare, executing, settings_of
from tests.bench.instructions import INSTRUCTIONS, Counter, Event, NotCounted

MOST_EXCHANGES: Final = 2.5
"""A third more than it was on 2026-11-27: 1.85, give or take a tenth. Whoever makes it cheaper lowers it."""

ROUNDS, CALLS = 21, 30

Read = Callable[[], float]


async def cost(*, rounds: int = ROUNDS, calls: int = CALLS, before: Callable[[], None] = lambda: None) -> float:
    """Return how many bare exchanges an Execute costs, the median of the rounds. `before` runs in each of its calls."""
    async with executing(settings_of(), ProviderHere(before)) as execute, bare() as exchange:
        with meter() as (_, read), _garbage_apart():
            for ask in (execute, exchange):
                await _used(ask, calls, read, "warm-up")
            return statistics.median(
                [
                    await _used(execute, calls, read, f"{number}") / await _used(exchange, calls, read, f"{number}")
                    for number in range(rounds)
                ]
            )


@contextmanager
def meter(event: Event = INSTRUCTIONS) -> Iterator[tuple[str, Read]]:
    """Yield what is read, and the reading: instructions, or where nobody counts them seconds of CPU."""
    try:
        with Counter(event) as counter:
            yield "instructions", counter.read
    except NotCounted:
        yield "CPU", time.process_time


@contextmanager
def _garbage_apart() -> Iterator[None]:
    """Leave what was there before out of every collection of garbage: a large process would pay for it each time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _used(ask: Ask, calls: int, read: Read, series: str) -> float:
    """Return what so many calls used, without what others left for the collector of garbage."""
    gc.collect()
    before = read()
    for number in range(calls):
        await ask(f"Round {series}, question {number}: what is the capital of country number {number}?")
    return read() - before


def measure(effort: Effort) -> Findings:
    """Return what it comes to now."""
    exchanges = asyncio.run(cost(rounds=effort.rounds, calls=effort.calls))
    with meter() as (what, _):
        pass
    table = Table("", what, "bound", title="An Execute without sockets, beside the bare exchange with a provider")
    table.add_row("one Execute", f"{exchanges:.2f} exchanges", f"{MOST_EXCHANGES:g}")
    short = f"an Execute costs {exchanges:.2f} bare exchanges, promised {MOST_EXCHANGES:g}"
    return Findings(
        tables=(table,),
        figures={"guard_exchanges": exchanges},
        falls_short=(short,) if exchanges > MOST_EXCHANGES else (),
        skipped=() if what == "instructions" else ("instructions: not counted on this machine, so CPU time is",),
    )
