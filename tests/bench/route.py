"""The section `route`: what one Route costs over three processes, next to a bare grpc.aio echo, in the same run.

The rounds are interleaved, so that whatever else the machine does hits all variants alike. CPU is that of the services'
processes alone.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from rich.table import Table

from pointsman.v1 import router_pb2, router_pb2_grpc
from tests.bench.findings import Effort, Findings, spin_s
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


def measure(effort: Effort) -> Findings:
    """Return what one run came to. It has no bound: nothing is promised of the hops on a shared machine."""
    figures = asyncio.run(_figures(effort))
    table = Table("", "p50", "CPU a call", title="Route over three processes, simulated providers that answer at once")
    for name, variant in (
        ("bare grpc.aio echo, 1 caller", "echo"),
        ("Route, 1 caller", "route"),
        ("Route, 16 callers", "route_16_callers"),
    ):
        table.add_row(name, f"{figures[f'{variant}_p50_ms']:.2f} ms", f"{figures[f'{variant}_cpu_us']:.0f} µs")
    return Findings(
        tables=(table,),
        figures=figures,
        remark=f"Route / echo: {figures['route_to_echo_p50']:.1f} × the time, "
        f"{figures['route_to_echo_cpu']:.1f} × the CPU; "
        f"{figures['route_requests_per_core_second']:.0f} requests a core-second. "
        "The HTTP exchange with the simulated provider is in the time, its CPU is not.",
    )


async def _figures(effort: Effort) -> dict[str, float]:
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
            await ask_all(Meter(), stack, SERVICES, route, callers=4, calls=200)
            await ask_all(Meter(), stack, ("echo",), bare, callers=4, calls=200)
            for _ in range(effort.rounds):
                spins.append(spin_s())
                await ask_all(one, stack, SERVICES, route, callers=1, calls=effort.calls)
                await ask_all(bare_one, stack, ("echo",), bare, callers=1, calls=effort.calls)
                await ask_all(many, stack, SERVICES, route, callers=16, calls=effort.calls)
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
