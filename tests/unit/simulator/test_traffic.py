from collections import Counter
from random import Random

import pytest

from pointsman.domain.category import CATEGORIES
from pointsman.simulator.traffic import BUSY_HOUR, CALM_HOUR, DAY_S, HOUR_S, OFFICE_DAY, TrafficProfile, arrivals
from pointsman.simulator.wording import is_korean


def test_the_same_seed_gives_the_same_hour_and_another_seed_another() -> None:
    one, again, other = (list(arrivals(BUSY_HOUR, seconds=HOUR_S, chance=Random(seed))) for seed in (1, 1, 2))

    assert one == again
    assert one != other


def test_requests_come_in_order_and_within_the_hour() -> None:
    instants = [arrival.at_s for arrival in arrivals(BUSY_HOUR, seconds=HOUR_S, chance=Random(1))]

    assert instants == sorted(instants)
    assert instants[0] >= 0
    assert instants[-1] < HOUR_S


@pytest.mark.parametrize(
    "profile, expected",
    [pytest.param(CALM_HOUR, 6 * 60, id="calm"), pytest.param(BUSY_HOUR, 24 * 60 + 120, id="busy, with bursts")],
)
def test_the_rate_is_as_stated(profile: TrafficProfile, expected: int) -> None:
    counts = [len(list(arrivals(profile, seconds=HOUR_S, chance=Random(seed)))) for seed in range(10)]

    assert sum(counts) / 10 == pytest.approx(expected, rel=0.05)


def test_a_burst_is_ten_requests_within_two_seconds() -> None:
    profile = TrafficProfile(singles_per_minute=0.0, bursts_per_hour=2.0)

    instants = [arrival.at_s for arrival in arrivals(profile, seconds=10 * HOUR_S, chance=Random(3))]
    groups = [instants[at : at + 10] for at in range(0, len(instants), 10)]

    assert len(instants) % 10 == 0
    assert all(group[-1] - group[0] <= 2.0 for group in groups)


def test_all_categories_come_in_their_shares_and_both_languages() -> None:
    hour = list(arrivals(BUSY_HOUR, seconds=4 * HOUR_S, chance=Random(1)))

    shares = Counter(arrival.prompt.category for arrival in hour)
    korean = sum(is_korean(arrival.prompt.text) for arrival in hour)

    assert set(shares) == set(CATEGORIES)
    for category, traffic in BUSY_HOUR.mix.items():
        assert shares[category] / len(hour) == pytest.approx(traffic.share, abs=0.03)
    assert 0.2 < korean / len(hour) < 0.6


def test_a_day_sleeps_at_night_and_peaks_before_noon() -> None:
    day = arrivals(OFFICE_DAY, seconds=DAY_S, chance=Random(1))

    by_hour = Counter(int(arrival.at_s // HOUR_S) for arrival in day)

    assert by_hour[10] > 8 * by_hour[3]
    assert by_hour[12] < by_hour[10]


def test_long_prompts_are_no_two_alike() -> None:
    long = [
        a.prompt.text for a in arrivals(BUSY_HOUR, seconds=HOUR_S, chance=Random(1)) if a.prompt.category == "review"
    ]

    assert len(set(long)) > 0.95 * len(long)
    assert 500 < sorted(map(len, long))[len(long) // 2] < 6_000


def test_no_traffic_is_no_traffic() -> None:
    assert list(arrivals(TrafficProfile(singles_per_minute=0.0), seconds=HOUR_S, chance=Random(1))) == []
