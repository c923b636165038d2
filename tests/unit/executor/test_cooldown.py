"""The state machine of a cooldown, row by row."""

import math
from collections.abc import Callable

import pytest

from pointsman.domain.trail import Outcome
from pointsman.executor.cooldown import RAMP_CLOSES_AT, Cooldown, State, wait_s

LIMITED, BROKEN = Outcome.RATE_LIMITED, Outcome.SERVER_ERROR


def cooling(until: float = 10.0) -> Cooldown:
    cooldown = Cooldown()
    cooldown.cool(until, LIMITED, cooldown.leave())
    return cooldown


def probing() -> Cooldown:
    cooldown = cooling()
    cooldown.leave()
    return cooldown


def ramping() -> Cooldown:
    cooldown = probing()
    cooldown.end(cooldown.round)
    cooldown.succeed(cooldown.round)
    return cooldown


def out() -> Cooldown:
    cooldown = Cooldown()
    cooldown.take_out(Outcome.UNAUTHORIZED)
    return cooldown


STATES: dict[State, Callable[[], Cooldown]] = {
    State.OPEN: Cooldown,
    State.COOLING: cooling,
    State.PROBING: probing,
    State.RAMPING: ramping,
    State.OUT: out,
}


@pytest.mark.parametrize(
    "before, event, after",
    [
        pytest.param(State.OPEN, "cool", State.COOLING, id="open-limited"),
        pytest.param(State.OPEN, "fail", State.OPEN, id="open-one-failure"),
        pytest.param(State.OPEN, "fail_hinted", State.COOLING, id="open-failure-with-a-wait"),
        pytest.param(State.OPEN, "succeed", State.OPEN, id="open-success"),
        pytest.param(State.OPEN, "take_out", State.OUT, id="open-out"),
        pytest.param(State.OPEN, "revive", State.OPEN, id="open-revive"),
        pytest.param(State.COOLING, "leave", State.PROBING, id="cooling-is-over"),
        pytest.param(State.COOLING, "cool", State.COOLING, id="cooling-limited"),
        pytest.param(State.COOLING, "fail", State.COOLING, id="cooling-failure"),
        pytest.param(State.COOLING, "succeed", State.COOLING, id="cooling-late-success"),
        pytest.param(State.COOLING, "take_out", State.OUT, id="cooling-out"),
        pytest.param(State.COOLING, "revive", State.COOLING, id="cooling-revive"),
        pytest.param(State.PROBING, "succeed", State.RAMPING, id="probe-succeeds"),
        pytest.param(State.PROBING, "cool", State.COOLING, id="probe-limited"),
        pytest.param(State.PROBING, "fail", State.COOLING, id="probe-fails"),
        pytest.param(State.PROBING, "take_out", State.OUT, id="probe-out"),
        pytest.param(State.RAMPING, "succeed", State.RAMPING, id="ramp-goes-on"),
        pytest.param(State.RAMPING, "cool", State.COOLING, id="ramp-limited"),
        pytest.param(State.RAMPING, "fail", State.COOLING, id="ramp-fails"),
        pytest.param(State.RAMPING, "take_out", State.OUT, id="ramp-out"),
        pytest.param(State.OUT, "cool", State.OUT, id="out-limited"),
        pytest.param(State.OUT, "fail", State.OUT, id="out-failure"),
        pytest.param(State.OUT, "succeed", State.OUT, id="out-late-success"),
        pytest.param(State.OUT, "take_out", State.OUT, id="out-again"),
        pytest.param(State.OUT, "revive", State.PROBING, id="out-revived"),
    ],
)
def test_every_state_and_event(before: State, event: str, after: State) -> None:
    cooldown = STATES[before]()
    assert cooldown.state is before

    match event:
        case "cool":
            cooldown.cool(20.0, LIMITED, cooldown.round)
        case "fail":
            cooldown.fail(20.0, BROKEN, cooldown.round, at_once=False)
        case "fail_hinted":
            cooldown.fail(20.0, BROKEN, cooldown.round, at_once=True)
        case "succeed":
            cooldown.succeed(cooldown.round)
        case "take_out":
            cooldown.take_out(Outcome.BILLING)
        case "revive":
            cooldown.revive()
        case _:
            cooldown.leave()

    assert cooldown.state is after


def test_an_open_one_is_always_ready() -> None:
    assert Cooldown().ready_at(7.0) == 7.0


def test_a_cooling_one_is_ready_at_its_end() -> None:
    assert cooling(10.0).ready_at(9.9) == 10.0
    assert cooling(10.0).ready_at(10.0) == 10.0


def test_one_that_is_out_is_never_ready() -> None:
    assert out().ready_at(1e12) == math.inf


def test_a_cooldown_only_extends() -> None:
    cooldown = cooling(10.0)

    cooldown.cool(5.0, LIMITED, 0)
    cooldown.cool(12.0, LIMITED, 0)
    cooldown.cool(11.0, LIMITED, 0)

    assert cooldown.ready_at(0.0) == 12.0


def test_only_one_call_probes() -> None:
    cooldown = cooling(10.0)

    cooldown.leave()

    assert cooldown.ready_at(11.0) == math.inf


def test_a_probe_that_proves_nothing_lets_another_probe() -> None:
    cooldown = probing()

    cooldown.end(cooldown.round)

    assert cooldown.state is State.PROBING
    assert cooldown.ready_at(11.0) == 11.0


def test_the_ramp_doubles_until_it_is_open() -> None:
    cooldown = ramping()
    allowed = [cooldown.allowed]

    while cooldown.state is State.RAMPING:
        cooldown.succeed(cooldown.round)
        allowed.append(cooldown.allowed)

    assert allowed == [2, 4, 8, RAMP_CLOSES_AT]
    assert (cooldown.state, cooldown.cause, cooldown.streak) == (State.OPEN, None, 0)


def test_the_ramp_lets_no_more_calls_out_than_allowed() -> None:
    cooldown = ramping()

    cooldown.leave()
    one = cooldown.ready_at(11.0)
    cooldown.leave()
    two = cooldown.ready_at(11.0)

    assert (one, two) == (11.0, math.inf)


def test_a_probe_need_not_wait_for_calls_that_left_before_the_cooldown() -> None:
    cooldown = Cooldown()
    rounds = [cooldown.leave() for _ in range(3)]

    cooldown.cool(10.0, LIMITED, rounds[0])
    cooldown.end(rounds[0])

    assert cooldown.ready_at(10.0) == 10.0


def test_a_late_success_of_an_older_call_does_not_end_a_cooldown() -> None:
    cooldown = Cooldown()
    older, refused = cooldown.leave(), cooldown.leave()
    cooldown.cool(10.0, LIMITED, refused)
    cooldown.leave()  # the probe

    cooldown.end(older)
    cooldown.succeed(older)

    assert cooldown.state is State.PROBING
    assert cooldown.ready_at(11.0) == math.inf


def test_a_late_failure_of_an_older_call_does_not_set_a_probe_back() -> None:
    cooldown = Cooldown()
    older, refused = cooldown.leave(), cooldown.leave()
    cooldown.cool(10.0, LIMITED, refused)
    cooldown.leave()

    cooldown.fail(99.0, BROKEN, older, at_once=False)

    assert cooldown.state is State.PROBING


def test_a_late_wait_that_the_provider_asks_for_holds_all_the_same() -> None:
    cooldown = Cooldown()
    older, refused = cooldown.leave(), cooldown.leave()
    cooldown.cool(10.0, LIMITED, refused)
    cooldown.leave()

    cooldown.fail(99.0, BROKEN, older, at_once=True)

    assert cooldown.ready_at(11.0) == 99.0


def test_the_calls_of_one_burst_are_one_failure() -> None:
    cooldown = Cooldown()
    rounds = [cooldown.leave() for _ in range(10)]

    for left_in in rounds:
        cooldown.end(left_in)
        cooldown.cool(10.0, LIMITED, left_in)

    assert cooldown.streak == 1


def test_each_probe_that_is_refused_adds_to_the_streak() -> None:
    cooldown = Cooldown()

    for _ in range(4):
        left_in = cooldown.leave()
        cooldown.end(left_in)
        cooldown.cool(10.0, LIMITED, left_in)

    assert cooldown.streak == 4


def test_three_failures_in_a_row_open_the_breaker() -> None:
    cooldown = Cooldown()
    states = []

    for _ in range(3):
        cooldown.fail(10.0, BROKEN, cooldown.leave(), at_once=False)
        states.append(cooldown.state)

    assert states == [State.OPEN, State.OPEN, State.COOLING]
    assert cooldown.cause is BROKEN


def test_a_success_between_failures_starts_the_count_again() -> None:
    cooldown = Cooldown()

    for _ in range(5):
        cooldown.fail(10.0, BROKEN, 0, at_once=False)
        cooldown.fail(10.0, BROKEN, 0, at_once=False)
        cooldown.succeed(0)

    assert cooldown.state is State.OPEN


def test_ends_are_never_counted_below_zero() -> None:
    cooldown = Cooldown()

    cooldown.end(0)

    assert cooldown.under_way == 0


@pytest.mark.parametrize(
    "outcome, waits",
    [
        pytest.param(Outcome.RATE_LIMITED, (5, 60, 1800, 3600, 3600, 3600), id="rate-limited"),
        pytest.param(Outcome.OVERLOADED, (2, 4, 8, 30, 30, 30), id="overloaded"),
        pytest.param(Outcome.SERVER_ERROR, (1, 2, 4, 30, 30, 30), id="server-error"),
        pytest.param(Outcome.DAILY_QUOTA, (900, 1800, 3600, 3600, 3600, 3600), id="daily-quota"),
    ],
)
def test_waits_grow_up_to_their_longest(outcome: Outcome, waits: tuple[float, ...]) -> None:
    assert tuple(wait_s(outcome, streak, 0.0) for streak in (1, 2, 3, 6, 9, 10_000)) == waits


def test_waits_are_spread_by_up_to_a_quarter() -> None:
    assert wait_s(Outcome.RATE_LIMITED, 1, 1.0) == 6.25
    assert wait_s(Outcome.RATE_LIMITED, 0, 0.0) == 5.0
