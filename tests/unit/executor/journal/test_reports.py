"""The sums of rows, by SQL, in SQLite."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.journal.database import Database
from pointsman.executor.journal.row import Ending, Row
from pointsman.executor.journal.store import Numbered
from pointsman.executor.journal.sums import Calls, Hop, Question, Report, ReportBy, Skips, Sums, Verdicts
from tests.fakes.clock import START
from tests.unit.executor.journal.rows import ANSWERED, BROKEN, FALLBACK, LIMITED, database, row
from tests.unit.executor.making import attempt, usage

COOLING = Skip(candidate="c/m", reason=SkipReason.COOLING, ready_at=START)


@pytest.fixture
def store() -> Iterator[Database]:
    store = database()
    yield store
    store.close()


def told(store: Database, *rows: Row, question: Question | None = None) -> Report:
    store.write([Numbered(id=f"{place:03}", row=each) for place, each in enumerate(rows)])
    return store.report(question or Question())


def test_the_total_sums_everything(store: Database) -> None:
    total = told(
        store,
        row(COOLING, COOLING, LIMITED, ANSWERED, duration_s=1.0),
        row(BROKEN, FALLBACK, duration_s=3.0),
        row(answered=False, duration_s=5.0),
        row(ending=Ending.CANCELLED, duration_s=3.0),
    ).total

    assert (total.requests, total.answered, total.answered_by_fallback, total.cancelled) == (4, 2, 1, 1)
    assert (total.attempts, total.wasted, total.unproductive, total.skips) == (4, 1, 1, 2)
    assert (total.usage, total.cost_usd, total.attempts_without_price) == (usage(20, 12), Decimal("0.02"), 1)
    assert (total.mean_s, total.p95_s) == (3.0, 5.0)


@pytest.mark.parametrize(
    "group_by, keys",
    [
        pytest.param(ReportBy.CATEGORY, [("quick", 4), ("coding", 1)], id="category"),
        pytest.param(
            ReportBy.CANDIDATE,
            [("a/m", 2), ("(nobody: it failed)", 1), ("(nobody: the caller left)", 1), ("local/m", 1)],
            id="candidate",
        ),
        pytest.param(ReportBy.CALLER, [("(not named)", 4), ("me", 1)], id="caller"),
        pytest.param(ReportBy.DAY, [("2026-11-22", 4), ("2026-11-23", 1)], id="day"),
        pytest.param(ReportBy.LABEL, [("team=x", 2), ("caller=me", 1), ("env=dev", 1)], id="label"),
    ],
)
def test_a_report_groups_and_puts_the_largest_first(
    store: Database, group_by: ReportBy, keys: list[tuple[str, int]]
) -> None:
    report = told(
        store,
        row(ANSWERED, labels=(("team", "x"),)),
        row(ANSWERED, category="coding", labels=(("caller", "me"),)),
        row(FALLBACK, labels=(("team", "x"), ("env", "dev"))),
        row(answered=False, day=1),
        row(ending=Ending.CANCELLED),
        question=Question(group_by=group_by),
    )

    assert [(group.key, group.requests) for group in report.groups] == keys
    assert report.total.requests == 5


def test_a_report_begins_where_it_is_asked_to(store: Database) -> None:
    question = Question(group_by=ReportBy.DAY, since=START + timedelta(hours=1))

    report = told(store, row(ANSWERED), row(ANSWERED, day=1), question=question)

    assert (report.total.requests, [group.key for group in report.groups]) == (1, ["2026-11-23"])


def test_a_report_of_nothing_is_all_zeros(store: Database) -> None:
    report = told(store, question=Question(group_by=ReportBy.CATEGORY, with_details=True))

    assert (report.total, report.groups, report.first_at, report.details.hops) == (Sums(), (), None, ())


def test_the_95th_percentile_is_one_that_was_measured(store: Database) -> None:
    total = told(store, *(row(ANSWERED, duration_s=float(n)) for n in range(1, 101))).total

    assert total.p95_s == 95.0


def test_a_thousand_small_costs_sum_up_exactly(store: Database) -> None:
    cheap = attempt(usage=usage(1, 0), cost_usd=Decimal("0.000000000003"))

    total = told(store, *(row(cheap) for _ in range(1_000)), row(attempt(cost_usd=Decimal("12.1")))).total

    assert total.cost_usd == Decimal("12.100000003")


def test_an_absurd_count_of_tokens_costs_a_false_number_and_not_the_batch(store: Database) -> None:
    absurd = attempt(usage=usage(10**30, 0), cost_usd=Decimal(10) ** 24)

    assert told(store, row(absurd), row(ANSWERED)).total.requests == 2


def test_what_attempts_without_an_answer_cost_is_told_apart(store: Database) -> None:
    failed = attempt("b/m", Outcome.TIMED_OUT, usage=usage(9, 9), cost_usd=Decimal("0.5"))

    total = told(store, row(failed, ANSWERED)).total

    assert (total.cost_usd, total.unproductive_cost_usd) == (Decimal("0.52"), Decimal("0.5"))


def test_simulated_requests_and_what_they_cost_are_told_apart(store: Database) -> None:
    invented = attempt(usage=usage(10, 5), cost_usd=Decimal("0.03"), simulated=True)

    total = told(store, row(ANSWERED), row(LIMITED, invented), row(invented)).total

    assert (total.requests, total.simulated_requests) == (3, 2)
    assert (total.cost_usd, total.simulated_cost_usd) == (Decimal("0.08"), Decimal("0.06"))


def test_the_details_say_who_was_called_left_out_and_slow(store: Database) -> None:
    rows = (row(COOLING, LIMITED, ANSWERED, confidence=0.97), row(ANSWERED, confidence=0.5), row(ANSWERED))

    details = told(store, *rows, question=Question(with_details=True)).details

    assert details.calls == (
        Calls(candidate="a/m", outcome=Outcome.ANSWERED, count=3, cost_usd=Decimal("0.06")),
        Calls(candidate="b/m", outcome=Outcome.RATE_LIMITED, count=1, cost_usd=Decimal(0)),
    )
    assert details.skips == (Skips(candidate="c/m", reason=SkipReason.COOLING, count=1),)
    assert details.verdicts == (
        Verdicts(category="quick", decided_by="embedded", count=2),
        Verdicts(category="quick", decided_by="", count=1),
    )
    assert details.confidence == (0, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    assert {times.hop: times.count for times in details.hops} == {
        Hop.CLASSIFY: 2, Hop.EXECUTE: 3, Hop.QUEUE: 3, Hop.PROVIDER: 4,
    }  # fmt: skip


def test_a_batch_that_is_written_twice_is_there_once(store: Database) -> None:
    batch = [Numbered(id="x", row=row(LIMITED, ANSWERED, labels=(("team", "x"),)))]

    store.write(batch)
    store.write(batch)

    assert store.report(Question()).total.attempts == 2


def test_what_is_too_old_goes_with_all_that_belongs_to_it(store: Database) -> None:
    told(store, row(LIMITED, ANSWERED, labels=(("team", "x"),)), row(ANSWERED, day=2))

    gone = store.trim(START + timedelta(days=1), most=500)

    report = store.report(Question(group_by=ReportBy.LABEL, with_details=True))
    assert (gone, report.total.requests, report.groups) == (1, 1, ())
    assert sum(calls.count for calls in report.details.calls) == 1
