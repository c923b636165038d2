"""Time, attempts and money of one request."""

from decimal import Decimal
from typing import Any

import pytest

from pointsman.domain.trail import Attempt, Outcome, SkipReason
from pointsman.executor.budget import Budget
from pointsman.executor.plan import Planned
from tests.unit.executor.making import attempt, candidate, estimate


def budget(**more: Any) -> Budget:  # noqa: ANN401 - fields of Budget
    plain = {"deadline": 100.0, "attempts": 2, "floor_s": 0.25, "reserve_s": 10.0}
    return Budget(**{**plain, **more})


def late(*, duration_s: float) -> Attempt:
    return attempt(outcome=Outcome.TIMED_OUT, duration_s=duration_s, time_to_first_token_s=1.0)


def planned(cost_usd: Decimal | None = Decimal("0.01"), wait_s: float = 0.0) -> Planned:
    return Planned(candidate=candidate(), estimate=estimate(), cost_usd=cost_usd, wait_s=wait_s)


@pytest.mark.parametrize(
    "now, seconds",
    [
        pytest.param(0.0, 60.0, id="an-attempt-takes-no-longer-than-allowed"),
        pytest.param(50.0, 40.0, id="the-reserve-stays-for-the-fallback"),
        pytest.param(95.0, -5.0, id="nothing-is-left"),
    ],
)
def test_how_long_an_attempt_may_take(now: float, seconds: float) -> None:
    assert budget().slice(candidate(), now).total_s == seconds


@pytest.mark.parametrize(
    "now, total_s, first_token_s",
    [
        pytest.param(0.0, 90.0, 20.0, id="as long as the candidate may take"),
        pytest.param(50.0, 50.0, 20.0, id="to the deadline, the reserve of the fallback too"),
        pytest.param(75.0, 25.0, 15.0, id="first content soon enough for the fallback to be asked"),
        pytest.param(95.0, 5.0, -5.0, id="nothing is left"),
    ],
)
def test_how_long_a_stream_may_take(now: float, total_s: float, first_token_s: float) -> None:
    within = budget(is_streamed=True).slice(candidate(), now)

    assert (within.total_s, within.first_token_s, within.idle_s) == (total_s, first_token_s, 5.0)


@pytest.mark.parametrize(
    "is_streamed, now, ended, blamed",
    [
        pytest.param(False, 0.0, attempt(outcome=Outcome.TIMED_OUT), False, id="whole, in all its time"),
        pytest.param(False, 50.0, attempt(outcome=Outcome.TIMED_OUT), True, id="whole, cut"),
        pytest.param(False, 50.0, attempt(outcome=Outcome.NETWORK), False, id="whole, cut, but broken"),
        pytest.param(True, 0.0, attempt(outcome=Outcome.TIMED_OUT), False, id="no content in all its time"),
        pytest.param(True, 80.0, attempt(outcome=Outcome.TIMED_OUT), True, id="no content, cut"),
        pytest.param(True, 50.0, late(duration_s=50.0), True, id="content, cut"),
        pytest.param(True, 50.0, late(duration_s=9.0), False, id="content, then idle"),
        pytest.param(True, 0.0, late(duration_s=90.0), False, id="content, all its time"),
    ],
)
def test_who_is_to_blame_for_running_out_of_time(
    now: float, ended: Attempt, *, is_streamed: bool, blamed: bool
) -> None:
    assert budget(is_streamed=is_streamed).slice(candidate(), now).blames_caller(ended) is blamed


def test_a_stream_that_waited_for_its_reader_is_the_callers_doing_but_not_one_that_stood_still() -> None:
    within = budget(is_streamed=True).slice(candidate(), 0.0)

    assert within.blames_caller(late(duration_s=90.0), was_reader_slow=True)
    assert not within.blames_caller(late(duration_s=9.0), was_reader_slow=True)


@pytest.mark.parametrize(
    "budget, planned, now, reason",
    [
        pytest.param(budget(), planned(), 0.0, None, id="plenty"),
        pytest.param(budget(attempts=0), planned(), 0.0, SkipReason.ATTEMPTS_SPENT, id="no-attempt-left"),
        pytest.param(budget(), planned(), 89.75, None, id="just-enough-time"),
        pytest.param(budget(), planned(), 89.76, SkipReason.NO_TIME, id="just-too-little-time"),
        pytest.param(budget(), planned(wait_s=1.0), 89.0, SkipReason.NO_TIME, id="waiting-takes-time-too"),
        pytest.param(budget(cost_usd=Decimal("0.01")), planned(), 0.0, None, id="just-enough-money"),
        pytest.param(budget(cost_usd=Decimal("0.009")), planned(), 0.0, SkipReason.TOO_EXPENSIVE, id="too-dear"),
        pytest.param(budget(cost_usd=Decimal(9)), planned(None), 0.0, SkipReason.TOO_EXPENSIVE, id="unknown-price"),
        pytest.param(budget(), planned(None), 0.0, None, id="unknown-price-and-no-bound"),
    ],
)
def test_what_is_refused(budget: Budget, planned: Planned, now: float, reason: SkipReason | None) -> None:
    skip = budget.refuse(planned, now)

    assert (skip.reason if skip else None) is reason


@pytest.mark.parametrize(
    "budget, now, detail",
    [
        pytest.param(
            budget(), 89.9, "0.10 s left beside the 10.00 s kept for the local model; 0.25 s needed", id="kept"
        ),
        pytest.param(
            budget(), 90.001, "0.00 s left beside the 10.00 s kept for the local model; 0.25 s needed", id="all-kept"
        ),
        pytest.param(
            budget(), 99.0, "0.00 s left beside the 1.00 s kept for the local model; 0.25 s needed", id="part-kept"
        ),
        pytest.param(budget(reserve_s=0.0), 99.9, "0.10 s left; 0.25 s needed", id="nothing-kept"),
        pytest.param(budget(), 100.001, "0.00 s left; 0.25 s needed", id="nothing-left-to-keep"),
    ],
)
def test_a_candidate_without_time_is_told_what_is_left_and_what_is_kept(
    budget: Budget, now: float, detail: str
) -> None:
    skip = budget.refuse(planned(), now)

    assert skip
    assert skip.detail == detail


def test_an_attempt_takes_one_off_and_its_cost() -> None:
    left = budget(cost_usd=Decimal("0.05"))

    left.spend(attempt(cost_usd=Decimal("0.02")))

    assert (left.attempts, left.cost_usd) == (1, Decimal("0.03"))


def test_an_attempt_of_unknown_cost_takes_nothing_off() -> None:
    left = budget(cost_usd=Decimal("0.05"))

    left.spend(attempt(outcome=Outcome.TIMED_OUT))

    assert left.cost_usd == Decimal("0.05")


def test_without_a_bound_on_cost_there_is_none_afterwards() -> None:
    left = budget()

    left.spend(attempt(cost_usd=Decimal("0.02")))

    assert left.cost_usd is None


def test_when_the_money_is_overdrawn_what_is_free_may_still_be_tried() -> None:
    left = budget(cost_usd=Decimal("0.01"))

    left.spend(attempt(cost_usd=Decimal("0.50")))

    assert left.refuse(planned(Decimal(0)), 0.0) is None
    assert left.refuse(planned(), 0.0)
