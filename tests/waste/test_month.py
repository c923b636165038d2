"""The idea's table: its sums, and a morning of it at the full bounds."""

from pointsman.cli.comparison import Tally
from pointsman.simulator import traffic
from tests.waste import month
from tests.waste.month import Day


def test_a_month_is_made_of_all_its_days_or_of_those_that_stand_for_them() -> None:
    whole, sample = month.days(whole=True, seed=1), month.days(whole=False, seed=1)

    assert sum(day.weight for day in whole) == sum(day.weight for day in sample) == 2 * 30
    assert len(sample) == 4


def test_a_day_counts_as_often_as_it_stands_for_others() -> None:
    one = Tally(requests=2, answered=2, attempts=3, wasted=1, durations_s=[1.0, 3.0])
    day = Day(date=month.MONTH[0], arm="after", weight=9.0, seed=1)

    figures = month.figures_of([(day, one)])

    assert (figures["requests"], figures["calls_per_request"], figures["mean_s"]) == (18.0, 1.5, 2.0)


def test_a_saturday_morning_wastes_nothing_and_loses_nothing() -> None:
    saturday = Day(date=month.MONTH[6], arm="after", weight=1.0, seed=1, seconds=9 * traffic.HOUR_S)

    after = month.figures_of([(saturday, month.run_day(saturday))])

    assert after["lost"] == 0
    assert after["calls_per_request"] <= 1.01
    assert after["wasted_share"] <= 0.001


def test_a_figure_above_its_bound_is_named() -> None:
    after = dict.fromkeys(month.BOUNDS, 0.0) | {"cost_of_before": 0.64}

    assert month.falls_short(after) == ["the month: cost_of_before is 0.64, promised 0.5"]
