from itertools import combinations

import pytest

from tests.chaos.outage import Fault
from tests.chaos.schedule import SERVICES, Parts, draw, targets

PARTS = Parts(providers=("anthropic", "gemini"), links=("router-executor", "executor-redis"))


def test_a_seed_draws_the_same_faults_again_and_another_seed_others() -> None:
    drawn = [draw(seed, PARTS, seconds=180) for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_all_faults_have_ended_when_the_time_is_over() -> None:
    assert all(planned.ends_s <= 120 for seed in range(20) for planned in draw(seed, PARTS, seconds=120))


def test_no_part_has_two_faults_at_once() -> None:
    for seed in range(20):
        for one, other in combinations(draw(seed, PARTS, seconds=300), 2):
            assert one.target != other.target or one.ends_s < other.at_s


def test_in_twenty_minutes_every_fault_comes_and_most_parts_are_hit() -> None:
    drawn = draw(1, PARTS, seconds=1_200)

    assert {planned.fault for planned in drawn} == set(Fault)
    assert {*SERVICES, "redis", "journal", *PARTS.upstreams, *PARTS.links} == {planned.target for planned in drawn}


@pytest.mark.parametrize("fault", list(Fault))
def test_only_the_faults_that_are_asked_for_come_and_only_to_what_they_can_be_done_to(fault: Fault) -> None:
    drawn = draw(3, PARTS, seconds=300, only=(fault,))

    assert drawn
    assert all(planned.fault is fault for planned in drawn)
    assert {planned.target for planned in drawn} <= set(targets(fault, PARTS))
