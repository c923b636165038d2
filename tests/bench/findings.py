"""What a section of the benchmark found, and the loop that says how fast this machine is at that moment."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure: interleaved rounds, and calls a variant in each; for streams, their tokens and how long.

    `slice_s` is how long a variant is asked in a round where the load is a process of its own. `streams` is how many
    run at once where there are many.
    """

    rounds: int
    calls: int
    tokens: int
    seconds: int
    slice_s: float = 0.5
    streams: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Tables for people with a remark below each section, figures for scripts, and which bounds do not hold.

    `skipped` has a sentence for what could not be measured on this machine.
    """

    tables: tuple[Table, ...]
    figures: Mapping[str, float]
    remark: str = ""
    falls_short: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def verdict(found: Iterable[Findings]) -> dict[str, object]:
    """Return what all sections together came to, as a script reads it."""
    sections = tuple(found)
    short = [sentence for section in sections for sentence in section.falls_short]
    return {
        "ok": not short,
        "figures": {name: round(value, 3) for section in sections for name, value in section.figures.items()},
        "falls_short": short,
        "skipped": [sentence for section in sections for sentence in section.skipped],
    }


def spin_s() -> float:
    """Return the seconds that a fixed loop takes: the calibration of this machine at this moment."""
    began = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number
    return time.perf_counter() - began


def timed_us(step: Callable[[], object], times: int = 100_000) -> float:
    """Return the CPU microseconds that one step takes, the call of it included."""
    began = time.process_time()
    for _ in range(times):
        step()
    return (time.process_time() - began) / times * 1e6
