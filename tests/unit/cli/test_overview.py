import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from rich.console import Console

from pointsman.cli.executor import CandidateLine, Listing
from pointsman.cli.overview import Overview
from tests.fakes.clock import FakeClock
from tests.unit.cli.activities import BUSY
from tests.unit.cli.test_pools import CROWDED, READY

ADDRESS = "127.0.0.1:50053"


def listing(*lines: CandidateLine) -> Listing:
    states: list[Mapping[str, object]] = [{"candidate": line.id, "in_flight": line.in_flight} for line in lines]
    return Listing(candidates=lines, message={"candidates": states})


def overview(*lines: CandidateLine) -> Overview:
    made = Overview(ADDRESS, FakeClock())
    made.take(BUSY)
    made.take(listing(*(lines or (READY, CROWDED))))
    return made


def drawn(view: Overview, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(view)
    return out.getvalue()


def test_it_is_whole_when_both_have_come() -> None:
    view = Overview(ADDRESS, FakeClock())

    steps = [view.is_whole]
    for news in (BUSY, listing(READY)):
        view.take(news)
        steps.append(view.is_whole)

    assert steps == [False, False, True]


def test_nothing_is_drawn_before_anything_is_known() -> None:
    assert not drawn(Overview(ADDRESS, FakeClock())).strip()


def test_it_shows_rates_times_waste_cost_and_candidates() -> None:
    text = drawn(overview())

    for part in (
        f"10:00:00 UTC · Executor at {ADDRESS}, up 5 min · Ctrl-C ends",
        "requests  8.0/s now",
        "▂█",
        "0 wasted, 7 since the start",
        "not known today",
        "one call of a provider",
        "anthropic/claude-sonnet",
        "req 37/1,000",
    ):
        assert part in text


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, drawn(overview(), width).splitlines())) <= width


def test_it_fits_a_terminal_of_80_by_24_with_ten_candidates() -> None:
    lines = [CROWDED, *(replace(READY, id=f"gemini/model-{index}") for index in range(9))]

    assert len(drawn(overview(*lines)).splitlines()) <= 24


def test_without_letters_for_them_there_are_no_bars() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    Console(file=out, width=80).print(overview())

    out.seek(0)
    assert "2588" not in out.read()


def test_an_executor_that_went_away_is_said_so_above_what_was_known() -> None:
    view = overview()

    is_news = [view.leave("cannot be reached"), view.leave("still not")]
    text = drawn(view, 200)

    assert is_news == [True, False]
    assert text.startswith("cannot be reached; away since 10:00:00 UTC, and looked for every second.")
    assert READY.id in text


def test_one_that_is_back_is_believed_when_all_of_it_has_come_anew() -> None:
    view = overview(READY, CROWDED)
    view.leave("cannot be reached")

    view.take(BUSY)
    half = view.away
    view.take(listing(CROWDED))

    assert half
    assert not view.away
    assert [state["candidate"] for state in _states(view)] == [CROWDED.id]
    assert READY.id not in drawn(view)


def test_scripts_get_every_state_in_its_latest_form() -> None:
    view = overview(READY, CROWDED)
    view.take(listing(READY))

    told = view.as_json()

    assert (told["state"], told["detail"], told["activity"], told["today"]) == ("running", "", BUSY.message, None)
    assert [state["candidate"] for state in _states(view)] == [READY.id, CROWDED.id]


def test_scripts_are_told_when_it_is_away_and_why() -> None:
    view = overview()
    view.leave("cannot be reached")

    told = view.as_json()

    assert told["state"] == "away"
    assert "cannot be reached" in str(told["detail"])


def _states(view: Overview) -> list[Mapping[str, object]]:
    states = view.as_json()["candidates"]
    assert isinstance(states, list)
    return states
