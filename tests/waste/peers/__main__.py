"""`make waste-peers`: Pointsman and LiteLLM on the same traffic against the same providers, on the wire, in real time.

All cells run side by side, because real minutes are what limits count and a cell is nearly always waiting.
"""

import argparse
import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console

from pointsman.domain.clock import SystemClock
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.traffic import Arrival
from tests.waste.oracle import allowance
from tests.waste.peers.arms import PEER_PYTHON, ArmProcess
from tests.waste.peers.cells import ANSWER_S, CELLS, PER_MINUTE, PREFERRED, QUICK_CELLS, SECOND, Cell
from tests.waste.peers.figures import ARMS, MOST_BUSY, Results, falls_short, figures_of, table_of, totals
from tests.waste.peers.work import End, Job, Ready, Run

RESULTS = Path(__file__).parents[1] / "results" / "waste-peers.json"
TELL_S = 15.0
WARM_UPS = 5
WIDTH = 160

LEGEND = """\
wasted: refused at the provider's door, of all calls. lost: not answered within {deadline_s:.0f} s.
+s: mean time of an answered request beyond the {answer_s} s that an answer takes.
preferred: what the preferred model answered, of what its limit had room for when requests came (who waits can pass it).
Machine: {cores} cores, {busy_share:.0%} busy; above {most_busy:.0%}, arms wait for each other: no latencies then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is run: `seconds` of traffic, then at most `deadline_s` until the last request has ended."""

    cells: Sequence[Cell]
    seconds: float
    deadline_s: float
    load: float = 1.0


WHOLE = Extent(cells=CELLS, seconds=225.0, deadline_s=90.0)
QUICK = Extent(cells=QUICK_CELLS, seconds=20.0, deadline_s=12.0, load=4.0)


@dataclass(slots=True, kw_only=True)
class Course:
    """A run under way: the worlds by cell and arm, and what has been heard."""

    extent: Extent
    seed: int
    traffic: list[Sequence[Arrival]] = field(default_factory=list)
    worlds: dict[tuple[int, str], Simulation] = field(default_factory=dict)
    warm_up_url: str = ""
    ends: dict[tuple[int, str], list[End]] = field(default_factory=lambda: defaultdict(list))
    about: dict[str, Ready] = field(default_factory=dict)
    started_at: float = 0.0
    busy_share: float = 0.0
    """How much of the machine was busy while the requests came, whoever it was busy for."""

    def job(self, arm_title: str, arm_name: str) -> Job:
        """Return what one arm has to do."""
        return Job(
            arm=arm_name,
            preferred=PREFERRED,
            second=SECOND,
            per_minute=PER_MINUTE,
            deadline_s=self.extent.deadline_s,
            runs=tuple(
                Run(
                    id=number,
                    base_url=self.worlds[number, arm_title].base_urls["openai"],
                    arrivals=tuple((arrival.at_s, arrival.prompt.text) for arrival in traffic),
                )
                for number, traffic in enumerate(self.traffic)
            ),
            warm_up=Run(
                id=len(self.traffic), base_url=self.warm_up_url, arrivals=((0.0, "Are you there?"),) * WARM_UPS
            ),
        )

    def results(self) -> Results:
        """Return the figures so far."""
        started = datetime.fromtimestamp(self.started_at, UTC)
        return {
            cell.name: {
                arm.title: figures_of(
                    self.ends[number, arm.title],
                    self.worlds[number, arm.title].tallies,
                    requests=len(traffic),
                    allowed=allowance(cell.provider, traffic, start=started, seed=self.seed),
                )
                for arm in ARMS
            }
            for number, (cell, traffic) in enumerate(zip(self.extent.cells, self.traffic, strict=True))
        }

    def progress(self) -> str:
        """Return one line on how far it is."""
        requests = sum(len(traffic) for traffic in self.traffic) * len(ARMS)
        ended = sum(len(ends) for ends in self.ends.values())
        wasted = (
            f"{arm.title} {sum(self.worlds[n, arm.title].tallies.total.wasted for n in range(len(self.traffic)))}"
            for arm in ARMS
        )
        passed_s = time.time() - self.started_at
        return f"[{passed_s:4.0f} s] {ended} of {requests} requests ended; wasted: {'; '.join(wasted)}"


async def measure(extent: Extent, *, seed: int) -> Course:
    """Run every arm in every cell of the extent, each with an account of its own."""
    course, clock = Course(extent=extent, seed=seed), SystemClock()
    course.traffic = [cell.arrivals(extent.seconds, seed=seed, load=extent.load) for cell in extent.cells]
    async with AsyncExitStack() as stack:
        for number, cell in enumerate(extent.cells):
            for arm in ARMS:
                world = await stack.enter_async_context(serve(cell.scenario, clock=clock, seed=seed))
                course.worlds[number, arm.title] = world
        free = await stack.enter_async_context(serve(CELLS[0].scenario.without_limits(), clock=clock, seed=seed))
        course.warm_up_url = free.base_urls["openai"]
        processes = {}
        for arm in ARMS:
            processes[arm.title] = await ArmProcess.start(arm, course.job(arm.title, arm.name))
            stack.push_async_callback(processes[arm.title].stop)
        for title, process in processes.items():
            course.about[title] = await process.ready()
            print(f"{title}: {course.about[title].version}, {course.about[title].settings}", flush=True)
        psutil.cpu_percent()  # what the next one counts from
        await _work(course, processes)
        course.busy_share = psutil.cpu_percent() / 100
    return course


async def _work(course: Course, processes: dict[str, ArmProcess]) -> None:
    course.started_at = time.time() + 1.0

    async def work(title: str, process: ArmProcess) -> None:
        await process.work(course.started_at, lambda end: course.ends[end.run, title].append(end))

    async def tell() -> None:
        while True:
            await asyncio.sleep(TELL_S)
            print(course.progress(), flush=True)

    teller = asyncio.create_task(tell())
    try:
        async with asyncio.TaskGroup() as tasks:
            for title, process in processes.items():
                tasks.create_task(work(title, process))
    finally:
        teller.cancel()


def main() -> int:
    """Run, print the table, write the results; return 1 when a promise of Pointsman does not hold."""
    parser = argparse.ArgumentParser(prog="waste-peers", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of traffic and providers")
    parser.add_argument("--quick", action="store_true", help="three cells in less than a minute, to see that it runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the figures go")
    arguments = parser.parse_args()
    if not PEER_PYTHON.exists():
        parser.error(f"{PEER_PYTHON} is missing; `make waste-peers` installs it")
    course = asyncio.run(measure(QUICK if arguments.quick else WHOLE, seed=arguments.seed))
    short = _report(course, arguments.out, as_json=arguments.json)
    return 1 if short else 0


def _report(course: Course, out: Path, *, as_json: bool) -> list[str]:
    """Print the table and write the results to `out`; return a sentence for each promise that does not hold."""
    results, extent = course.results(), course.extent
    short = [sentence for cell in extent.cells for sentence in falls_short(cell, results[cell.name])]
    machine = {"cores": os.cpu_count(), "busy_share": course.busy_share}
    figures = {
        "versions": {title: {"version": it.version, "settings": it.settings} for title, it in course.about.items()},
        "machine": machine,
        "seed": course.seed,
        "totals": totals(results),
        "cells": results,
    }
    document = json.dumps({"ok": not short, "figures": figures, "falls_short": short})
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(document + "\n")
    Console(width=WIDTH).print(table_of(results, busy_share=course.busy_share))
    print(LEGEND.format(deadline_s=extent.deadline_s, answer_s=ANSWER_S, most_busy=MOST_BUSY, **machine))
    print(f"figures: {out}")
    for sentence in short:
        print(f"falls short: {sentence}")
    if as_json:
        print(document)
    return short


if __name__ == "__main__":
    raise SystemExit(main())
