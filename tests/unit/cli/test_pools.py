import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pointsman.cli.executor import CandidateLine, Window
from pointsman.cli.pools import headroom, table
from pointsman.domain.trail import SkipReason

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
    prices_usd=(0.75, 3.75),
    api_key_env="GEMINI_API_KEY",
)


def window(unit: str, period_s: float | None) -> Window:
    return Window(
        scope="group:g", unit=unit, period_s=period_s, limit=1_000, remaining=37, renews_at=None, source="stated"
    )


def shown(*lines: CandidateLine) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(table(lines, NOW))
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

    assert "out: no credentials: set GEMINI_API_KEY" in shown(line)
    assert "GEMINI_API_KEY missing" in shown(line)


def test_a_waiting_candidate_says_for_how_long() -> None:
    ready_at = NOW + timedelta(seconds=40)
    line = replace(READY, availability="waiting", reason=SkipReason.COOLING, ready_at=ready_at)

    assert "waiting: cooling: ready in 40.0 s" in shown(line)


def test_the_local_fallback_costs_nothing_and_needs_no_key() -> None:
    line = replace(READY, local=True, fallback=True, categories=(), api_key_env="", prices_usd=None)

    row = shown(line).splitlines()[1]
    assert "fallback" in row
    assert "not needed" in row


def test_what_a_server_says_cannot_steer_the_terminal() -> None:
    line = replace(READY, availability="out", detail="\x1b[2Jgone")

    assert "\x1b" not in shown(line)
