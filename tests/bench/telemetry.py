"""The section `telemetry`: what looking costs a chain of three processes, beside the same chain that nobody looks at.

Chains stand side by side and are asked in turn, so that whatever else the machine does hits all alike: one without
telemetry; one that counts, and sends a tenth of its traces to a collector that takes them; and the same with a dead
collector, a journal that cannot be written and its metrics scraped every second. The second beside the first is the
price of telemetry, the third beside the second that of its misfortunes.
"""

import asyncio
import statistics
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Final

import grpc
from rich.table import Table

from pointsman.telemetry.metrics import About, Counter, Histogram, Kind, Register
from pointsman.v1 import router_pb2, router_pb2_grpc
from tests.bench.asked import Ask, Meter, ask_all
from tests.bench.findings import Effort, Findings, timed_us
from tests.bench.processes import SERVICES, Stack, running, until_it_answers
from tests.fakes.otlp import collecting
from tests.fakes.ports import free_ports

CALLERS: Final = 16
MOST_SLOWER: Final = 0.05
"""Part of the throughput that a dead collector, a dead journal and a scrape a second may take."""
MOST_CPU: Final = 0.30
"""Part of the CPU of a call that sampling a tenth may add."""

DEAD: Final = "http://127.0.0.1:1"
NOWHERE: Final = "sqlite:////proc/nowhere/journal.sqlite"
"""Where no file can be made, as on a full disk: rows queue up, then they are dropped and counted."""


def measure(effort: Effort) -> Findings:
    """Return what one run came to, and which bounds do not hold."""
    figures = asyncio.run(_figures(effort)) | _of_one_record()
    table = Table("", "requests/s", "CPU a call", title=f"Route over three processes, {CALLERS} callers")
    for name, variant in (
        ("nobody looks", "off"),
        ("counted, a tenth sampled", "sampled"),
        ("so, scraped every second, collector and journal dead", "scraped"),
    ):
        rate, cpu_us = figures[f"telemetry_{variant}_per_s"], figures[f"telemetry_{variant}_cpu_us"]
        table.add_row(name, f"{rate:.0f}", f"{cpu_us:.0f} µs")
    return Findings(
        tables=(table,),
        figures=figures,
        remark=(
            f"Medians of pairs: telemetry {figures['telemetry_sampled_more_cpu']:+.1%} CPU; its misfortunes on top "
            f"{figures['telemetry_scraped_more_cpu']:+.1%} CPU and {-figures['telemetry_scraped_slower']:+.1%} "
            f"requests/s. One record: counter {figures['telemetry_counter_us']:.2f} µs, histogram "
            f"{figures['telemetry_histogram_us']:.2f} µs, nobody looking {figures['telemetry_off_us']:.2f} µs."
        ),
        falls_short=tuple(falls_short(figures)),
    )


def falls_short(figures: Mapping[str, float]) -> list[str]:
    """Return a sentence for each bound that does not hold."""
    sentences = []
    if (slower := figures["telemetry_scraped_slower"]) > MOST_SLOWER:
        sentences.append(
            f"scraped every second, collector and journal dead, it loses {slower:.1%} of the throughput, promised 5 %"
        )
    if (more := figures["telemetry_sampled_more_cpu"]) > MOST_CPU:
        sentences.append(f"sampling a tenth adds {more:.1%} CPU, promised 30 %")
    return sentences


async def _figures(effort: Effort) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(collecting())
        processes = stack.enter_context(ExitStack())
        ports = free_ports(len(SERVICES))
        keys = [f"POINTSMAN__TELEMETRY__METRICS__{name.upper()}" for name in SERVICES]
        pages = dict(zip(keys, [f"127.0.0.1:{port}" for port in ports], strict=True))
        folder, journal = processes.enter_context(TemporaryDirectory()), "POINTSMAN__JOURNAL__URL"
        otlp, tenth = "POINTSMAN__TELEMETRY__OTLP_ENDPOINT", {"POINTSMAN__TELEMETRY__SAMPLE_RATIO": "0.1"}
        settings: dict[str, dict[str, str]] = {
            "off": {journal: f"sqlite:///{folder}/off.sqlite"},
            "sampled": tenth | {otlp: collector.endpoint, journal: f"sqlite:///{folder}/sampled.sqlite"},
            "scraped": tenth | {otlp: DEAD, journal: NOWHERE} | pages,
        }
        chains = {name: processes.enter_context(running(changed)) for name, changed in settings.items()}
        asks = {name: await stack.enter_async_context(_asking(chain)) for name, chain in chains.items()}
        for name, chain in chains.items():
            await ask_all(Meter(), chain, SERVICES, asks[name], callers=4, calls=200)
        await stack.enter_async_context(_scraping([f"http://{address}/metrics" for address in pages.values()]))
        rounds: dict[str, list[Meter]] = {name: [] for name in chains}
        for number in range(effort.rounds):
            # Who comes first changes, so that none always follows the same other.
            for name in [*chains][number % 3 :] + [*chains][: number % 3]:
                meter = Meter()
                await ask_all(meter, chains[name], SERVICES, asks[name], callers=CALLERS, calls=effort.calls)
                rounds[name].append(meter)
    return _summed(rounds)


def _summed(rounds: Mapping[str, list[Meter]]) -> dict[str, float]:
    figures = {}
    for name, meters in rounds.items():
        figures[f"telemetry_{name}_per_s"] = statistics.median(meter.calls / meter.wall_s for meter in meters)
        figures[f"telemetry_{name}_cpu_us"] = statistics.median(meter.cpu_us for meter in meters)
    triples = [*zip(rounds["off"], rounds["sampled"], rounds["scraped"], strict=True)]
    figures["telemetry_sampled_more_cpu"] = statistics.median(on.cpu_s / off.cpu_s for off, on, _ in triples) - 1
    figures["telemetry_scraped_more_cpu"] = statistics.median(bad.cpu_s / on.cpu_s for _, on, bad in triples) - 1
    figures["telemetry_scraped_slower"] = 1 - statistics.median(on.wall_s / bad.wall_s for _, on, bad in triples)
    return figures


@asynccontextmanager
async def _asking(chain: Stack) -> AsyncIterator[Ask]:
    await until_it_answers(chain)
    async with grpc.aio.insecure_channel(chain.router) as channel:
        router = router_pb2_grpc.RouterServiceStub(channel)

        async def route(text: str) -> object:
            return await router.Route(router_pb2.RouteRequest(text=text), timeout=30, wait_for_ready=True)

        yield route


@asynccontextmanager
async def _scraping(urls: list[str]) -> AsyncIterator[None]:
    """Read all pages every second until the block ends, as Prometheus does."""

    def read(url: str) -> None:
        asked = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text"})  # noqa: S310 - our own
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - as above
            answer.read()

    async def scrape() -> None:
        while True:
            for url in urls:
                await asyncio.to_thread(read, url)
            await asyncio.sleep(1)

    task = asyncio.create_task(scrape())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _of_one_record() -> dict[str, float]:
    """Return the microseconds of one record, and of one that is not made because nobody looks."""
    register = Register()
    about = About(name="bench", kind=Kind.COUNTER, unit="s", description="", labels=("a", "b"), bounds=(0.1, 0.5, 1.0))
    counter, histogram = Counter(about, register), Histogram(about, register)
    off_us = timed_us(lambda: histogram.record(0.3, "one", "two"))
    with register.recording():
        return {
            "telemetry_off_us": off_us,
            "telemetry_counter_us": timed_us(lambda: counter.add(1, "one", "two")),
            "telemetry_histogram_us": timed_us(lambda: histogram.record(0.3, "one", "two")),
        }
