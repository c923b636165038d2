"""The promise of few wasted calls, held against simulated accounts on a virtual clock."""

from collections.abc import Sequence
from random import Random

import pytest

from pointsman.cli import comparison
from pointsman.cli.simulated import over, without_limits
from pointsman.config import Settings, load
from pointsman.simulator import scenarios, traffic
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.traffic import Arrival

MINUTES = 15


@pytest.fixture
def quarter() -> Sequence[Arrival]:
    """A quarter of a busy hour, with bursts of ten."""
    return [*traffic.arrivals(traffic.BUSY_HOUR, seconds=MINUTES * 60, chance=Random(11))]


def test_no_call_is_wasted_where_limits_are_known(quarter: Sequence[Arrival]) -> None:
    figures = comparison.run(load(environ={}), scenarios.BUSY_HOUR, quarter, comparison.pointsman, seed=11).figures()

    assert figures["wasted"] == 0
    assert figures["lost"] == 0
    assert figures["calls_per_request"] == 1


def test_one_call_in_a_hundred_at_most_is_wasted_where_limits_must_be_found_out(
    quarter: Sequence[Arrival], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritten(settings: Settings, scenario: Scenario, base_urls: dict[str, str]) -> Settings:
        return without_limits(over(settings, scenario, base_urls))

    monkeypatch.setattr(comparison, "over", unwritten)

    figures = comparison.run(load(environ={}), scenarios.BUSY_HOUR, quarter, comparison.pointsman, seed=11).figures()

    assert figures["wasted_share"] <= 0.01
    assert figures["lost"] == 0


def test_the_way_before_wastes_calls_on_the_same_traffic(quarter: Sequence[Arrival]) -> None:
    figures = comparison.run(load(environ={}), scenarios.BUSY_HOUR, quarter, comparison.sequential, seed=11).figures()

    assert figures["wasted_share"] > 0.2
    assert figures["lost"] == 0


@pytest.mark.parametrize("arm", [comparison.sequential, comparison.pointsman], ids=["sequential", "pointsman"])
def test_the_same_seed_gives_the_same_figures(quarter: Sequence[Arrival], arm: comparison.Arm) -> None:
    first = comparison.run(load(environ={}), scenarios.BUSY_HOUR, quarter, arm, seed=11).figures()

    second = comparison.run(load(environ={}), scenarios.BUSY_HOUR, quarter, arm, seed=11).figures()

    assert first == second


def test_a_figure_above_its_bound_is_named() -> None:
    after = {"lost": 0.0, "calls_per_request": 1.2, "wasted_share": 0.0}

    assert comparison.falls_short(after) == ["calls_per_request is 1.2, promised 1.01"]
