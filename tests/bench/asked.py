"""Calls asked by this process of a stack of three, and what they took; CPU is that of the named processes alone."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.bench.processes import Stack

Ask = Callable[[str], Awaitable[object]]


@dataclass(slots=True)
class Meter:
    """What a variant took: seconds a call, and CPU seconds of its processes over all calls."""

    durations_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def calls(self) -> int:
        """Calls made."""
        return len(self.durations_s)

    def quantile_ms(self, rank: int) -> float:
        """Return a percentile in milliseconds."""
        return statistics.quantiles(self.durations_s, n=100)[rank - 1] * 1e3

    @property
    def cpu_us(self) -> float:
        """CPU microseconds a call."""
        return self.cpu_s / self.calls * 1e6


async def ask_all(
    meter: Meter, stack: Stack, processes: tuple[str, ...], ask: Ask, *, callers: int, calls: int
) -> None:
    """Ask so many calls of so many callers, and add what they took to the meter."""
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            # No two prompts are alike, so that no cache flatters anyone.
            text = f"Round {meter.calls}, question {number}: what is the capital of country number {number}?"
            began = time.perf_counter()
            await ask(text)
            meter.durations_s.append(time.perf_counter() - began)

    cpu_before, began = stack.cpu_s(*processes), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    meter.wall_s += time.perf_counter() - began
    meter.cpu_s += stack.cpu_s(*processes) - cpu_before
