"""One row a request, and the sums of rows."""

from collections import deque
from datetime import timedelta
from decimal import Decimal

import pytest

from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.executor.journal import ROWS, Journal, ReportBy, Row, Sums, row_of
from tests.fakes.clock import START
from tests.unit.executor.making import attempt, usage


def row(
    *attempts: Attempt,
    answered: bool = True,
    category: str = "quick",
    caller: str = "",
    labels: tuple[tuple[str, str], ...] = (),
    day: int = 0,
    duration_s: float = 1.0,
    skips: int = 0,
) -> Row:
    return Row(
        at=START + timedelta(days=day),
        category=category,
        caller=caller,
        labels=labels,
        answered_by=attempts[-1] if answered and attempts else None,
        attempts=attempts,
        skips=skips,
        duration_s=duration_s,
    )


def journal(*rows: Row) -> Journal:
    written = Journal(since=START)
    for each in rows:
        written.write(each)
    return written


ANSWERED = attempt(usage=usage(10, 5), cost_usd=Decimal("0.02"))
LIMITED = attempt("b/m", Outcome.RATE_LIMITED, wasted=True)
BROKEN = attempt("b/m", Outcome.SERVER_ERROR, usage=usage(3, 0))
FALLBACK = attempt("local/m", usage=usage(7, 7), cost_usd=Decimal(0), fallback=True)


def test_a_row_holds_what_the_trail_says() -> None:
    trail = Trail(steps=[Skip(candidate="c/m", reason=SkipReason.COOLING), LIMITED, ANSWERED])

    made = row_of(trail, ANSWERED, at=START, category="quick", labels=(("team", "x"),), duration=timedelta(seconds=2.5))

    assert (made.attempts, made.skips, made.answered_by) == ((LIMITED, ANSWERED), 1, ANSWERED)
    assert (made.at, made.category, made.labels, made.duration_s) == (START, "quick", (("team", "x"),), 2.5)
    assert made.usage == usage(10, 5)


def test_the_total_sums_everything() -> None:
    total, _ = journal(
        row(LIMITED, ANSWERED, skips=2, duration_s=1.0),
        row(BROKEN, FALLBACK, duration_s=3.0),
        row(answered=False, duration_s=5.0),
    ).report(ReportBy.ALL)

    assert (total.requests, total.answered, total.answered_by_fallback) == (3, 2, 1)
    assert (total.attempts, total.wasted, total.unproductive, total.skips) == (4, 1, 1, 2)
    assert (total.usage, total.cost_usd, total.attempts_without_price) == (usage(20, 12), Decimal("0.02"), 1)
    assert (total.mean_s, total.p95_s) == (3.0, 5.0)


@pytest.mark.parametrize(
    "group_by, keys",
    [
        pytest.param(ReportBy.ALL, [("", 4)], id="all"),
        pytest.param(ReportBy.CATEGORY, [("quick", 3), ("coding", 1)], id="category"),
        pytest.param(ReportBy.CANDIDATE, [("a/m", 2), ("(nobody)", 1), ("local/m", 1)], id="candidate"),
        pytest.param(ReportBy.CALLER, [("(not named)", 3), ("me", 1)], id="caller"),
        pytest.param(ReportBy.DAY, [("2026-11-22", 3), ("2026-11-23", 1)], id="day"),
        pytest.param(ReportBy.LABEL, [("team=x", 2), ("env=dev", 1)], id="label"),
    ],
)
def test_a_report_groups_and_puts_the_largest_first(group_by: ReportBy, keys: list[tuple[str, int]]) -> None:
    rows = [
        row(ANSWERED, labels=(("team", "x"),)),
        row(ANSWERED, category="coding", caller="me"),
        row(FALLBACK, labels=(("team", "x"), ("env", "dev"))),
        row(answered=False, day=1),
    ]

    total, groups = journal(*rows).report(group_by)

    assert [(group.key, group.requests) for group in groups] == keys
    assert total.requests == 4


def test_a_report_begins_where_it_is_asked_to() -> None:
    total, groups = journal(row(ANSWERED), row(ANSWERED, day=1)).report(ReportBy.DAY, START + timedelta(hours=1))

    assert (total.requests, [group.key for group in groups]) == (1, ["2026-11-23"])


def test_a_report_of_nothing_is_all_zeros() -> None:
    total, groups = journal().report(ReportBy.CATEGORY)

    assert (total, list(groups)) == (Sums(), [])
    assert (total.mean_s, total.p95_s) == (0.0, 0.0)


def test_the_95th_percentile_is_one_that_was_measured() -> None:
    total, _ = journal(*(row(ANSWERED, duration_s=float(n)) for n in range(1, 101))).report(ReportBy.ALL)

    assert total.p95_s == 95.0


def test_the_oldest_row_goes_when_it_is_full_and_is_counted() -> None:
    full = Journal(since=START, rows=deque([row(answered=False)] * ROWS, maxlen=ROWS))

    full.write(row(ANSWERED))

    assert (full.dropped, len(full.rows), full.rows[-1].answered_by) == (1, ROWS, ANSWERED)


def test_wasted_calls_are_counted_by_candidate_as_they_are_written() -> None:
    written = journal(row(LIMITED, ANSWERED), row(LIMITED, BROKEN, LIMITED), row(ANSWERED))

    assert {name: written.wasted_on(START.date(), name) for name in ("a/m", "b/m")} == {"a/m": 0, "b/m": 3}


def test_another_day_begins_with_nothing_wasted() -> None:
    written = journal(row(LIMITED), row(ANSWERED, day=1))

    tomorrow = (START + timedelta(days=1)).date()
    assert (written.wasted_on(START.date(), "b/m"), written.wasted_on(tomorrow, "b/m")) == (0, 0)


def test_what_a_request_of_yesterday_wasted_is_not_of_today() -> None:
    written = journal(row(LIMITED, day=1), row(LIMITED, day=0))

    assert written.wasted_on((START + timedelta(days=1)).date(), "b/m") == 1


def test_on_a_day_without_requests_nothing_was_wasted() -> None:
    written = journal(row(LIMITED))

    assert written.wasted_on((START + timedelta(days=1)).date(), "b/m") == 0


def test_who_watches_hears_of_each_wasted_call_until_it_leaves() -> None:
    written, heard = journal(), list[str]()
    leave = written.watch(heard.append)

    written.write(row(LIMITED, ANSWERED))
    leave()
    written.write(row(LIMITED))

    assert heard == ["b/m"]
