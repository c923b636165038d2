"""What is shown of each candidate."""

from pointsman.domain.pool import Pool
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.states import states
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import candidate, ledger, limit

A, B, LOCAL = candidate("a/m", limits=[limit(5)]), candidate("b/m"), candidate("local/m", local=True)
POOLS = {"quick": Pool(category="quick", candidates=(A, B)), "coding": Pool(category="coding", candidates=(A,))}


def test_each_candidate_is_shown_with_its_place_and_its_windows(clock: FakeClock) -> None:
    book = ledger(A, B, LOCAL, clock=clock)

    shown = states((A, B, LOCAL), POOLS, fallback_id=LOCAL.id, credentials=frozenset({"a", "b", "local"}), ledger=book)

    assert [state.candidate for state in shown] == [A, B, LOCAL]
    assert [state.categories for state in shown] == [("quick", "coding"), ("quick",), ()]
    assert [state.fallback for state in shown] == [False, False, True]
    assert [state.blocked for state in shown] == [None, None, None]
    assert [window.limit for window in shown[0].windows] == [5]
    assert [state.in_flight for state in shown] == [0, 0, 0]


def test_a_missing_key_is_shown_before_anything_else(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    book.take_out(A, Outcome.BILLING)

    (shown,) = states((A,), POOLS, fallback_id="", credentials=frozenset(), ledger=book)

    assert shown.blocked
    assert (shown.blocked.reason, shown.blocked.detail) == (SkipReason.NO_CREDENTIALS, "set A_KEY")


def test_what_the_ledger_has_against_a_small_call_is_shown(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    book.take_out(A, Outcome.BILLING)

    (shown,) = states((A,), POOLS, fallback_id="", credentials=frozenset({"a"}), ledger=book)

    assert shown.blocked
    assert shown.blocked.reason is SkipReason.OUT_OF_SERVICE
