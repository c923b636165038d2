"""`make bench-peers`: Pointsman and other gateways before the same provider, under the same load, in one run.

Rounds are interleaved, so that whatever else the machine does hits all alike; no two prompts are the same.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console

from tests.bench.findings import spin_s
from tests.bench.peers import tables
from tests.bench.peers.arms import Arm, started
from tests.bench.peers.figures import ALONE, MANY, Meter, Results, compared, falls_short, row, speed
from tests.bench.peers.gateways import GATEWAYS, LOOP, ROOT, Gateway, versions
from tests.bench.peers.load import Slice

RESULTS = Path(__file__).parents[1] / "results" / "peers.json"
README = ROOT / "README.md"
WIDTH = 200
WARM_UP_S = 3.0
"""Some thousand calls: as many as a compiler that learns while it runs needs to see."""


@dataclass(slots=True, kw_only=True)
class Course:
    """A run: its figures by row, what each row does, how the machine was."""

    results: Results = field(default_factory=dict)
    does: dict[str, str] = field(default_factory=dict)
    spins_s: list[float] = field(default_factory=list)
    busy_share: float = 0.0
    """How much of the machine others used meanwhile is in here too."""


async def measure(gateways: Sequence[Gateway], *, rounds: int, seconds: float, warm_up_s: float = WARM_UP_S) -> Course:
    """Start all, warm each up, and load one after another, in another order each round."""
    course = Course()
    with tempfile.TemporaryDirectory() as folder:
        async with started(gateways, Path(folder)) as arms:
            meters = {arm.title: {ALONE: Meter(), MANY: Meter()} for arm in arms}
            for arm in arms:
                print(f"{arm.title}: answered {arm.startup_s:.1f} s after its start", file=sys.stderr, flush=True)
                await arm.load.run(Slice(callers=MANY, seconds=warm_up_s, series=f"{arm.title}, warm-up"))
            psutil.cpu_percent()  # what the next one counts from
            for number in range(rounds):
                course.spins_s.append(spin_s())
                shift = number % len(arms)
                await _round(number, [*arms[shift:], *arms[:shift]], meters, seconds)
                print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            course.busy_share = psutil.cpu_percent() / 100
            for arm in arms:
                course.results[arm.title] = row(meters[arm.title], startup_s=arm.startup_s, rss_mib=arm.rss_mib())
                course.does[arm.title] = arm.does
    compared(course.results)
    return course


async def _round(number: int, arms: Sequence[Arm], meters: Mapping[str, Mapping[int, Meter]], seconds: float) -> None:
    for arm in arms:
        for callers, meter in meters[arm.title].items():
            wanted = Slice(callers=callers, seconds=seconds, series=f"{arm.title}, {callers}, {number}")
            meter.add(*await arm.ask(wanted))


def caption(course: Course, arguments: argparse.Namespace) -> str:
    """Return versions, settings and what is counted."""
    loop = course.results[LOOP.title]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {course.busy_share:.0%} busy, "
        f"CPython {platform.python_version()}; {', '.join(versions())}. "
        f"{arguments.rounds} interleaved rounds of {arguments.seconds:g} s. By the echo this machine ran at "
        f"{speed(course.results):.0%} of the reference machine's speed; 200,000 turns of a bare loop took "
        f"{statistics.median(course.spins_s) * 1e3:.1f} ms. Each has one worker, asks callers for no key, and has a "
        "second model to fall back to. CPU is that of the gateway's processes alone, TensorZero's that of the process "
        f"which embeds it: {loop[f'cpu_us_{MANY}']:.0f} µs of it are the loop that asks. RSS is taken after the load; "
        "the start ends with the first answer. Pointsman has its defaults, a quota written down for both models, and "
        "the embedded classifier."
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the figures; return 1 when a promise does not hold."""
    arguments = _parser().parse_args(words)
    gateways = [gateway for gateway in GATEWAYS if gateway.is_installed]
    missing = [
        f"{gateway.title}: not measured, {gateway.needs} is missing; `make bench-peers` installs it where it can"
        for gateway in GATEWAYS
        if not gateway.is_installed
    ]
    course = asyncio.run(measure(gateways, rounds=arguments.rounds, seconds=arguments.seconds))
    short, about = [*falls_short(course.results)], caption(course, arguments)
    Console(width=WIDTH).print(tables.table_of(course.results, course.does, about))
    for sentence in [*missing, *(f"falls short: {sentence}" for sentence in short)]:
        print(sentence)
    document = {"ok": not short, "caption": about, "figures": course.results, "falls_short": short, "skipped": missing}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")
    print(f"figures: {arguments.out}")
    if arguments.readme:
        tables.rewrite(README, tables.markdown_of(course.results, course.does, about))
    return 1 if short else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="interleaved rounds")
    parser.add_argument("--seconds", type=float, default=1.5, help="of load a row and round, at each number of callers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--readme", action="store_true", help="put the table into the README too")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
