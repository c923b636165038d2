"""`make waste`: the busy hour, the waste matrix and the idea's month, on a virtual clock; bounds hold or are named."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.table import Table

from pointsman.cli import comparison
from tests.waste import busy_hour, matrix, month
from tests.waste.cells import CELLS, Cell

RESULTS = Path(__file__).parent / "results" / "waste.json"
SECTIONS = ("hour", "matrix", "month")


def main(words: Sequence[str] | None = None) -> int:
    """Run, print tables, write the figures to a file; return 1 when a bound does not hold."""
    arguments = _parser().parse_args(words)
    sections = arguments.only or SECTIONS
    console, began = Console(stderr=arguments.json), monotonic()
    short: list[str] = []
    figures: dict[str, object] = {"seed": arguments.seed}
    if "hour" in sections:
        figures["hour"] = _hour(console, short, arguments.seed, arguments.load)
    if "matrix" in sections:
        figures |= _matrix(console, short, _chosen(arguments.cell), arguments.seed)
    if "month" in sections:
        figures["month"] = _month(console, short, arguments.seed, whole=arguments.whole_month)
    for sentence in short:
        console.print(f"falls short: {sentence}", highlight=False)
    verdict = {"ok": not short, "figures": figures, "falls_short": short}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(verdict, indent=1) + "\n")
    bounds = "every bound holds" if not short else f"{len(short)} bounds do not hold"
    console.print(f"{bounds}; {monotonic() - began:.0f} s; figures in {arguments.out}")
    if arguments.json:
        print(json.dumps(verdict))
    return 1 if short else 0


def _hour(console: Console, short: list[str], seed: int, load_factor: float) -> dict[str, object]:
    before, after = busy_hour.measure(seed, load_factor)
    console.print(comparison.table_of(before, after))
    short += [f"the busy hour: {sentence}" for sentence in comparison.falls_short(after)]
    return {"before": before, "after": after}


def _matrix(console: Console, short: list[str], cells: Sequence[Cell], seed: int) -> dict[str, object]:
    results = matrix.measure(cells, seed=seed, tell=lambda line: console.print(line, highlight=False))
    for table in matrix.tables(results):
        console.print(table)
    short += matrix.shortfalls(cells, results)
    sums = matrix.summary(results)
    totals = Table("the matrix", "")
    for name, figure in sums.items():
        totals.add_row(name.replace("_", " "), f"{figure:,.4g}")
    console.print(totals)
    return {"matrix": sums, "cells": results}


def _month(console: Console, short: list[str], seed: int, *, whole: bool) -> dict[str, object]:
    console.print(month.MIX)
    chosen = month.days(whole=whole, seed=seed)
    figures = month.measure(chosen, tell=lambda line: console.print(line, highlight=False))
    console.print(month.table_of(figures))
    if not whole:
        console.print("One working day and one of weekend stand for the others; --whole-month runs all thirty.")
    short += month.falls_short(figures["after"])
    return dict(figures)


def _chosen(part: str) -> list[Cell]:
    chosen = [cell for cell in CELLS if part in cell.name]
    if not chosen:
        sys.exit(f"no cell has {part!r} in its name, such as {CELLS[-1].name!r}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make waste", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of traffic and providers")
    parser.add_argument("--load", type=float, default=1.0, help="times the traffic of the busy hour")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section; may be given again; else all")
    parser.add_argument("--cell", default="", help="only the cells of the matrix with this in their name")
    parser.add_argument("--whole-month", action="store_true", help="all thirty days; some ten minutes on two cores")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file that all figures are written to")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
