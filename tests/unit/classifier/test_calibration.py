from itertools import pairwise
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.classifier.calibration import Distribution, fuse, softmax, temper, without_prior

logits = st.lists(st.floats(-50, 50), min_size=5, max_size=5)
distributions = logits.map(softmax)
temperatures = st.floats(0.2, 5)
weights = st.floats(0, 1)
UNIFORM: Distribution = (0.2,) * 5


def is_distribution(numbers: Distribution) -> bool:
    return all(0 <= number <= 1 for number in numbers) and isclose(sum(numbers), 1)


def ranking(numbers: Distribution) -> list[int]:
    return sorted(range(len(numbers)), key=lambda index: numbers[index])


@given(logits, temperatures)
def test_a_softmax_is_a_distribution(scores: list[float], temperature: float) -> None:
    assert is_distribution(softmax(scores, temperature=temperature))


@given(distributions, temperatures)
def test_tempering_keeps_the_order(distribution: Distribution, temperature: float) -> None:
    tempered = temper(distribution, temperature=temperature)

    assert is_distribution(tempered)
    in_old_order = [tempered[index] for index in ranking(distribution)]
    assert all(low <= high + 1e-12 for low, high in pairwise(in_old_order))


@given(distributions, st.floats(1.01, 5))
def test_a_higher_temperature_is_never_surer(distribution: Distribution, temperature: float) -> None:
    assert max(temper(distribution, temperature=temperature)) <= max(distribution) + 1e-9


@given(distributions, distributions, weights)
def test_a_fusion_is_a_distribution(first: Distribution, second: Distribution, weight: float) -> None:
    assert is_distribution(fuse(first, second, second_weight=weight))


@given(distributions, weights)
def test_fusing_with_itself_changes_nothing(distribution: Distribution, weight: float) -> None:
    fused = fuse(distribution, distribution, second_weight=weight)

    assert fused == pytest.approx(distribution, abs=1e-6)


@given(distributions, distributions)
def test_a_weight_of_zero_or_one_leaves_one_voice(first: Distribution, second: Distribution) -> None:
    assert fuse(first, second, second_weight=0.0) == pytest.approx(first, abs=1e-6)
    assert fuse(first, second, second_weight=1.0) == pytest.approx(second, abs=1e-6)


@given(distributions)
def test_a_uniform_prior_takes_nothing_away(distribution: Distribution) -> None:
    assert without_prior(distribution, UNIFORM) == pytest.approx(distribution, abs=1e-6)


def test_a_standing_preference_is_divided_out() -> None:
    prior = (0.6, 0.1, 0.1, 0.1, 0.1)

    assert without_prior(prior, prior) == pytest.approx(UNIFORM)


def test_certainty_of_one_side_can_be_overruled() -> None:
    certain = (1.0, 0.0, 0.0, 0.0, 0.0)
    doubtful = (0.0, 1.0, 0.0, 0.0, 0.0)

    assert fuse(certain, doubtful, second_weight=0.6)[1] > 0.5
