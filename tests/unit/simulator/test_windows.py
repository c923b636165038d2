from datetime import UTC, datetime

import pytest

from pointsman.domain.pool import Unit
from pointsman.simulator.scenario import Algorithm, LimitProfile
from pointsman.simulator.windows import next_pacific_midnight, window

MINUTE = 60.0
# 1_800_000_000 is a full minute, so that borders are easy to see.
T0 = 1_800_000_000.0

# A row: seconds after T0, what is left, what is then taken, then the wait for 1 and the time until full.
FIXED = [
    (0, 3, 1, 0, 60),
    (20, 2, 2, 40, 40),
    (59, 0, 0, 1, 1),
    (60, 3, 1, 0, 60),  # the border gives everything back at once
]
FIXED_SHIFTED = [
    (0, 3, 3, 17, 17),  # the border is 17 s past the minute
    (16.5, 0, 0, 0.5, 0.5),
    (17, 3, 1, 0, 60),
]
SLIDING = [
    (0, 3, 1, 0, 60),
    (20, 2, 2, 40, 60),  # the first one comes free at 60, the two others at 80
    (59, 0, 0, 1, 21),
    (60, 1, 1, 20, 60),
    (80, 2, 0, 0, 40),
]
BUCKET = [  # refills 0.05 a second
    (0, 3, 1, 0, 20),
    (10, 2.5, 2, 10, 50),
    (20, 1, 1, 20, 60),
    (30, 0.5, 0, 10, 50),
    (90, 3, 0, 0, 0),  # never more than its size
]


@pytest.mark.parametrize(
    "algorithm, offset_s, rows",
    [
        pytest.param(Algorithm.FIXED_WINDOW, 0.0, FIXED, id="fixed window"),
        pytest.param(Algorithm.FIXED_WINDOW, 17.0, FIXED_SHIFTED, id="fixed window that begins past the minute"),
        pytest.param(Algorithm.SLIDING_WINDOW, 0.0, SLIDING, id="sliding window"),
        pytest.param(Algorithm.TOKEN_BUCKET, 0.0, BUCKET, id="token bucket"),
    ],
)
def test_each_algorithm_counts_as_computed_by_hand(
    algorithm: Algorithm, offset_s: float, rows: list[tuple[float, ...]]
) -> None:
    limit = LimitProfile(unit=Unit.REQUESTS, amount=3, period_s=MINUTE, algorithm=algorithm, offset_s=offset_s)
    counted = window(limit)

    for after_s, left, taken, wait_s, full_in_s in rows:
        now = T0 + after_s
        assert counted.left(now) == pytest.approx(left)
        if taken:
            counted.take(taken, now)
        assert counted.wait_s(1, now) == pytest.approx(wait_s)
        assert counted.full_in_s(now) == pytest.approx(full_in_s)


@pytest.mark.parametrize("algorithm", list(Algorithm), ids=str)
def test_what_is_larger_than_the_window_never_fits(algorithm: Algorithm) -> None:
    counted = window(LimitProfile(unit=Unit.TOKENS, amount=100, algorithm=algorithm))

    assert counted.wait_s(101, T0) == float("inf")


@pytest.mark.parametrize("algorithm", list(Algorithm), ids=str)
def test_a_fresh_window_is_full_and_lets_its_whole_amount_pass_at_once(algorithm: Algorithm) -> None:
    counted = window(LimitProfile(unit=Unit.TOKENS, amount=100, algorithm=algorithm))

    assert (counted.left(T0), counted.full_in_s(T0), counted.wait_s(100, T0)) == (100, 0, 0)


def test_the_wait_of_every_algorithm_is_just_long_enough() -> None:
    for algorithm in Algorithm:
        counted = window(LimitProfile(unit=Unit.TOKENS, amount=100, algorithm=algorithm))
        counted.take(70, T0 + 5)
        counted.take(30, T0 + 25)

        wait_s = counted.wait_s(80, T0 + 30)

        assert counted.wait_s(80, T0 + 30 + wait_s - 0.01) > 0
        assert counted.wait_s(80, T0 + 30 + wait_s + 1e-6) == 0


def test_a_bucket_that_is_overdrawn_owes_the_difference() -> None:
    counted = window(LimitProfile(unit=Unit.OUTPUT_TOKENS, amount=60, period_s=60.0))
    counted.take(90, T0)

    assert counted.left(T0) == -30
    assert counted.wait_s(1, T0) == pytest.approx(31)


def test_a_bucket_may_be_smaller_than_its_rate() -> None:
    counted = window(LimitProfile(unit=Unit.REQUESTS, amount=60, period_s=60.0, burst=5))
    counted.take(5, T0)

    assert counted.left(T0 + 2) == pytest.approx(2)
    assert counted.left(T0 + 60) == 5


@pytest.mark.parametrize(
    "now, midnight",
    [
        pytest.param("2026-11-22T10:00", "2026-11-23T08:00", id="winter"),
        pytest.param("2026-11-22T07:59", "2026-11-22T08:00", id="just before"),
        pytest.param("2026-11-22T08:00", "2026-11-23T08:00", id="at midnight it is the next one"),
        pytest.param("2026-07-01T12:00", "2026-07-02T07:00", id="summer"),
        pytest.param("2026-03-08T07:30", "2026-03-08T08:00", id="the day summer time begins begins in winter time"),
        pytest.param("2026-03-08T12:00", "2026-03-09T07:00", id="and ends in summer time"),
        pytest.param("2026-11-01T06:30", "2026-11-01T07:00", id="the day summer time ends begins in summer time"),
        pytest.param("2026-11-01T12:00", "2026-11-02T08:00", id="and ends in winter time"),
        pytest.param("2026-12-31T12:00", "2027-01-01T08:00", id="over the end of the year"),
    ],
)
def test_the_pacific_day_ends_when_it_does_in_california(now: str, midnight: str) -> None:
    assert next_pacific_midnight(_utc(now)) == _utc(midnight)


def test_a_pacific_day_gives_everything_back_at_midnight() -> None:
    limit = LimitProfile(unit=Unit.REQUESTS, amount=2, period_s=86_400.0, algorithm=Algorithm.PACIFIC_DAY)
    counted = window(limit)
    evening = _utc("2026-11-22T07:00").timestamp()
    counted.take(2, evening)

    assert counted.wait_s(1, evening) == 3_600
    assert counted.left(evening + 3_600) == 2


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
