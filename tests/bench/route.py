"""The section `route`: one Route over three processes and within one, at 1 to 256 callers, beside a bare echo.

The provider answers at once. The load is a process of its own, rounds take turns, and no two prompts are alike.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from rich.table import Table

from tests.bench.findings import Effort, Findings
from tests.bench.peers.course import Course, Pace
from tests.bench.peers.course import measure as run
from tests.bench.peers.figures import MANY, Results, falls_short, speed
from tests.bench.peers.gateways import ECHO, ONE, PROVIDER, RULED, THREE

CALLERS: Final = (1, 16, MANY, 256)
SHORT: Final = {
    PROVIDER.title: "provider",
    ECHO.title: "echo",
    THREE.title: "three",
    THREE.title + RULED: "three_ruled",
    ONE.title: "one",
    ONE.title + RULED: "one_ruled",
}
"""What figures are called by, for the title of a row."""


def measure(effort: Effort) -> Findings:
    """Return what one run came to. "Classifier rules" is Route as it is called by default, and what is promised of."""
    pace = Pace(rounds=effort.rounds, seconds=effort.slice_s, callers=CALLERS, warm_up_calls=effort.calls)
    course = asyncio.run(run((PROVIDER, ECHO, THREE, ONE), pace))
    return Findings(
        tables=(table_of(course.results, "Route before a provider that answers at once", CALLERS),),
        figures=figures_of(course.results),
        remark=_remark(course),
        falls_short=tuple(falls_short(course.results)),
    )


def table_of(results: Results, title: str, callers: Sequence[int]) -> Table:
    """Return CPU and times of every row at each number of callers."""
    table = Table("", *(f"{count} callers: CPU, p50 / p99" for count in callers), title=title)
    for name, figures in results.items():
        table.add_row(
            name,
            *(
                f"{figures[f'cpu_us_{count}']:,.0f} µs, {figures[f'p50_ms_{count}']:.2f} / "
                f"{figures[f'p99_ms_{count}']:.1f} ms"
                for count in callers
            ),
        )
    return table


def figures_of(results: Results, prefix: str = "route") -> dict[str, float]:
    """Return all figures by one name each."""
    return {
        f"{prefix}_{SHORT[title]}_{name}": figure
        for title, figures in results.items()
        for name, figure in figures.items()
    }


def _remark(course: Course) -> str:
    rates = ", ".join(
        f"{SHORT[title].replace('_', ' ')} {figures['per_core_s']:,.0f}"
        for title, figures in course.results.items()
        if title != PROVIDER.title
    )
    echo = course.results[ECHO.title][f"cpu_us_{MANY}"]
    beside = ", ".join(
        f"{title} {course.results[title][f'cpu_us_{MANY}'] / echo:.1f}"
        for title in (THREE.title + RULED, ONE.title + RULED)
    )
    return (
        f"Requests a core-second at {MANY} callers: {rates}. In echoes: {beside}. "
        f"By the echo this machine ran at {speed(course.results):.0%} of the reference machine's speed. Promised of "
        "Route with the classifier: 600 a core-second and 3 ms added at one caller over three processes, 1,700 and "
        "1.2 ms within one."
    )
