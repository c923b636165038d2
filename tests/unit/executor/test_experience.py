"""What is risked where nobody says how many calls are allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.domain.trail import Outcome
from pointsman.executor.experience import FEW, MINUTE_S, PART, Experience

SCOPE = "model:p/m"


def answered(experience: Experience, count: int, *, at: float) -> None:
    for _ in range(count):
        experience.leave(SCOPE)
        experience.end(SCOPE, Outcome.ANSWERED, left_at=at, now=at + 1.0)


def refused(experience: Experience, *, at: float, outcome: Outcome = Outcome.RATE_LIMITED) -> bool:
    experience.leave(SCOPE)
    return experience.end(SCOPE, outcome, left_at=at, now=at + 0.2)


def risk_free(experience: Experience, now: float) -> int:
    """Return how many calls may leave now before the next one is a risk."""
    left = 0
    while experience.risk(SCOPE, now) == 0:
        experience.leave(SCOPE)
        left += 1
    return left


def test_a_provider_that_was_never_called_is_tried_by_a_few() -> None:
    assert risk_free(Experience(), 0.0) == FEW


def test_each_call_beyond_the_few_is_a_greater_risk() -> None:
    experience = Experience()

    for _ in range(FEW + 3):
        experience.leave(SCOPE)

    assert experience.risk(SCOPE, 0.0) == 4


def test_as_many_as_were_let_in_before_are_no_risk_a_minute_later() -> None:
    experience = Experience()
    answered(experience, 5, at=0.0)

    assert risk_free(experience, 2 * MINUTE_S) == 5 + FEW


def test_what_was_let_in_during_this_minute_counts() -> None:
    experience = Experience()
    answered(experience, 5, at=0.0)

    assert risk_free(experience, 2.0) == FEW


def test_wide_ground_grows_by_a_part_of_itself() -> None:
    experience = Experience()
    answered(experience, 80, at=0.0)

    assert risk_free(experience, 2 * MINUTE_S) == 80 + 80 // PART


def test_after_a_refusal_ground_is_taken_back_and_tried_by_one_call_at_a_time() -> None:
    experience = Experience()
    answered(experience, 12, at=0.0)

    refused(experience, at=2.0)

    assert risk_free(experience, 2 * MINUTE_S) == 9 + 1


def test_the_refusals_of_one_burst_take_back_no_more_than_the_first() -> None:
    experience = Experience()
    answered(experience, 12, at=0.0)

    for _ in range(5):
        refused(experience, at=2.0)

    assert experience.grounds[SCOPE].most == 9


def test_a_refusal_where_far_more_were_let_in_before_is_familiar_ground() -> None:
    experience = Experience()
    answered(experience, 12, at=0.0)

    assert refused(experience, at=2 * MINUTE_S)


def test_a_refusal_at_the_edge_is_no_familiar_ground() -> None:
    experience = Experience()
    answered(experience, 12, at=0.0)

    assert not refused(experience, at=2.0)


@pytest.mark.parametrize("outcome", [Outcome.NETWORK, Outcome.OVERLOADED, Outcome.CANCELLED])
def test_what_says_nothing_of_limits_changes_no_ground(outcome: Outcome) -> None:
    experience = Experience()
    answered(experience, 12, at=0.0)

    refused(experience, at=2.0, outcome=outcome)

    assert (experience.grounds[SCOPE].most, experience.grounds[SCOPE].is_shaken) == (12, False)


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.sampled_from(list(Outcome))), max_size=80))
def test_nothing_stays_under_way_and_a_minute_forgets_everything(calls: list[tuple[float, Outcome]]) -> None:
    experience, now = Experience(), 0.0

    for pause_s, outcome in calls:
        now += pause_s
        experience.leave(SCOPE)
        experience.end(SCOPE, outcome, left_at=now, now=now + 0.5)

    ground = experience.grounds[SCOPE]
    assert ground.under_way == 0
    assert sum(amount for _, amount in ground.past) == ground.past_amount <= max(ground.most, len(calls))
    assert ground.in_last_minute(now + MINUTE_S + 2.0) == 0
