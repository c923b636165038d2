import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from rich.table import Table

from pointsman.cli.executor import ReportLine, ReportSums
from pointsman.cli.failure import Misuse
from pointsman.cli.report import groups, notes, plain, read_span, summary
from pointsman.domain.answer import Usage

TOTAL = ReportLine(
    key="",
    requests=200,
    answered=198,
    answered_by_fallback=3,
    attempts=220,
    wasted=2,
    unproductive=18,
    usage=Usage(input_tokens=12_000, output_tokens=40_000),
    cost_usd=1.25,
    attempts_without_price=0,
    mean_s=2.1,
    p95_s=4.2,
    sequential_cost_usd=None,
    sequential_attempts=None,
)


def shown(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(table)
    return out.getvalue()


@pytest.mark.parametrize(
    "text, span",
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_a_span_of_time_is_a_number_and_a_letter(text: str, span: timedelta) -> None:
    assert read_span(text) == span


@pytest.mark.parametrize("text", ["30", "d", "-1d", "0d", "1.5h", "30 days", "999999w", "soon"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="--since"):
        read_span(text)


def test_the_summary_is_the_table_of_the_idea() -> None:
    text = shown(summary(TOTAL))

    for line in ("calls per request 1.10", "wasted calls 0.9%", "mean time 2.1 s", "cost $1.2500"):
        assert line in " ".join(text.split())
    assert "sequential" not in text
    assert text.split()[:2] == ["figure", "measured"]


def test_answers_of_the_local_fallback_stand_below_all_answers() -> None:
    text = " ".join(shown(summary(TOTAL)).split())

    assert "answered 198 of 200 of these by the local fallback 3 callers that left" in text


def test_sequential_fallback_stands_beside_it_where_it_is_known() -> None:
    text = shown(summary(replace(TOTAL, sequential_attempts=460, sequential_cost_usd=3.7)))

    assert "figure sequential fallback with Pointsman" in " ".join(text.split())
    assert "calls per request 2.30 1.10" in " ".join(text.split())
    assert "cost $3.7000 $1.2500" in " ".join(text.split())


def test_no_traffic_is_no_division_by_zero() -> None:
    nothing = replace(TOTAL, requests=0, answered=0, attempts=0, wasted=0)

    assert "calls per request –" in " ".join(shown(summary(nothing)).split())


@pytest.mark.parametrize(
    "width, headings",
    [
        (60, ["candidate", "requests", "calls/request", "wasted"]),
        (80, ["candidate", "requests", "calls/request", "wasted", "mean", "95 %", "cost"]),
        (100, ["candidate", "requests", "answered", "calls/request", "wasted", "mean", "95 %", "cost"]),
    ],
)
def test_each_group_has_a_row_of_what_there_is_room_for(width: int, headings: list[str]) -> None:
    lines = [replace(TOTAL, key="anthropic/claude-sonnet"), replace(TOTAL, key="deepseek/deepseek-coder")]

    heads, *rows = shown(groups("candidate", lines, width=width)).splitlines()

    assert re.split(r"\s{2,}", heads.strip()) == headings
    assert [row.split()[0] for row in rows] == ["anthropic/claude-sonnet", "deepseek/deepseek-coder"]
    assert max(len(row.rstrip()) for row in rows) <= width


def test_a_pipe_gets_one_line_a_group_without_padding() -> None:
    assert plain(replace(TOTAL, key="quick")) == (
        "quick\t200 requests\t198 answered\t1.10 calls/request\t0.9% wasted\tmean 2.1 s\t95 % within 4.2 s\t$1.2500"
    )


def test_a_reader_is_told_what_the_numbers_leave_out() -> None:
    sums = ReportSums(
        since=datetime(2026, 11, 22, tzinfo=UTC),
        lines=(),
        total=replace(TOTAL, attempts_without_price=4),
        journal="memory",
        dropped=2,
        message={},
    )

    told = " ".join(notes(sums))

    assert "forgets it when it stops" in told
    assert "4 calls have no known price" in told
    assert "2 requests could not be written down" in told


def test_a_reader_is_told_how_much_of_it_was_simulated() -> None:
    sums = ReportSums(
        since=datetime(2026, 11, 22, tzinfo=UTC),
        lines=(),
        total=replace(TOTAL, simulated_requests=40, simulated_cost_usd=0.5),
        journal="sqlite",
        dropped=0,
        message={},
    )

    assert notes(sums) == ("40 of 200 requests and $0.5000 of the cost were simulated: nothing of them is real.",)
    assert notes(replace(sums, total=TOTAL)) == ()
