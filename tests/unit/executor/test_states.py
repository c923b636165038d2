"""What is shown of each candidate."""

from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.journal.journal import Journal
from pointsman.executor.ledger.port import Ledger
from pointsman.executor.states import CandidateState, states
from tests.fakes.clock import START, FakeClock
from tests.unit.executor.journal.rows import row
from tests.unit.executor.making import attempt, candidate, ledger, limit

A, B, LOCAL = candidate("a/m", limits=[limit(5)]), candidate("b/m"), candidate("local/m", local=True)
POOLS = {"quick": Pool(category="quick", candidates=(A, B)), "coding": Pool(category="coding", candidates=(A,))}
EVERY_KEY = frozenset({"a", "b", "local"})


def shown_of(
    *candidates: Candidate,
    ledger: Ledger,
    journal: Journal | None = None,
    fallback_id: str = "",
    credentials: frozenset[str] = EVERY_KEY,
) -> list[CandidateState]:
    return states(
        candidates,
        POOLS,
        fallback_id=fallback_id,
        credentials=credentials,
        ledger=ledger,
        journal=journal or Journal(clock=FakeClock()),
        today=START.date(),
    )


def test_each_candidate_is_shown_with_its_place_and_its_windows(clock: FakeClock) -> None:
    book = ledger(A, B, LOCAL, clock=clock)

    shown = shown_of(A, B, LOCAL, fallback_id=LOCAL.id, ledger=book)

    assert [state.candidate for state in shown] == [A, B, LOCAL]
    assert [state.categories for state in shown] == [("quick", "coding"), ("quick",), ()]
    assert [state.fallback for state in shown] == [False, False, True]
    assert [state.blocked for state in shown] == [None, None, None]
    assert [window.limit for window in shown[0].windows] == [5]
    assert [state.in_flight for state in shown] == [0, 0, 0]


def test_a_missing_key_is_shown_before_anything_else(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    book.take_out(A, Outcome.BILLING)

    (shown,) = shown_of(A, ledger=book, credentials=frozenset())

    assert shown.blocked
    assert (shown.blocked.reason, shown.blocked.detail) == (SkipReason.NO_CREDENTIALS, "set A_KEY")


def test_what_the_ledger_has_against_a_small_call_is_shown(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    book.take_out(A, Outcome.BILLING)

    (shown,) = shown_of(A, ledger=book)

    assert shown.blocked
    assert shown.blocked.reason is SkipReason.OUT_OF_SERVICE


def test_what_was_wasted_today_is_shown(clock: FakeClock) -> None:
    journal = Journal(clock=clock)
    for day in (-1, 0):
        journal.write(row(attempt(A.id, Outcome.RATE_LIMITED, wasted=True), attempt(B.id), day=day))

    shown = shown_of(A, B, ledger=ledger(A, B, clock=clock), journal=journal)

    assert [state.wasted_today for state in shown] == [1, 0]
