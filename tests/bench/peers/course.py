"""A run: gateways started one after another before the same provider, then loaded in turns."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests.bench.findings import spin_s
from tests.bench.peers.arms import Arm, started
from tests.bench.peers.figures import ALONE, MANY, Meter, Results, compared, row
from tests.bench.peers.gateways import PROVIDER, Gateway
from tests.bench.peers.load import Slice

MOST_WARM_UPS: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is measured: rounds of `seconds` at each number of callers. `delay_ms` is what the provider takes.

    Before, each is asked `warm_up_calls`, or as many as it answers in MOST_WARM_UPS slices: a compiler that learns
    while it runs needs to see some thousands.
    """

    rounds: int
    seconds: float
    callers: tuple[int, ...] = (ALONE, MANY)
    warm_up_calls: int = 4_000
    delay_ms: float = 0.0


@dataclass(slots=True, kw_only=True)
class Course:
    """A run: its figures by row, what each row does, how the machine was."""

    results: Results = field(default_factory=dict)
    does: dict[str, str] = field(default_factory=dict)
    spins_s: list[float] = field(default_factory=list)
    busy_share: float = 0.0
    """How much of the machine others used meanwhile is in here too."""


async def measure(gateways: Sequence[Gateway], pace: Pace) -> Course:
    """Start all, warm each up, and load one after another, in another order each round."""
    course = Course()
    with tempfile.TemporaryDirectory() as folder:
        async with started(gateways, Path(folder), delay_ms=pace.delay_ms) as arms:
            meters = {arm.title: {callers: Meter() for callers in pace.callers} for arm in arms}
            for arm in arms:
                print(f"{arm.title}: answered {arm.startup_s:.1f} s after its start", file=sys.stderr, flush=True)
                await _warm_up(arm, pace)
            psutil.cpu_percent()  # what the next one counts from
            for number in range(pace.rounds):
                course.spins_s.append(spin_s())
                shift = number % len(arms)
                await _round(number, [*arms[shift:], *arms[:shift]], meters, pace.seconds)
                print(f"round {number + 1} of {pace.rounds}", file=sys.stderr, flush=True)
            course.busy_share = psutil.cpu_percent() / 100
            for arm in arms:
                course.results[arm.title] = row(meters[arm.title], startup_s=arm.startup_s, rss_mib=arm.rss_mib())
                course.does[arm.title] = arm.does
    if PROVIDER.title in course.results:
        compared(course.results)
    return course


async def _warm_up(arm: Arm, pace: Pace) -> None:
    calls = 0
    for number in range(MOST_WARM_UPS):
        wanted = Slice(callers=max(pace.callers), seconds=pace.seconds, series=f"{arm.title}, warm-up {number}")
        took = await arm.load.run(wanted)
        calls += len(took.durations_s)
        if calls >= pace.warm_up_calls:
            return


async def _round(number: int, arms: Sequence[Arm], meters: Mapping[str, Mapping[int, Meter]], seconds: float) -> None:
    for arm in arms:
        for callers, meter in meters[arm.title].items():
            wanted = Slice(callers=callers, seconds=seconds, series=f"{arm.title}, {callers}, {number}")
            meter.add(*await arm.ask(wanted))
