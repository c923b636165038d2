import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pointsman.cli.candidate_table import aged, headroom, plain, short_headroom, table
from pointsman.cli.executor import CandidateLine, Listing, Window
from pointsman.cli.pools import Watched
from pointsman.domain.trail import SkipReason
from tests.fakes.clock import FakeClock

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

READY = CandidateLine(
    id="gemini/gemini-flash",
    model="gemini-3.8-flash",
    categories=("quick",),
    local=False,
    fallback=False,
    availability="ready",
    reason=None,
    ready_at=None,
    detail="",
    windows=(),
    in_flight=0,
    wasted_today=0,
    prices_usd=(0.75, 3.75),
    api_key_env="GEMINI_API_KEY",
)


ALWAYS = ("candidate", "state", "in flight")


def window(unit: str, period_s: float | None) -> Window:
    return Window(
        scope="group:g", unit=unit, period_s=period_s, limit=1_000, remaining=37, renews_at=None, source="stated"
    )


CROWDED = replace(
    READY,
    id="anthropic/claude-sonnet",
    categories=("reasoning", "coding", "review"),
    windows=(window("requests", 60.0), window("input_tokens", 60.0), window("output_tokens", 60.0)),
    in_flight=3,
    wasted_today=1_200,
    api_key_env="ANTHROPIC_API_KEY",
)


def shown(*lines: CandidateLine, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(table(lines, NOW, width=width))
    return out.getvalue()


def drawn(view: Watched) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(view)
    return out.getvalue()


@pytest.mark.parametrize(
    "unit, period_s, text",
    [
        ("requests", 60.0, "37 of 1,000 requests/min, stated"),
        ("input_tokens", 86_400.0, "37 of 1,000 input tokens/day, stated"),
        ("tokens", 10.0, "37 of 1,000 tokens in 10 s, stated"),
        ("concurrency", None, "37 of 1,000 at once, stated"),
    ],
)
def test_headroom_is_told_in_words(unit: str, period_s: float | None, text: str) -> None:
    assert headroom(window(unit, period_s)) == text


def test_a_ready_candidate_shows_its_price_and_its_key() -> None:
    row = shown(READY).splitlines()[1]

    for part in ("gemini/gemini-flash", "quick", "ready", "0.75/3.75", "GEMINI_API_KEY set"):
        assert part in row


def test_a_candidate_without_a_key_names_the_variable() -> None:
    line = replace(READY, availability="out", reason=SkipReason.NO_CREDENTIALS, detail="set GEMINI_API_KEY")

    assert "no credentials: set GEMINI_API_KEY" in shown(line)
    assert "GEMINI_API_KEY missing" in shown(line)


def test_a_waiting_candidate_says_for_how_long() -> None:
    ready_at = NOW + timedelta(seconds=40)
    line = replace(READY, availability="waiting", reason=SkipReason.COOLING, ready_at=ready_at)

    assert "ready in 40.0 s · cooling" in shown(line)


def test_the_local_fallback_costs_nothing_and_needs_no_key() -> None:
    line = replace(READY, local=True, fallback=True, categories=(), api_key_env="", prices_usd=None)

    row = shown(line).splitlines()[1]
    assert "fallback" in row
    assert "not needed" in row


def test_what_a_server_says_cannot_steer_the_terminal() -> None:
    line = replace(READY, availability="out", detail="\x1b[2Jgone")

    assert "\x1b" not in shown(line)


@pytest.mark.parametrize(
    "windows, text",
    [
        pytest.param(
            (window("requests", 60.0), window("input_tokens", 60.0)), "req 37/1,000 · in 37/1,000 (stated)", id="minute"
        ),
        pytest.param((window("requests", 86_400.0),), "req/day 37/1,000 (stated)", id="a day"),
        pytest.param((window("tokens", 10.0),), "tok/10s 37/1,000 (stated)", id="an odd window"),
        pytest.param((window("concurrency", None),), "37/1,000 at once (stated)", id="concurrency"),
        pytest.param(
            (window("requests", 60.0), replace(window("tokens", 60.0), source="learned")),
            "req 37/1,000 (stated) · tok 37/1,000 (learned)",
            id="known from different sources",
        ),
    ],
)
def test_windows_have_a_short_form_that_says_where_it_is_known_from(windows: tuple[Window, ...], text: str) -> None:
    assert short_headroom(windows) == text


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_no_width_breaks_a_candidate_or_a_window(width: int) -> None:
    text = shown(READY, CROWDED, width=width)

    assert max(map(len, text.splitlines())) <= width
    for whole in ("anthropic/claude-sonnet", "gemini/gemini-flash", "req 37/1,000", "in 37/1,000", "out 37/1,000"):
        assert whole in text


@pytest.mark.parametrize(
    "width, headings",
    [
        (80, [*ALWAYS, "wasted", "quota left per minute"]),
        (110, [*ALWAYS, "wasted", "quota left per minute", "for"]),
        (150, [*ALWAYS, "wasted today", "quota left per minute", "for", "$/Mtok in/out"]),
        (200, [*ALWAYS, "wasted today", "quota left per minute", "for", "key", "$/Mtok in/out"]),
    ],
)
def test_what_matters_less_is_left_out_where_there_is_no_room(width: int, headings: list[str]) -> None:
    heads = shown(READY, CROWDED, width=width).splitlines()[0]

    assert re.split(r"\s{2,}", heads.strip()) == headings


def test_a_pipe_gets_one_line_a_candidate_with_nothing_left_out_and_no_padding() -> None:
    line = plain(replace(CROWDED, detail="two\nlines", availability="waiting", reason=SkipReason.COOLING), NOW)

    assert line.split("\t") == [
        "anthropic/claude-sonnet",
        "waiting · cooling: two lines",
        "37 of 1,000 requests/min, stated; 37 of 1,000 input tokens/min, stated; 37 of 1,000 output tokens/min, stated",
        "3 in flight",
        "1,200 wasted today",
        "for reasoning, coding, review",
        "price 0.75/3.75",
        "key ANTHROPIC_API_KEY set",
    ]


def test_time_alone_refills_windows_and_ends_waits() -> None:
    past, later = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    windows = (replace(window("requests", 60.0), renews_at=past), replace(window("tokens", 60.0), renews_at=later))
    line = replace(
        READY, windows=windows, availability="waiting", reason=SkipReason.COOLING, ready_at=past, detail="rate limited"
    )

    now_ready, still_waiting = aged(line, NOW), aged(replace(line, ready_at=later), NOW)

    assert [each.remaining for each in now_ready.windows] == [1_000, 37]
    assert (now_ready.availability, now_ready.reason, now_ready.detail) == ("ready", None, "")
    assert still_waiting.availability == "waiting"


def test_what_was_wasted_today_has_a_column() -> None:
    row = shown(CROWDED).splitlines()[1]

    assert re.split(r"\s{2,}", row)[2:4] == ["3", "1,200"]


def test_a_watched_table_begins_each_day_with_nothing_wasted() -> None:
    clock = FakeClock(NOW + timedelta(hours=13, minutes=59))
    view = Watched(clock)
    view.take(Listing(candidates=(CROWDED,), message={}))

    before = drawn(view)
    clock.advance(60.0)
    after = drawn(view)
    view.take(Listing(candidates=(replace(CROWDED, wasted_today=7),), message={}))

    assert ["1,200" in before, "1,200" in after] == [True, False]
    assert re.split(r"\s{2,}", drawn(view).splitlines()[2])[3] == "7"


def test_a_candidate_out_of_quota_lets_its_windows_speak() -> None:
    line = replace(CROWDED, availability="waiting", reason=SkipReason.OUT_OF_QUOTA, detail="37 of 1000 are left")

    assert "37 of 1000" not in shown(line)
    assert "out of quota · req 37/1,000" in shown(line)
