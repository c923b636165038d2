"""The table of outcomes, written again by hand from the design (section 6)."""

import pytest

from pointsman.domain.trail import Outcome
from pointsman.executor.attempt import RULES, Effect, Next

STOP, NEXT, LARGER = Next.STOP, Next.CANDIDATE, Next.LARGER_CANDIDATE

DESIGN = [
    # outcome, next, effect, wasted, unproductive, account-wide
    (Outcome.ANSWERED, STOP, Effect.CLOSE, False, False, False),
    (Outcome.RATE_LIMITED, NEXT, Effect.COOL, True, False, False),
    (Outcome.CONCURRENCY_LIMITED, NEXT, Effect.NARROW, True, False, False),
    (Outcome.DAILY_QUOTA, NEXT, Effect.COOL_DAY, True, False, False),
    (Outcome.BILLING, NEXT, Effect.TAKE_OUT, False, True, True),
    (Outcome.UNAUTHORIZED, NEXT, Effect.TAKE_OUT, False, True, True),
    (Outcome.FORBIDDEN, NEXT, Effect.TAKE_OUT, False, True, False),
    (Outcome.MODEL_NOT_FOUND, NEXT, Effect.TAKE_OUT, False, True, False),
    (Outcome.OVERLOADED, NEXT, Effect.BREAK, False, True, False),
    (Outcome.SERVER_ERROR, NEXT, Effect.BREAK, False, True, False),
    (Outcome.TIMED_OUT, NEXT, Effect.BREAK, False, True, False),
    (Outcome.NETWORK, NEXT, Effect.BREAK, False, True, False),
    (Outcome.CONTEXT_TOO_LONG, LARGER, Effect.REMEMBER_SIZE, False, True, False),
    (Outcome.REQUEST_EXCEEDS_QUOTA, LARGER, Effect.REMEMBER_SIZE, False, True, False),
    (Outcome.CONTENT_BLOCKED, STOP, Effect.CLOSE, False, False, False),
    (Outcome.INVALID_REQUEST, STOP, Effect.NONE, False, True, False),
    (Outcome.CANCELLED, STOP, Effect.NONE, False, True, False),
]


@pytest.mark.parametrize(
    "outcome, next_, effect, wasted, unproductive, account_wide", DESIGN, ids=[row[0].value for row in DESIGN]
)
def test_each_outcome_has_the_row_of_the_design(
    outcome: Outcome, next_: Next, effect: Effect, *, wasted: bool, unproductive: bool, account_wide: bool
) -> None:
    rule = RULES[outcome]

    assert (rule.next, rule.effect) == (next_, effect)
    assert (rule.wasted, rule.unproductive, rule.account_wide) == (wasted, unproductive, account_wide)


def test_every_outcome_has_one_row_here_and_there() -> None:
    assert [row[0] for row in DESIGN] == list(Outcome)
    assert set(RULES) == set(Outcome)


def test_no_attempt_is_both_wasted_and_unproductive() -> None:
    assert [outcome for outcome, rule in RULES.items() if rule.wasted and rule.unproductive] == []
