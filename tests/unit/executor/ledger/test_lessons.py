"""What the end of a call says, one function at a time; the ledger's tests show it at work."""

from datetime import datetime, timedelta

import pytest

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.ledger.lessons import MAYBE_RUN, longer, scope_of, used_by
from pointsman.executor.ledger.port import Settlement
from pointsman.executor.quota import Estimate
from tests.fakes.clock import START
from tests.unit.executor.making import candidate, estimate

GROUPED = candidate("a/m", group="g")


def skip(reason: SkipReason, ready_at: datetime | None = None) -> Skip:
    return Skip(candidate="a/m", reason=reason, ready_at=ready_at)


SOON = skip(SkipReason.COOLING, START)
LATE = skip(SkipReason.OUT_OF_QUOTA, START + timedelta(hours=1))
WHO_KNOWS = skip(SkipReason.OUT_OF_CONCURRENCY)
NEVER = skip(SkipReason.OUT_OF_SERVICE)


@pytest.mark.parametrize(
    "one, other, found",
    [
        pytest.param(None, None, None, id="nothing"),
        pytest.param(SOON, None, SOON, id="one"),
        pytest.param(SOON, LATE, LATE, id="the-later"),
        pytest.param(LATE, WHO_KNOWS, WHO_KNOWS, id="nobody-knows-when-is-later"),
        pytest.param(WHO_KNOWS, NEVER, NEVER, id="never-is-latest"),
    ],
)
def test_which_skip_holds_longer(one: Skip | None, other: Skip | None, found: Skip | None) -> None:
    assert longer(one, other) is found
    assert longer(other, one) is found


@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_was_refused_at_the_door_used_nothing(outcome: Outcome) -> None:
    used = used_by(estimate(30), Settlement(outcome=outcome))

    assert used == (
        estimate(30) if outcome in MAYBE_RUN else Estimate(input_tokens=0, output_tokens=0, admitted_tokens=0)
    )


def test_more_cached_tokens_than_input_used_nothing() -> None:
    odd = Usage(input_tokens=5, cached_input_tokens=500)

    assert used_by(estimate(30), Settlement(outcome=Outcome.ANSWERED, usage=odd)).input_tokens == 0


def test_a_wasted_attempt_ran_nowhere() -> None:
    assert MAYBE_RUN.isdisjoint(outcome for outcome, rule in RULES.items() if rule.wasted)


@pytest.mark.parametrize(
    "outcome, scope",
    [
        (Outcome.UNAUTHORIZED, "provider:a"),
        (Outcome.RATE_LIMITED, "group:g"),
        (Outcome.SERVER_ERROR, "group:g"),
        (Outcome.REQUEST_EXCEEDS_QUOTA, "group:g"),
        (Outcome.CONTEXT_TOO_LONG, "model:a/m"),
        (Outcome.MODEL_NOT_FOUND, "model:a/m"),
    ],
)
def test_whom_an_outcome_speaks_of(outcome: Outcome, scope: str) -> None:
    assert scope_of(GROUPED, outcome) == scope


def test_what_takes_out_a_group_never_happens() -> None:
    taking = [outcome for outcome, rule in RULES.items() if rule.effect is Effect.TAKE_OUT]

    assert "group:g" not in {scope_of(GROUPED, outcome) for outcome in taking}
