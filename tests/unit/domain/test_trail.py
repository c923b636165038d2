"""What a trail sums up to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SOON = NOW + timedelta(seconds=5)


def attempt(**more: object) -> Attempt:
    fields = {"candidate": "a/m", "outcome": Outcome.ANSWERED, "started_at": NOW, "duration_s": 1.0, **more}
    return Attempt(**fields)  # type: ignore[arg-type]  # the test names fields


def skip(reason: SkipReason = SkipReason.COOLING, ready_at: datetime | None = None) -> Skip:
    return Skip(candidate="b/m", reason=reason, ready_at=ready_at)


def test_steps_keep_their_order_and_are_told_apart() -> None:
    trail = Trail()
    steps: list[Skip | Attempt] = [skip(), attempt(), skip(), attempt()]

    for step in steps:
        trail.add(step)

    assert trail.steps == steps
    assert list(trail.skips) == [steps[0], steps[2]]
    assert list(trail.attempts) == [steps[1], steps[3]]


def test_usage_is_the_sum_of_what_is_known() -> None:
    first, last = Usage(input_tokens=3, output_tokens=1), Usage(input_tokens=4)
    trail = Trail(steps=[attempt(usage=first), attempt(), attempt(usage=last)])

    assert trail.usage == Usage(input_tokens=7, output_tokens=1)


def test_an_empty_trail_used_nothing_and_cost_nothing() -> None:
    assert (Trail().usage, Trail().cost_usd, Trail().ready_at) == (Usage(), Decimal(0), None)


@pytest.mark.parametrize(
    "attempts, cost",
    [
        pytest.param([attempt(cost_usd=Decimal("0.1")), attempt(cost_usd=Decimal("0.2"))], Decimal("0.3"), id="sum"),
        pytest.param([attempt(cost_usd=Decimal("0.1")), attempt()], Decimal("0.1"), id="nothing-used-costs-nothing"),
        pytest.param([attempt(cost_usd=Decimal("0.1")), attempt(usage=Usage())], None, id="one-price-is-unknown"),
    ],
)
def test_what_a_trail_cost(attempts: list[Attempt], cost: Decimal | None) -> None:
    assert Trail(steps=[skip(), *attempts]).cost_usd == cost


@pytest.mark.parametrize(
    "steps, ready_at",
    [
        pytest.param([skip(ready_at=SOON + timedelta(days=1)), skip(ready_at=SOON), skip()], SOON, id="earliest-skip"),
        pytest.param([attempt(retry_after_s=4.0), skip()], SOON, id="what-a-provider-asked-for"),
        pytest.param([attempt(retry_after_s=9.0), skip(ready_at=SOON)], SOON, id="the-earlier-of-both"),
        pytest.param([attempt(), skip()], None, id="nobody-can-say"),
    ],
)
def test_when_the_next_candidate_is_ready(steps: list[Skip | Attempt], ready_at: datetime | None) -> None:
    assert Trail(steps=steps).ready_at == ready_at


@pytest.mark.parametrize(
    "reason, ready_at, waits",
    [
        (SkipReason.COOLING, None, True),
        (SkipReason.OUT_OF_QUOTA, None, True),
        (SkipReason.OUT_OF_CONCURRENCY, None, True),
        (SkipReason.OUT_OF_SERVICE, None, False),
        (SkipReason.OUT_OF_SERVICE, SOON, True),
        (SkipReason.NOT_RUNNING, None, False),
        (SkipReason.REQUEST_EXCEEDS_QUOTA, None, False),
        (SkipReason.NO_CREDENTIALS, None, False),
    ],
)
def test_which_skips_pass_by_themselves(reason: SkipReason, ready_at: datetime | None, *, waits: bool) -> None:
    assert skip(reason, ready_at).waits is waits


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(skip(), id="the same again"),
        pytest.param(skip(ready_at=SOON), id="with an end"),
    ],
)
def test_a_skip_for_the_same_reason_is_known(known: Skip) -> None:
    assert Trail(steps=[skip()]).knows(known)


def test_a_skip_for_another_reason_is_not() -> None:
    assert not Trail(steps=[skip(), attempt()]).knows(skip(SkipReason.OUT_OF_QUOTA))


def test_who_was_called_is_told_by_the_attempts_alone() -> None:
    assert Trail(steps=[skip(), attempt(), attempt(candidate="c/m")]).tried == {"a/m", "c/m"}
