"""The section `streams`: what a stream costs on its way: time to its first token, CPU a token, memory of many at once.

The provider is a process of its own that paces its words; what it costs is not counted. CPU is that of Executor, Router
and of this process, which is the client.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Final

import httpx
from rich.table import Table

from pointsman_client import Client
from tests.bench.findings import Effort, Findings
from tests.bench.processes import HERE, Stack, running, spawn, until_it_answers

PACED: Final = 16
"""Streams at once whose CPU a token is measured."""
EACH_MS: Final = 5
"""How far apart the words of such a stream are: 200 a second, as the fastest models write; four fit into a window."""
SLOWER_EACH_MS: Final = 10
MANY: Final = 200
"""Streams at once whose memory is measured."""
MANY_EACH_MS: Final = 100

FIRST_TOKEN_MS: Final = 3.0
CPU_US: Final = 60.0
SLOPE_KIB_S: Final = 20.0
"""Bounds. Memory is flat when what grows would not fill a hundred megabytes in an hour."""

ON_THE_WAY: Final = ("executor", "router")
Figures = dict[str, float]


def prompt(words: int, each_ms: int) -> str:
    """Return a prompt that the paced provider obeys."""
    return f"words={words} each_ms={each_ms}"


@contextmanager
def paced(*, coalesce_s: float) -> Iterator[tuple[Stack, str]]:
    """Run the services before the paced provider; yield them and the provider's URL."""
    with ExitStack() as stack:
        _, line = spawn(stack, [str(HERE / "paced.py")], {})
        url = line.strip()
        changed = {
            "POINTSMAN__PROVIDERS__OPENAI__BASE_URL": url,
            "POINTSMAN__POOLS__QUICK__CANDIDATES": '["openai/gpt-4"]',
            "POINTSMAN__EXECUTOR__COALESCE_S": str(coalesce_s),
            "POINTSMAN__EXECUTOR__CONNECTIONS_PER_PROVIDER": "500",
            "POINTSMAN__TELEMETRY__LOG_LEVEL": "error",
        }
        yield stack.enter_context(running(changed)), url


@asynccontextmanager
async def client_of(stack: Stack) -> AsyncIterator[Client]:
    """Yield a client once all services answer."""
    await until_it_answers(stack)
    async with Client(stack.router) as client:
        yield client


async def listen(client: Client, words: int, each_ms: int) -> float:
    """Take a stream to its end; return the seconds until its first token."""
    began, first_s = time.perf_counter(), 0.0
    async with client.stream(prompt(words, each_ms), category="quick") as stream:
        async for _ in stream:
            first_s = first_s or time.perf_counter() - began
    return first_s


async def ask_directly(http: httpx.AsyncClient, url: str) -> float:
    """Take a stream from the provider itself; return the seconds until its first token."""
    began, first_s = time.perf_counter(), 0.0
    body = {"messages": [{"role": "user", "content": prompt(1, 0)}]}
    async with http.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not first_s and '"content":" word"' in line:
                first_s = time.perf_counter() - began
    return first_s


async def first_token(calls: int) -> Figures:
    """Return how much later the first token comes through Pointsman than from the provider itself."""
    with paced(coalesce_s=0.02) as (stack, url):
        async with client_of(stack) as client, httpx.AsyncClient(trust_env=False) as http:
            through, directly = [], []
            for _ in range(calls):  # in turns, so that whatever else the machine does hits both alike
                through.append(await listen(client, 1, 0))
                directly.append(await ask_directly(http, url))
    warm = calls // 10
    one, other = statistics.median(through[warm:]) * 1e3, statistics.median(directly[warm:]) * 1e3
    return {
        "first_token_p50_ms": one,
        "first_token_directly_p50_ms": other,
        "first_token_overhead_p50_ms": one - other,
    }


async def cpu_us(words: int, *, each_ms: int = EACH_MS, coalesce_s: float = 0.02, at_once: int = PACED) -> float:
    """Return CPU microseconds a token over Executor, Router and client, at so many streams."""
    with paced(coalesce_s=coalesce_s) as (stack, _):
        async with client_of(stack) as client:
            await asyncio.gather(*(listen(client, 50, each_ms) for _ in range(at_once)))
            before = stack.cpu_s(*ON_THE_WAY) + time.process_time()
            await asyncio.gather(*(listen(client, words, each_ms) for _ in range(at_once)))
            used_s = stack.cpu_s(*ON_THE_WAY) + time.process_time() - before
    return used_s / (at_once * words) * 1e6


async def memory(seconds: int) -> Figures:
    """Return how memory of Executor and Router grows while MANY streams are under way.

    Each lasts all the time, so that what the journal keeps of those that ended is not counted.
    """
    with paced(coalesce_s=0.02) as (stack, _):
        async with client_of(stack) as client:
            sizes: list[tuple[float, float]] = []

            async def watch() -> None:
                while True:
                    await asyncio.sleep(0.5)
                    size = sum(stack.processes[name].memory_info().rss for name in ON_THE_WAY)
                    sizes.append((time.perf_counter(), size / 1024))

            watching = asyncio.create_task(watch())
            words = seconds * 1_000 // MANY_EACH_MS
            await asyncio.gather(*(listen(client, words, MANY_EACH_MS) for _ in range(MANY)))
            watching.cancel()
    # The first third is for all of them to begin.
    settled = sizes[len(sizes) // 3 :]
    slope, _ = statistics.linear_regression([at for at, _ in settled], [size for _, size in settled])
    return {
        "many_streams_rss_mib": settled[-1][1] / 1024,
        "many_streams_rss_slope_kib_per_s": slope,
        "many_streams_seconds": float(seconds),
    }


def measure(effort: Effort) -> Findings:
    """Measure over three processes."""
    figures = asyncio.run(_figures(effort))
    return Findings(tables=(_table(figures),), figures=figures, falls_short=tuple(_falls_short(figures)))


async def _figures(effort: Effort) -> Figures:
    figures = await first_token(effort.calls)
    figures["cpu_per_token_us"] = await cpu_us(effort.tokens)
    figures["cpu_per_token_naive_us"] = await cpu_us(effort.tokens, coalesce_s=0.0)
    figures["cpu_per_slower_token_us"] = await cpu_us(effort.tokens, each_ms=SLOWER_EACH_MS)
    return figures | await memory(effort.seconds)


def _falls_short(figures: Figures) -> Iterator[str]:
    """Yield a sentence for each bound that does not hold."""
    rows = (
        ("first_token_overhead_p50_ms", FIRST_TOKEN_MS),
        ("cpu_per_token_us", CPU_US),
        ("many_streams_rss_slope_kib_per_s", SLOPE_KIB_S),
    )
    yield from (f"{name} is {figures[name]:.1f}; at most {bound:g}" for name, bound in rows if figures[name] > bound)


def _table(figures: Figures) -> Table:
    table = Table("", "figure", "bound", title="Streams over three processes, before a provider that paces its words")
    table.add_row(
        "first token later than from the provider, p50",
        f"{figures['first_token_overhead_p50_ms']:.2f} ms",
        f"{FIRST_TOKEN_MS:g} ms",
    )
    table.add_row(
        f"CPU a token at {PACED} streams of {1_000 // EACH_MS} tokens/s",
        f"{figures['cpu_per_token_us']:.0f} µs",
        f"{CPU_US:g} µs",
    )
    table.add_row("the same, a message a token", f"{figures['cpu_per_token_naive_us']:.0f} µs", "")
    table.add_row(f"bundled, {1_000 // SLOWER_EACH_MS} tokens/s", f"{figures['cpu_per_slower_token_us']:.0f} µs", "")
    table.add_row(
        f"growth of memory at {MANY} streams for {figures['many_streams_seconds']:.0f} s",
        f"{figures['many_streams_rss_slope_kib_per_s']:.1f} KiB/s at {figures['many_streams_rss_mib']:.0f} MiB",
        f"{SLOPE_KIB_S:g} KiB/s",
    )
    return table
