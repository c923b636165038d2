"""The report as a page: its figures, hostile names, and how it looks in a real browser."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pointsman.cli.executor import HopLine, ReportDetails, ReportSums
from pointsman.cli.report_page import page
from tests.unit.cli.test_evaluation_page import measured, overlapping, tree
from tests.unit.cli.test_report import TOTAL

SPENT = replace(TOTAL, sequential_cost_usd=3.75, sequential_attempts=460, cancelled=2, unproductive_cost_usd=0.25)
SUMS = ReportSums(
    since=datetime(2026, 11, 22, tzinfo=UTC),
    lines=(),
    total=SPENT,
    journal="sqlite",
    dropped=0,
    message={},
    details=ReportDetails(
        hops=(HopLine(hop="provider", count=220, mean_s=2.0, p95_s=4.0, longest_s=9.0),),
        calls=(("anthropic/claude-opus", "answered", 198), ("anthropic/claude-opus", "rate_limited", 2)),
        skips=(("openai/gpt-4", "out_of_quota", 12),),
        verdicts=(("coding", "embedded", 150), ("quick", "caller", 50)),
        confidence=(0, 0, 0, 1, 4, 9, 12, 30, 60, 84),
    ),
)


def drawn(name: str = "anthropic/claude-opus") -> str:
    lines = [replace(SPENT, key=name), replace(SPENT, key="(nobody: the caller left)", requests=2, answered=0)]
    days = [replace(SPENT, key=f"2026-11-{day:02}") for day in range(1, 28)]
    return page(SUMS, {"candidate": lines, "category": lines, "day": days}, ["A note for the reader."])


def test_the_figures_stand_on_top() -> None:
    words = [each.text for each in tree(drawn()).iter("b")]

    assert words[:5] == ["198", "1.10", "0.9%", "$1.2500", "67%"]


def test_it_needs_nothing_but_itself() -> None:
    assert re.findall(r"(?:src|href|url)\s*[=(]|<script|<link|@import", drawn()) == []


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a" onload="x', "\x00\x1b[2J\ufffe", "한국어"])
def test_no_label_breaks_the_page(name: str) -> None:
    known, every = tree(drawn()).iter(), list(tree(drawn(name)).iter())

    assert {each.tag for each in every} == {each.tag for each in known}
    assert not any("onload" in each.attrib for each in every)


def test_a_report_of_nothing_is_a_page_too() -> None:
    nothing = replace(SUMS, total=replace(TOTAL, requests=0, attempts=0, answered=0), details=ReportDetails())

    assert tree(page(nothing, {}, [])).tag == "html"


@pytest.mark.needs_chromium
@pytest.mark.parametrize("width", [320, 390, 1200], ids=["a small phone", "a phone", "a desk"])
def test_it_can_be_read_on_any_screen(width: int, tmp_path: Path) -> None:
    seen = measured(drawn(), tmp_path, width=width)

    assert seen["width"] <= width
    assert len(seen["boxes"]) > 50
    assert [box["says"] for box in seen["boxes"] if not box["inside"]] == []
    assert overlapping(seen["boxes"]) == []


@pytest.mark.needs_chromium
@pytest.mark.parametrize("width", [800, 1200], ids=["half a desk", "a desk"])
def test_no_table_is_cut_off(width: int, tmp_path: Path) -> None:
    assert measured(drawn("anthropic/claude-sonnet-of-a-long-name"), tmp_path, width=width)["scrolling"] == []
