"""The waste matrix: every traffic under every limit, configured or not, through one Executor and through four."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from os import cpu_count

from rich.table import Table

from tests.waste.cells import CELLS, TRAFFICS, Cell, falls_short
from tests.waste.drive import Figures, figures_of

Results = dict[str, Figures]
"""Figures by the name of the cell."""


def measure(cells: Sequence[Cell], *, seed: int, tell: Callable[[str], None]) -> Results:
    """Return the figures of the cells, run side by side; `tell` is told of each that is done."""
    results: Results = {}
    with ProcessPoolExecutor(max_workers=cpu_count(), mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(figures_of, cell, seed=seed): cell for cell in cells}
        for done in as_completed(pending):
            cell, figures = pending[done], done.result()
            results[cell.name] = figures
            tell(f"[{len(results)}/{len(cells)}] {in_short(cell, figures)}")
    return {cell.name: results[cell.name] for cell in cells}


def in_short(cell: Cell, figures: Figures) -> str:
    """Return one line about a cell."""
    mark = "falls short" if falls_short(cell, figures) else "ok"
    return (
        f"{mark:11} {cell.name}: {figures['requests']:.0f} requests, {figures['wasted']:.0f} wasted, "
        f"{figures['preferred_share']:.1%} of what the preferred model may serve"
    )


def shortfalls(cells: Iterable[Cell], results: Mapping[str, Figures]) -> list[str]:
    """Return a sentence for each bound that does not hold."""
    return [sentence for cell in cells for sentence in falls_short(cell, results[cell.name])]


def tables(results: Mapping[str, Figures]) -> Iterator[Table]:
    """Return a table for each number of Executors: wasted share, and share of what the preferred model may serve."""
    for replicas in (1, 4):
        cells = [cell for cell in CELLS if cell.replicas == replicas and cell.name in results]
        traffics = [traffic.name for traffic in TRAFFICS if any(cell.traffic is traffic for cell in cells)]
        if not cells:
            continue
        title = f"{replicas} Executor{'s over one ledger' if replicas > 1 else ''}: wasted / served of what is allowed"
        table = Table("limits", "known", *traffics, title=title)
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for cell in cells:
            row = rows.setdefault((cell.terms.name, "configured" if cell.configured else "no"), {})
            row[cell.traffic.name] = _entry(cell, results[cell.name])
        for (terms, known), row in sorted(rows.items()):
            table.add_row(terms, known, *(row.get(traffic, "") for traffic in traffics))
        yield table


def summary(results: Mapping[str, Figures]) -> Figures:
    """Return the sums that scripts read: worst and total waste of both kinds of cells, the worst share, the lost."""
    known = [results[cell.name] for cell in CELLS if cell.name in results and not cell.is_learned]
    learned = [results[cell.name] for cell in CELLS if cell.name in results and cell.is_learned]
    everything = known + learned
    calls = sum(figures["requests"] * figures["calls_per_request"] for figures in everything)
    return {
        "cells": len(everything),
        "requests": sum(figures["requests"] for figures in everything),
        "lost": sum(figures["lost"] for figures in everything),
        "calls_per_request": round(calls / max(1, sum(figures["requests"] for figures in everything)), 4),
        "known_wasted_worst": max((figures["wasted_share"] for figures in known), default=0.0),
        "learned_wasted_worst": max((figures["wasted_share"] for figures in learned), default=0.0),
        "preferred_share_worst": min((figures["preferred_share"] for figures in everything), default=1.0),
        "added_mean_s_worst": max((figures["added_mean_s"] for figures in everything), default=0.0),
    }


def _entry(cell: Cell, figures: Figures) -> str:
    entry = f"{figures['wasted_share']:.2%} / {figures['preferred_share']:.1%}"
    return f"[bold red]{entry}[/]" if falls_short(cell, figures) else entry
