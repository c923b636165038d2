"""`make soak MINUTES=10`: steady load on the three services; memory and descriptors stay flat, or are named."""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from tests.soak.course import soak
from tests.soak.picture import picture
from tests.soak.verdict import MIB_AN_HOUR, Verdict, judge

WIDTH = 120
"""Columns where no terminal says how many it has."""


def main(words: Sequence[str] | None = None) -> int:
    """Run, print the tables, with --json all figures on the last line; return 1 when something is not flat."""
    arguments = _parser().parse_args(words)
    console = Console(stderr=arguments.json, width=WIDTH if not sys.stdout.isatty() else None)

    def tell(line: str) -> None:
        console.print(line, highlight=False)

    seen = asyncio.run(soak(seconds=60 * arguments.minutes, rate=arguments.rate, tell=tell))
    verdict = judge(seen, Random(arguments.seed))
    console.print(_kept(verdict))
    console.print(_minutes(verdict))
    if verdict.p99:
        tell(f"p99: {verdict.p99.slope:+.2f} ms a minute, 95 % from {verdict.p99.low:+.2f} to {verdict.p99.high:+.2f}")
    tell(
        "Slopes are least squares over the second half; intervals are 95 % by moving-block bootstrap. "
        f"Flat: the interval holds zero, or stays below {MIB_AN_HOUR:g} MiB an hour."
    )
    if arguments.picture:
        arguments.picture.write_text(picture(seen, verdict), encoding="utf-8")
        tell(f"picture: {arguments.picture}")
    short = verdict.falls_short
    for sentence in short:
        tell(f"falls short: {sentence}")
    tell("flat" if not short else f"{len(short)} bounds do not hold")
    if arguments.json:
        print(json.dumps({"ok": not short, "falls_short": short, **asdict(verdict)}))
    return 1 if short else 0


def _kept(verdict: Verdict) -> Table:
    table = Table("service", title=f"{verdict.calls:,} calls answered, {verdict.failed} not")
    for heading in ("MiB at first", "MiB at last", "MiB an hour", "95 %", "descriptors, 2nd and last quarter"):
        table.add_column(heading, justify="right")
    for kept in verdict.kept:
        fit = kept.memory
        table.add_row(
            kept.service,
            f"{kept.first_mib:.1f}",
            f"{kept.last_mib:.1f}",
            f"{fit.slope:+.2f}" if fit else "?",
            f"{fit.low:+.2f} to {fit.high:+.2f}" if fit else "?",
            f"{kept.descriptors_before}, {kept.descriptors_after}",
        )
    return table


def _minutes(verdict: Verdict) -> Table:
    table = Table("minute", title="How long calls took, in ms")
    for heading in ("calls", "p50", "p99"):
        table.add_column(heading, justify="right")
    for minute in verdict.minutes:
        table.add_row(str(minute.number), f"{minute.calls:,}", f"{minute.p50_ms:.1f}", f"{minute.p99_ms:.1f}")
    return table


def _long_enough(given: str) -> float:
    """Read minutes. Raises ArgumentTypeError: what nobody watched would be called flat."""
    try:
        minutes = float(given)
    except ValueError:
        minutes = math.nan
    if not 1 <= minutes < math.inf:
        raise argparse.ArgumentTypeError(f"it is {given}; give 1 or more")
    return minutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=_long_enough, default=10.0, help="how long, 1 or more")
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second; fewer than this machine can do")
    parser.add_argument("--seed", type=int, default=1, help="of the bootstrap")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw memory over time")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
