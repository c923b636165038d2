"""What sequential fallback would have done, row by row."""

from dataclasses import replace
from decimal import Decimal

import pytest

from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.journal.row import Ending, Needs, Row
from pointsman.executor.journal.sequential import Sequential, SequentialFallback
from tests.unit.executor.journal.rows import row
from tests.unit.executor.making import attempt, candidate, prices, usage

A, B, LOCAL = candidate("a/m"), candidate("b/m"), candidate("local/m", local=True)
THOUSAND = usage(1_000, 0)
BY_B = attempt("b/m", usage=THOUSAND, cost_usd=Decimal("0.25"))


def fallback() -> SequentialFallback:
    known = (LOCAL, A, B)
    return SequentialFallback(known, prices(A, B), credentials=frozenset({"a", "b", "local"}))


def skip(reason: SkipReason) -> Skip:
    return Skip(candidate="a/m", reason=reason)


@pytest.mark.parametrize(
    "given, attempts, dollars",
    [
        pytest.param(row(BY_B), 1, "0.001", id="the first of the list answers, at its own price"),
        pytest.param(row(skip(SkipReason.COOLING), BY_B), 2, "0.001", id="one that cools is called in vain"),
        pytest.param(row(skip(SkipReason.OUT_OF_QUOTA), BY_B), 2, "0.001", id="one without quota too"),
        pytest.param(row(skip(SkipReason.NO_CREDENTIALS), BY_B), 1, "0.001", id="other skips say nothing of it"),
        pytest.param(
            row(attempt("a/m", Outcome.SERVER_ERROR, usage=THOUSAND, cost_usd=Decimal("0.5")), BY_B),
            2,
            "0.501",
            id="one that failed would have failed for the same money",
        ),
        pytest.param(row(BY_B, ending=Ending.CANCELLED), 1, "0.25", id="without an answer both ways are the same"),
    ],
)
def test_what_it_would_have_done(given: Row, attempts: int, dollars: str) -> None:
    assert fallback().of(given) == Sequential(attempts=attempts, cost_usd=Decimal(dollars))


def test_a_prompt_that_must_stay_here_goes_to_the_local_model_only() -> None:
    given = replace(row(attempt("local/m", usage=THOUSAND, cost_usd=Decimal(0))), needs=Needs(local_only=True))

    assert fallback().of(given) == Sequential(attempts=1, cost_usd=Decimal(0))


def test_without_a_price_what_was_paid_stands_in_for_it() -> None:
    table = replace(prices(B), kinds={"a": "a", "b": "b"})
    unpriced = SequentialFallback((A, B), table, credentials=frozenset({"a", "b"}))

    assert unpriced.of(row(BY_B)).cost_usd == Decimal("0.25")
