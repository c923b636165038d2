"""What one Route costs over three processes, next to a bare grpc.aio echo, in the same run.

The rounds are interleaved, so that whatever else the machine does hits all variants alike. CPU is that of the services'
processes alone.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from rich.console import Console
from rich.table import Table

from pointsman.v1 import router_pb2, router_pb2_grpc
from tests.bench.processes import SERVICES, Stack, running, until_it_answers

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


async def _measure(
    meter: Meter, stack: Stack, processes: tuple[str, ...], ask: Ask, *, callers: int, calls: int
) -> None:
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


def _spin() -> float:
    """Return the seconds that a fixed loop takes: the calibration of this machine at this moment."""
    began = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number
    return time.perf_counter() - began


async def measure(rounds: int, calls: int) -> dict[str, float]:
    """Return the figures of one run."""
    with running() as stack:
        await until_it_answers(stack)
        async with (
            grpc.aio.insecure_channel(stack.router) as to_router,
            grpc.aio.insecure_channel(stack.echo) as to_echo,
        ):
            router = router_pb2_grpc.RouterServiceStub(to_router)
            echo = router_pb2_grpc.RouterServiceStub(to_echo)

            async def route(text: str) -> object:
                return await router.Route(router_pb2.RouteRequest(text=text), timeout=30, wait_for_ready=True)

            async def bare(text: str) -> object:
                return await echo.Route(router_pb2.RouteRequest(text=text), timeout=30, wait_for_ready=True)

            one, many, bare_one, spins = Meter(), Meter(), Meter(), []
            await _measure(Meter(), stack, SERVICES, route, callers=4, calls=200)
            await _measure(Meter(), stack, ("echo",), bare, callers=4, calls=200)
            for _ in range(rounds):
                spins.append(_spin())
                await _measure(one, stack, SERVICES, route, callers=1, calls=calls)
                await _measure(bare_one, stack, ("echo",), bare, callers=1, calls=calls)
                await _measure(many, stack, SERVICES, route, callers=16, calls=calls)
    spin_us = statistics.median(spins) * 1e6
    return {
        "route_p50_ms": one.quantile_ms(50),
        "route_p99_ms": one.quantile_ms(99),
        "route_cpu_us": one.cpu_us,
        "route_16_callers_p50_ms": many.quantile_ms(50),
        "route_16_callers_cpu_us": many.cpu_us,
        "route_requests_per_core_second": 1e6 / many.cpu_us,
        "echo_p50_ms": bare_one.quantile_ms(50),
        "echo_cpu_us": bare_one.cpu_us,
        "route_to_echo_p50": one.quantile_ms(50) / bare_one.quantile_ms(50),
        "route_to_echo_cpu": one.cpu_us / bare_one.cpu_us,
        "calibration_loop_us": spin_us,
        "route_cpu_in_calibration_loops": one.cpu_us / spin_us,
        "calls": float(one.calls + many.calls),
    }


def show(figures: dict[str, float], console: Console) -> None:
    """Print the table."""
    table = Table("", "p50", "CPU a call", title="Route over three processes, simulated providers that answer at once")
    table.add_row(
        "bare grpc.aio echo, 1 caller", f"{figures['echo_p50_ms']:.2f} ms", f"{figures['echo_cpu_us']:.0f} µs"
    )
    table.add_row("Route, 1 caller", f"{figures['route_p50_ms']:.2f} ms", f"{figures['route_cpu_us']:.0f} µs")
    table.add_row(
        "Route, 16 callers",
        f"{figures['route_16_callers_p50_ms']:.2f} ms",
        f"{figures['route_16_callers_cpu_us']:.0f} µs",
    )
    console.print(table)
    console.print(
        f"Route / echo: {figures['route_to_echo_p50']:.1f} × the time, {figures['route_to_echo_cpu']:.1f} × the CPU; "
        f"{figures['route_requests_per_core_second']:.0f} requests a core-second. "
        "The HTTP exchange with the simulated provider is in the time, its CPU is not."
    )
