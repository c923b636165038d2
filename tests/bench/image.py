"""The section `image`: what a megabyte of image costs on its way through, beside an echo that takes it in."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.table import Table

from tests.bench.findings import Effort, Findings
from tests.bench.peers.course import Pace
from tests.bench.peers.course import measure as run
from tests.bench.peers.gateways import ECHO, ONE, THREE, Gateway, Started

BYTES: Final = (100_000, 1_000_000, 8_000_000)


def measure(effort: Effort) -> Findings:
    """Return CPU a megabyte: what the largest costs more than the smallest. The provider's work is not counted."""
    pace = Pace(rounds=max(1, effort.rounds // 2), seconds=2 * effort.slice_s, callers=(1,), warm_up_s=effort.slice_s)
    results = asyncio.run(run([_imaged(gateway) for gateway in (ECHO, THREE, ONE)], pace)).results
    table = Table(
        "", *(f"{size / 1e6:g} MB" for size in BYTES), "CPU a MB", "p50", title="Route with an image, one caller"
    )
    figures = dict[str, float]()
    for name, gateway in (("echo", ECHO), ("three", THREE), ("one", ONE)):
        rows = [results[gateway.title + _suffix(size)] for size in BYTES]
        costs_us = [row["cpu_us_1"] for row in rows]
        a_mb_us = (costs_us[-1] - costs_us[0]) / (BYTES[-1] - BYTES[0]) * 1e6
        figures[f"image_{name}_cpu_us_per_mb"] = a_mb_us
        figures[f"image_{name}_errors"] = sum(row["errors"] for row in rows)
        table.add_row(
            gateway.title,
            *(f"{cost:,.0f} µs" for cost in costs_us),
            f"{a_mb_us:,.0f} µs",
            f"{rows[-1]['p50_ms_1']:.0f} ms",
        )
    short = [f"{name} answered not all images rightly" for name in ("three", "one") if figures[f"image_{name}_errors"]]
    return Findings(tables=(table,), figures=figures, falls_short=tuple(short))


def _imaged(gateway: Gateway) -> Gateway:
    """Return the gateway with a row for each size."""

    def start(url: str, folder: Path) -> Started:
        how = gateway.start(url, folder)
        others = {_suffix(size): (gateway.does, replace(how.target, category="", image_bytes=size)) for size in BYTES}
        return replace(how, others=others)

    return replace(gateway, start=start)


def _suffix(size: int) -> str:
    return f", {size / 1e6:g} MB"
