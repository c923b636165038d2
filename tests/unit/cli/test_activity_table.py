import io
from dataclasses import replace

import pytest
from rich.console import Console

from pointsman.cli.activity_table import figures, latencies, plain, rate, rate_now, trend
from tests.unit.cli.activities import BUSY, MINUTE, NOW, START


def told(name: str, *, activity: object = BUSY, today_usd: float | None = 3.5) -> str:
    """Return the parts of one figure, joined."""
    found = figures(activity, in_flight=4, today_usd=today_usd)  # type: ignore[arg-type]  # news, whatever was changed
    return "; ".join(next(figure.parts for figure in found if figure.name == name))


def shown(width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(latencies(BUSY, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    "name, says",
    [
        ("requests", "8.0/s now; 2.0/s in the last minute; 120 in it; 4 calls in flight"),
        ("answered", "95.0% of them; 50.0% on this machine; 99.0% since the start"),
        ("calls", "1.25 a request; 0 wasted, 7 since the start; 6 without an answer"),
        ("cost", "$1.25 in the last minute; $3.50 today (UTC); $12.50 since the start"),
    ],
)
def test_each_figure_says_what_it_is_of(name: str, says: str) -> None:
    assert told(name) == says


def test_a_minute_without_requests_has_dashes_and_no_shares() -> None:
    idle = replace(MINUTE, requests=0, answered=0, answered_locally=0, attempts=0)
    activity = replace(BUSY, last_minute=idle)

    assert told("answered", activity=activity).startswith("– of them; – on this machine")
    assert told("calls", activity=activity).startswith("– a request")


def test_a_cost_that_nobody_can_say_is_not_nothing() -> None:
    unpriced = replace(BUSY, since_start=replace(START, attempts_without_price=3))

    assert "not known today: the journal cannot be read" in told("cost", today_usd=None)
    assert told("cost", activity=unpriced).endswith("3 calls of unknown price beside it")


@pytest.mark.parametrize("wasted", [0, 1])
def test_what_was_wasted_lately_is_alarming(wasted: int) -> None:
    activity = replace(BUSY, last_minute=replace(MINUTE, wasted=wasted))

    alarming = [figure.name for figure in figures(activity, in_flight=0, today_usd=0.0) if figure.is_alarming]

    assert alarming == ["calls"] * wasted


@pytest.mark.parametrize(
    "by_second, expected",
    [
        pytest.param((9,), 0.0, id="no second is over"),
        pytest.param((2, 4, 9), 3.0, id="those that are over"),
        pytest.param((100, *(1,) * 10, 9), 1.0, id="the latest ten"),
    ],
)
def test_the_rate_of_now_is_that_of_the_latest_whole_seconds(by_second: tuple[int, ...], expected: float) -> None:
    assert rate_now(replace(BUSY, by_second=by_second)) == expected


def test_the_rate_of_a_window_that_has_just_begun_is_not_inflated() -> None:
    assert rate(replace(BUSY, window_s=0.01, last_minute=replace(MINUTE, requests=2))) == 2.0


@pytest.mark.parametrize(
    "by_second, width, bars",
    [
        pytest.param((0, 1, 7), 10, "▁▂█", id="from nothing to the highest"),
        pytest.param((700, 0, 7), 2, "▁█", id="the latest that have room"),
        pytest.param((0, 0), 10, "▁▁", id="nothing at all"),
        pytest.param((1, 1_000), 10, "▂█", id="one request is seen beside many"),
        pytest.param((1, 2), 0, "", id="no room"),
        pytest.param((), 10, "", id="no second"),
    ],
)
def test_the_trend_has_a_bar_a_second(by_second: tuple[int, ...], width: int, bars: str) -> None:
    assert trend(by_second, width) == bars


def test_hops_are_named_in_words_where_there_is_room() -> None:
    assert [line.split("  ")[0] for line in shown(80)[1:]] == ["waiting for the verdict", "one call of a provider"]
    assert [line.split()[0] for line in shown(40)[1:]] == ["classify", "provider"]


@pytest.mark.parametrize("width", [30, 40, 80, 120])
def test_no_width_breaks_a_duration(width: int) -> None:
    lines = shown(width)

    assert max(map(len, lines)) <= width
    assert ["1.5 s" in lines[2], "4.2 s" in lines[2]] == [True, True]


def test_a_pipe_gets_one_line_with_all_of_it() -> None:
    line = plain(BUSY, NOW, in_flight=4, today_usd=3.5)

    assert line.split("\t") == [
        "10:00:00 UTC",
        "requests: 8.0/s now; 2.0/s in the last minute; 120 in it; 4 calls in flight",
        "answered: 95.0% of them; 50.0% on this machine; 99.0% since the start",
        "calls: 1.25 a request; 0 wasted, 7 since the start; 6 without an answer",
        "cost: $1.25 in the last minute; $3.50 today (UTC); $12.50 since the start",
        "classify: p50 4 ms; p95 20 ms; 120 times",
        "provider: p50 1.5 s; p95 4.2 s; 150 times",
    ]
