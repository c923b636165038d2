"""A few cells of the waste matrix that are quick, at the full bounds; `make waste` runs all of them."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from pointsman.cli.comparison import START
from pointsman.domain.clock import SystemClock
from pointsman.domain.pool import Unit
from pointsman.simulator.scenario import Algorithm, LatencyProfile, LimitProfile
from tests.waste import report
from tests.waste.cells import BURSTS_OF_10, BURSTS_OF_50, CALM, CELLS, POISSON, Cell, Traffic, falls_short
from tests.waste.drive import figures_of, run, run_on_the_wire
from tests.waste.oracle import allowance
from tests.waste.terms import TERMS, Says, Terms

QUARTER = 900.0
PROMPT = LatencyProfile(first_token_s=0.1, spread=0.1, per_token_s=0.0)


def quick_cells() -> Iterator[Cell]:
    """Yield every way of counting that is stated, and every other one that is known beforehand and exact.

    Not tokens: their estimates need longer than a quarter of an hour to settle; `make waste` has them.
    """
    for cell in CELLS:
        if cell.terms.limit.unit is Unit.TOKENS:
            continue
        exact = cell.terms.limit.unit is Unit.CONCURRENCY or cell.terms.limit.is_daily
        known = cell.terms.says is Says.ALL if not exact else cell.configured
        if known and cell.traffic in {BURSTS_OF_10, BURSTS_OF_50} and cell.replicas == (1 if cell.configured else 4):
            yield replace(cell, traffic=replace(cell.traffic, seconds=QUARTER))


@pytest.mark.parametrize("cell", [*quick_cells()], ids=lambda cell: cell.name.replace(" ", "-"))
def test_every_bound_holds_where_limits_are_known(cell: Cell) -> None:
    figures = figures_of(cell, seed=1)

    assert falls_short(cell, figures) == []


@pytest.mark.parametrize("traffic", [BURSTS_OF_10, POISSON], ids=lambda traffic: traffic.name.replace(" ", "-"))
def test_limits_that_nobody_tells_are_learned(traffic: Traffic) -> None:
    terms = next(each for each in TERMS if each.counts == "sliding minute" and each.says is Says.NOTHING)

    cell = Cell(terms=terms, traffic=replace(traffic, seconds=2 * QUARTER), configured=False, replicas=4)

    figures = figures_of(cell, seed=1)

    assert figures["wasted_share"] <= 0.01
    assert figures["lost"] == 0


def test_four_executors_over_one_ledger_are_as_good_as_one() -> None:
    alone = next(cell for cell in CELLS if cell.traffic is BURSTS_OF_10 and cell.replicas == 1 and cell.terms.is_stated)

    figures = [figures_of(cell, seed=1) for cell in (alone, replace(alone, replicas=4))]

    assert figures[0]["wasted"] == figures[1]["wasted"] == 0
    assert figures[1]["preferred"] >= figures[0]["preferred"] - 2


STATED = Terms(
    counts="four seconds",
    says=Says.ALL,
    kind="openai",
    limit=LimitProfile(unit=Unit.REQUESTS, amount=6, period_s=4.0, algorithm=Algorithm.FIXED_WINDOW),
    latency=PROMPT,
)
CONFIGURED = Terms(
    counts="slots",
    says=Says.NOTHING,
    kind="deepseek",
    limit=LimitProfile(unit=Unit.CONCURRENCY, amount=2),
    latency=PROMPT,
)
ON_THE_WIRE = [
    Cell(terms=terms, traffic=Traffic(name="wire", singles=50.0, seconds=2.5), configured=configured, replicas=2)
    for terms, configured in ((STATED, False), (CONFIGURED, True))
]


class ClockFromStart(SystemClock):
    """The machine's clock, set to START: so the provider's windows begin where those on the virtual clock do."""

    def __init__(self) -> None:
        self._behind = SystemClock().now() - START

    def now(self) -> datetime:
        return super().now() - self._behind


async def test_the_wire_in_real_time_and_the_virtual_clock_agree() -> None:
    arrivals = [cell.traffic.arrivals(cell.terms.note_bytes, 1) for cell in ON_THE_WIRE]
    # Virtual time has a loop of its own, so it runs in a thread.
    virtual = [await asyncio.to_thread(run, *each, seed=1) for each in zip(ON_THE_WIRE, arrivals, strict=True)]

    real = await asyncio.gather(
        *(
            run_on_the_wire(cell, traffic, clock=ClockFromStart(), seed=1)
            for cell, traffic in zip(ON_THE_WIRE, arrivals, strict=True)
        )
    )

    for there, here in zip(real, virtual, strict=True):
        assert there.answered == here.answered == there.requests
        assert there.unproductive == here.unproductive == 0
        assert there.wasted <= here.wasted + 1
        assert there.preferred == pytest.approx(here.preferred, abs=4)


def test_the_oracle_serves_no_more_than_the_limit() -> None:
    terms = next(each for each in TERMS if each.counts == "sliding minute")
    arrivals = POISSON.arrivals(0, 1)

    served = allowance(terms.provider, arrivals, start=START, seed=1)

    assert 0.9 * 12 * 60 <= served <= 12 * 61


def test_the_oracle_serves_everything_where_there_is_room() -> None:
    terms = next(each for each in TERMS if each.counts == "token bucket")
    arrivals = replace(CALM, singles=0.05).arrivals(0, 1)

    assert allowance(terms.provider, arrivals, start=START, seed=1) == len(arrivals)


def test_the_same_seed_gives_the_same_figures() -> None:
    cell = next(cell for cell in CELLS if cell.traffic is CALM and cell.is_learned and cell.replicas == 4)
    arrivals = cell.traffic.arrivals(cell.terms.note_bytes, 3)

    assert run(cell, arrivals, seed=3) == run(cell, arrivals, seed=3)


def test_no_two_cells_have_one_name() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)


def test_the_report_says_what_falls_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = "token bucket, headers only / configured / calm / 1"
    out = tmp_path / "results" / "waste.json"

    code = report.main(["--only", "matrix", "--cell", chosen, "--out", str(out), "--json"])

    verdict = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0
    assert verdict == json.loads(out.read_text())
    assert (verdict["ok"], verdict["falls_short"], list(verdict["figures"]["cells"])) == (True, [], [chosen])
