from math import inf, log, nan

import pytest

from pointsman.classifier.model import Durations, read_categories
from pointsman.domain.category import CATEGORIES


def read(tokens: dict[str, float]) -> tuple[dict[str, float], float]:
    distribution, coverage = read_categories(
        ((token, log(probability)) for token, probability in tokens.items()), CATEGORIES
    )
    return dict(zip(CATEGORIES, distribution or (), strict=bool(distribution))), coverage


@pytest.mark.parametrize(
    "token, category",
    [
        pytest.param(" coding", "coding", id="with its space"),
        pytest.param("Coding", "coding", id="in capitals"),
        pytest.param(" cod", "coding", id="a piece that begins one category only"),
        pytest.param(" rev", "review", id="long enough to tell review from reasoning"),
    ],
)
def test_a_token_counts_for_the_category_it_begins(token: str, category: str) -> None:
    probabilities, coverage = read({token: 0.8, " the": 0.2})

    assert max(probabilities, key=probabilities.__getitem__) == category
    assert coverage == pytest.approx(0.8)


@pytest.mark.parametrize("token", [" re", "", " ", "codings", "The", "빠른"])
def test_a_token_that_names_no_one_category_counts_for_none(token: str) -> None:
    assert read({token: 1.0}) == ({}, 0.0)


def test_spellings_of_one_category_are_added() -> None:
    probabilities, coverage = read({" quick": 0.5, "quick": 0.2, " Quick": 0.1, " coding": 0.1})

    assert coverage == pytest.approx(0.9)
    assert probabilities["quick"] > 0.6


def test_a_category_outside_the_list_gets_at_most_the_smallest_listed_probability() -> None:
    probabilities, _ = read({" quick": 0.9, " coding": 0.05, " a": 0.001})

    assert probabilities["vision"] == pytest.approx(0.001 / (0.95 + 3 * 0.001))


def test_an_added_category_is_looked_for_beside_the_five() -> None:
    distribution, _ = read_categories([(" legal", log(0.7)), (" quick", log(0.2))], (*CATEGORIES, "legal-advice"))

    assert distribution is not None
    assert distribution.index(max(distribution)) == len(CATEGORIES)


def test_numbers_that_are_none_are_passed_over() -> None:
    assert read_categories([(" quick", nan), (" coding", -inf), (" review", inf)], CATEGORIES) == (None, 0.0)


def test_no_tokens_cover_nothing() -> None:
    assert read_categories([], CATEGORIES) == (None, 0.0)


def test_what_the_parts_leave_of_the_total_was_the_wait_for_a_slot() -> None:
    durations = Durations(total_s=0.5, load_s=0.1, prompt_eval_s=0.2, eval_s=0.05)

    assert durations.slot_wait_s == pytest.approx(0.15)
