"""The section `start`: what it takes until something is there, and the memory it then holds.

Of several starts the shortest counts: what else a machine does is no property of Pointsman.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from tests.bench.findings import Effort, Findings
from tests.bench.peers.arms import started
from tests.bench.peers.gateways import ONE, THREE, Gateway
from tests.bench.peers.load import Slice

HELP_S: Final = 0.3
UP_S: Final = 1.5
RSS_MIB: Final = 150.0

MOST_STARTS: Final = 5


def measure(effort: Effort) -> Findings:
    """Return the shortest of some starts, and what the last one held after a thousand calls or so."""
    starts = min(effort.rounds, MOST_STARTS)
    figures = {
        "start_help_s": min(_help_s() for _ in range(starts)),
        "start_python_s": min(_bare_s() for _ in range(starts)),
    }
    for name, gateway in (("one", ONE), ("three", THREE)):
        took = [asyncio.run(_up(gateway, effort.slice_s)) for _ in range(starts)]
        figures[f"start_{name}_s"] = min(startup_s for startup_s, _, _ in took)
        figures[f"start_{name}_rss_mib"], figures[f"start_{name}_loaded_rss_mib"] = took[-1][1:]
    table = Table("", "figure", "bound", title=f"Start and memory, the best of {starts}")
    table.add_row("python -c pass", f"{figures['start_python_s']:.2f} s", "")
    table.add_row("pointsman --help", f"{figures['start_help_s']:.2f} s", f"{HELP_S} s")
    table.add_row("pointsman up, to the first answer", f"{figures['start_one_s']:.2f} s", f"{UP_S} s")
    table.add_row("three processes, to the first answer", f"{figures['start_three_s']:.2f} s", "")
    for name, title, bound in (("one", "pointsman up", f"{RSS_MIB:.0f} MiB"), ("three", "three processes", "")):
        table.add_row(f"RSS of {title}", f"{figures[f'start_{name}_rss_mib']:.0f} MiB", bound)
        table.add_row("the same after load", f"{figures[f'start_{name}_loaded_rss_mib']:.0f} MiB", bound)
    return Findings(tables=(table,), figures=figures, falls_short=tuple(falls_short(figures)))


def falls_short(figures: Mapping[str, float]) -> list[str]:
    """Return a sentence for each bound that does not hold."""
    bounds = (
        ("start_help_s", HELP_S, "pointsman --help takes {:.2f} s, promised {}"),
        ("start_one_s", UP_S, "pointsman up answers after {:.2f} s, promised {}"),
        ("start_one_loaded_rss_mib", RSS_MIB, "the whole stack holds {:.0f} MiB after load, promised {:.0f}"),
    )
    return [sentence.format(figures[name], bound) for name, bound, sentence in bounds if figures[name] > bound]


def _help_s() -> float:
    return _taken_s("-m", "pointsman", "--help")


def _bare_s() -> float:
    return _taken_s("-c", "pass")


def _taken_s(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run((sys.executable, *words), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


async def _up(gateway: Gateway, seconds: float) -> tuple[float, float, float]:
    """Return the seconds to the first answer, and the MiB that it holds then and after load."""
    with TemporaryDirectory() as folder:
        async with started((gateway,), Path(folder)) as (arm, *_):
            first_mib = arm.rss_mib()
            await arm.load.run(Slice(callers=64, seconds=2 * seconds, series="memory"))
            return arm.startup_s, first_mib, arm.rss_mib()
