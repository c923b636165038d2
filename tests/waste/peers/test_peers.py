"""What `make waste-peers` computes and tells its processes; the run itself is real time and not a test."""

import pytest

from pointsman.domain.trail import Outcome
from pointsman.simulator.scenario import Algorithm
from pointsman.simulator.tally import Tallies
from tests.waste.peers.cells import ANSWER_S, CELLS, PREFERRED, SECOND, Cell, Says
from tests.waste.peers.figures import (
    ARMS,
    CONFIGURED,
    NOT_CONFIGURED,
    Figures,
    falls_short,
    figures_of,
    table_of,
    together,
)
from tests.waste.peers.litellm_arm import SETTINGS
from tests.waste.peers.pointsman_arm import settings
from tests.waste.peers.work import End, Job, Run

STATED = next(cell for cell in CELLS if cell.says is Says.HEADERS)
LEARNED = next(cell for cell in CELLS if cell.says is Says.NOTHING)
RUN = Run(id=0, base_url="http://127.0.0.1:1/openai/v1", arrivals=((0.5, "하나"), (1.25, "two")))


def a_job(arm: str) -> Job:
    warm_up = Run(id=1, base_url="http://127.0.0.1:2/openai/v1", arrivals=((0.0, "there?"),))
    return Job(arm=arm, preferred=PREFERRED, second=SECOND, per_minute=30, deadline_s=9.0, runs=(RUN,), warm_up=warm_up)


def some_figures(*, calls: int = 1_000, wasted: int = 0, lost: int = 0) -> Figures:
    return {"calls": calls, "wasted": wasted, "wasted_share": wasted / calls, "lost": lost}


def test_every_traffic_meets_every_limit_and_every_way_to_speak_of_it_once() -> None:
    names = {cell.name for cell in CELLS}

    assert len(names) == len(CELLS) == 2 * 2 * 4


@pytest.mark.parametrize("cell", [STATED, LEARNED], ids=lambda cell: cell.says)
def test_the_preferred_model_has_the_limit_of_the_cell_and_the_second_has_none(cell: Cell) -> None:
    preferred, second = cell.provider.models

    assert [(limit.amount, limit.period_s, limit.algorithm) for limit in preferred.limits] == [
        (30, 60.0, Algorithm.FIXED_WINDOW)
    ]
    assert second.limits == ()


def test_the_same_seed_brings_the_same_requests_and_each_cell_its_own() -> None:
    first, again, other = (
        [(arrival.at_s, arrival.prompt.text) for arrival in cell.arrivals(60.0, seed=1)]
        for cell in (STATED, STATED, LEARNED)
    )

    assert first == again
    assert first != other


def test_a_job_survives_its_way_to_the_process() -> None:
    job = a_job("default")

    assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize(
    "arm, quota", [("configured", 30), ("not configured", None)], ids=["configured", "not configured"]
)
def test_pointsman_is_told_the_limit_only_where_it_is_configured(arm: str, quota: int | None) -> None:
    written = settings(a_job(arm), RUN)

    assert written.candidates["preferred"].quota.requests_per_minute == quota
    assert written.candidates["second"].quota.requests_per_minute is None


def test_every_arm_of_the_peer_has_settings() -> None:
    assert {arm.name for arm in ARMS if arm.is_peer} == set(SETTINGS)


def test_waste_is_counted_at_the_providers_door_and_latency_beyond_the_answer() -> None:
    tallies = Tallies()
    tallies["openai", PREFERRED].outcomes.update({Outcome.ANSWERED: 2, Outcome.RATE_LIMITED: 1})
    tallies["openai", SECOND].outcomes.update({Outcome.ANSWERED: 1})
    ends = [End(run=0, took_s=ANSWER_S + added_s, answered=True) for added_s in (0.0, 0.0, 0.3)]
    ends.append(End(run=0, took_s=90.0, answered=False))

    figures = figures_of(ends, tallies, requests=4, allowed=4)

    assert figures["wasted_share"] == 0.25
    assert figures["calls_per_request"] == 1.0
    assert figures["added_mean_s"] == pytest.approx(0.1)
    assert figures["lost"] == 1
    assert figures["preferred_share"] == 0.5


def test_cells_together_are_weighed_by_their_calls() -> None:
    small, large = Tallies(), Tallies()
    small["openai", PREFERRED].outcomes.update({Outcome.RATE_LIMITED: 1})
    large["openai", PREFERRED].outcomes.update({Outcome.ANSWERED: 99})

    whole = together(
        [
            figures_of([], small, requests=1, allowed=1),
            figures_of([End(run=0, took_s=ANSWER_S, answered=True)] * 99, large, requests=99, allowed=99),
        ]
    )

    assert whole["wasted_share"] == 0.01
    assert whole["lost"] == 1


@pytest.mark.parametrize(
    "cell, arm, figures, is_short",
    [
        pytest.param(STATED, NOT_CONFIGURED, some_figures(wasted=1), False, id="stated, at the bound"),
        pytest.param(STATED, NOT_CONFIGURED, some_figures(wasted=2), True, id="stated, beyond it"),
        pytest.param(LEARNED, CONFIGURED, some_figures(wasted=2), True, id="configured, beyond it"),
        pytest.param(LEARNED, NOT_CONFIGURED, some_figures(wasted=10), False, id="learned, at the bound"),
        pytest.param(LEARNED, NOT_CONFIGURED, some_figures(wasted=11), True, id="learned, beyond it"),
        pytest.param(LEARNED, NOT_CONFIGURED, some_figures(wasted=1, calls=50), True, id="learned with few calls"),
        pytest.param(LEARNED, CONFIGURED, some_figures(lost=1), True, id="a request is lost"),
    ],
)
def test_a_promise_that_does_not_hold_is_named(cell: Cell, arm: str, figures: Figures, is_short: bool) -> None:  # noqa: FBT001 - a column of the table
    by_arm = {NOT_CONFIGURED: some_figures(), CONFIGURED: some_figures(), arm: figures}

    sentences = [*falls_short(cell, by_arm)]

    assert [cell.name in sentence and arm in sentence for sentence in sentences] == [True] * is_short


@pytest.mark.parametrize("busy_share, is_timed", [(0.5, True), (0.51, False)])
def test_latencies_of_a_busy_machine_are_left_out(busy_share: float, is_timed: bool) -> None:  # noqa: FBT001 - a column
    timed = figures_of([End(run=0, took_s=ANSWER_S + 0.03, answered=True)], Tallies(), requests=1, allowed=1)
    results = {STATED.name: {arm.title: timed for arm in ARMS}}

    (first, *_) = table_of(results, busy_share=busy_share).columns[1].cells

    assert ("+0.03 s" in str(first)) is is_timed
