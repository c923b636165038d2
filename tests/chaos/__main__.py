"""`make chaos`: the real stack while parts are killed, stopped, cut off and lied to; invariants hold or are named."""

import argparse
import asyncio
import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from tests.chaos.course import Plan, run
from tests.chaos.outage import Fault
from tests.chaos.report import document, judge, show

WIDTH = 150


def main(words: Sequence[str] | None = None) -> int:
    """Run, print the tables, with --json all figures on the last line; return 1 when an invariant is broken."""
    arguments = _parser().parse_args(words)
    if shutil.which("redis-server") is None:
        sys.exit("chaos: redis-server is not on PATH; get it with: apt-get install redis-server, or brew install redis")
    plan = Plan(
        seed=arguments.seed,
        seconds=60 * arguments.minutes,
        rate=arguments.rate,
        only=tuple(map(Fault, arguments.only or ())),
    )
    console = Console(stderr=arguments.json, width=WIDTH if not sys.stdout.isatty() else None)

    def tell(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    tell(f"chaos: seed {plan.seed}, {arguments.minutes:g} min, {plan.rate:g} calls a second")
    seen = asyncio.run(run(plan, tell=tell, folder=arguments.keep))
    findings = judge(seen)
    show(seen, findings, console)
    said = document(seen, findings)
    if arguments.json:
        print(json.dumps(said))
    return 0 if said["ok"] else 1


def _long_enough(given: str) -> float:
    """Read minutes. Raises ArgumentTypeError: where nothing happened, everything would hold."""
    try:
        minutes = float(given)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"it is {given}; give more than 0")
    return minutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=_long_enough, default=3.0, help="how long faults come; 20 for the whole")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1, 10_000), help="of faults and callers")
    parser.add_argument("--rate", type=float, default=6.0, help="calls a second")
    parser.add_argument("--only", action="append", choices=[*Fault], help="a fault; may be given again; else all")
    parser.add_argument("--keep", type=Path, help="an empty folder that keeps logs, books and Redis's files")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
