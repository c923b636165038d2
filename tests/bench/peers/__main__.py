"""`make bench-peers`: Pointsman and other gateways before the same provider, under the same load, in one run.

Rounds are interleaved, so that whatever else the machine does hits all alike; no two prompts are the same.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.bench.peers import tables
from tests.bench.peers.course import Course, Pace, measure
from tests.bench.peers.figures import MANY, falls_short, speed
from tests.bench.peers.gateways import GATEWAYS, LOOP, ROOT, versions

RESULTS = Path(__file__).parents[1] / "results" / "peers.json"
README = ROOT / "README.md"
WIDTH = 200


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
    course = asyncio.run(measure(gateways, Pace(rounds=arguments.rounds, seconds=arguments.seconds)))
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
