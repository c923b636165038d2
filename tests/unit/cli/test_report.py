import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from rich.table import Table

from pointsman.cli.executor import ReportLine, ReportSums
from pointsman.cli.failure import Misuse
from pointsman.cli.report import groups, notes, read_span, summary
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


def test_sequential_fallback_stands_beside_it_where_it_is_known() -> None:
    text = shown(summary(replace(TOTAL, sequential_attempts=460, sequential_cost_usd=3.7)))

    assert "sequential fallback" in text
    assert "calls per request 2.30 1.10" in " ".join(text.split())
    assert "cost $3.7000 $1.2500" in " ".join(text.split())


def test_no_traffic_is_no_division_by_zero() -> None:
    nothing = replace(TOTAL, requests=0, answered=0, attempts=0, wasted=0)

    assert "calls per request –" in " ".join(shown(summary(nothing)).split())


def test_each_group_has_a_row() -> None:
    text = shown(groups("category", [replace(TOTAL, key="quick"), replace(TOTAL, key="")]))

    assert "quick" in text
    assert "(none)" in text


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
