from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.executor.counts import Counts, readings
from pointsman.executor.journal.row import Ending, Row
from pointsman.telemetry import instruments
from pointsman.telemetry.metrics import REGISTER, Counter
from tests.unit.executor.making import candidate

NOW = datetime(2026, 11, 27, tzinfo=UTC)
ONE = candidate("openai/one")
COUNTS = Counts(candidates={ONE.id: ONE})


@pytest.fixture(autouse=True)
def recording() -> Iterator[None]:
    with REGISTER.recording():
        yield


def attempt(
    outcome: Outcome = Outcome.ANSWERED, *, wasted: bool = False, first_token_s: float | None = None
) -> Attempt:
    usage = Usage(input_tokens=100, cached_input_tokens=40, output_tokens=7)
    return Attempt(
        candidate=ONE.id,
        outcome=outcome,
        started_at=NOW,
        duration_s=0.2,
        time_to_first_token_s=first_token_s,
        usage=None if outcome is Outcome.RATE_LIMITED else usage,
        cost_usd=Decimal("0.25"),
        wasted=wasted,
        detail="a text of the provider",
        provider_request_id="req_1",
    )


def ended(*steps: Skip | Attempt, answered_by: Attempt | None = None, ending: Ending = Ending.ANSWERED) -> Row:
    return Row(at=NOW, category="quick", trail=Trail([*steps]), answered_by=answered_by, ending=ending, duration_s=1.0)


def counted(instrument: Counter) -> dict[tuple[str, ...], float]:
    return {point.labels: point.value for point in instrument.family({}).points}


def test_a_wasted_call_a_skip_and_an_answer_are_each_counted_once() -> None:
    answer, skip = attempt(), Skip(candidate="local/other", reason=SkipReason.COOLING, detail="a text")

    COUNTS.count(ended(skip, attempt(Outcome.RATE_LIMITED, wasted=True), answer, answered_by=answer))

    assert counted(instruments.REQUESTS) == {("quick", "answered", "false", "false"): 1}
    assert counted(instruments.ATTEMPTS) == {(ONE.id, "rate_limited"): 1, (ONE.id, "answered"): 1}
    assert counted(instruments.WASTED) == {(ONE.id,): 1}
    assert counted(instruments.SKIPS) == {("local/other", "cooling"): 1}
    assert counted(instruments.COST) == {(ONE.id,): 0.25}
    assert counted(instruments.TOKENS) == {
        (ONE.id, "input"): 100,
        (ONE.id, "cached_input"): 40,
        (ONE.id, "output"): 7,
    }


@pytest.mark.parametrize("ending", list(Ending))
def test_a_request_is_counted_by_how_it_ended(ending: Ending) -> None:
    COUNTS.count(ended(ending=ending))

    assert counted(instruments.REQUESTS) == {("quick", ending.value, "false", "false"): 1}


def test_wasted_calls_are_shown_as_0_before_there_is_one() -> None:
    COUNTS.begin()

    assert counted(instruments.WASTED) == {(ONE.id,): 0}


def test_the_ledger_and_the_allowances_each_say_where_they_are_kept() -> None:
    told = list(readings([], ledger="redis", allowances="redis-away", waiting=0, now=NOW))

    at_1 = {reading.about.name: reading.labels for reading in told if reading.value == 1}
    assert at_1 == {"pointsman.ledger.state": ("redis",), "pointsman.allowances.state": ("redis-away",)}


def test_nothing_that_a_caller_or_a_provider_wrote_becomes_a_label() -> None:
    answer = attempt()

    COUNTS.count(ended(attempt(Outcome.OVERLOADED), answer, answered_by=answer))

    words = {word for family in REGISTER.families() for point in family.points for word in point.labels}
    assert not {word for word in words if "text" in word or "req_" in word}
