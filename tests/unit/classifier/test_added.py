"""Categories from settings, learned from their examples."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.classifier.added import Added
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.features import Features, extract
from pointsman.classifier.instructions import clean
from pointsman.config.settings import CategorySettings
from pointsman.domain.category import CATEGORIES
from tests.fakes.categories import LEGAL, OF_LEGAL

EMBEDDED = Embedded.load()
RECIPES = CategorySettings(
    description="cooking: recipes and ingredients",
    examples=("Recipe for banana bread", "How long do I roast a chicken?", "김치찌개 끓이는 법", "된장찌개 레시피"),
)
ADDED = Added.learn({"legal": LEGAL, "recipes": RECIPES})
NAMES = (*CATEGORIES, "legal", "recipes")

OF_THE_FIVE = (
    "Write a Python function that merges two sorted lists",
    "이 문장 자연스럽게 다듬어줘: 저는 열심히 합니다",
    "Prove that the square root of 3 is irrational",
    "What is the capital of Mongolia?",
    "What is written on the sign in the attached photo?",
    "Can you fix the loop in my script?",
    "계획을 세워줘: 세 사람이 두 주에 끝내야 해",
)


def extended(text: str, added: Added = ADDED) -> dict[str, float]:
    features = extract(clean(text))
    return dict(zip(NAMES, added.extend(EMBEDDED.weigh(features), features), strict=True))


@pytest.mark.parametrize("text", [*LEGAL.examples, *OF_LEGAL])
def test_what_belongs_to_an_added_category_is_ruled_so(text: str) -> None:
    distribution = extended(text)

    assert max(distribution, key=distribution.__getitem__) == "legal"


@pytest.mark.parametrize("text", OF_THE_FIVE)
def test_what_belongs_to_the_five_stays_there(text: str) -> None:
    without = dict(zip(CATEGORIES, EMBEDDED.distribution(text), strict=True))
    distribution = extended(text)

    assert max(distribution, key=distribution.__getitem__) == max(without, key=without.__getitem__)


@given(st.sampled_from([*LEGAL.examples, *RECIPES.examples]) | st.text(max_size=400))
def test_a_few_examples_make_nobody_sure(text: str) -> None:
    distribution = extended(text)

    assert sum(distribution.values()) == pytest.approx(1)
    assert max(distribution["legal"], distribution["recipes"]) <= 0.75


def test_the_same_settings_give_the_same_verdicts() -> None:
    again = Added.learn({"legal": LEGAL, "recipes": RECIPES})

    assert again.version == ADDED.version
    assert extended(OF_LEGAL[0], again) == extended(OF_LEGAL[0])


def test_the_order_in_which_a_set_gives_its_ngrams_changes_no_digit() -> None:
    known = frozenset[int]().union(*(extract(clean(text)).ngrams for text in LEGAL.examples))
    in_one_slot = sorted(ngram for ngram in known if ngram % 32 == 0)[:4]  # so a set gives them as they came
    sets = [frozenset(order) for order in permutations(in_one_slot)]

    said = {ADDED.extend((0.2,) * 5, Features(ngrams=ngrams, named=frozenset())) for ngrams in sets}

    assert len({tuple(ngrams) for ngrams in sets}) > 1
    assert len(said) == 1


def test_the_version_changes_with_an_example() -> None:
    other = CategorySettings(description=LEGAL.description, examples=(*LEGAL.examples, "Is a handshake binding?"))

    assert Added.learn({"legal": other}).version != Added.learn({"legal": LEGAL}).version


def test_without_added_categories_nothing_changes() -> None:
    none = Added.learn({})
    features = extract(OF_LEGAL[0])

    assert none.extend(EMBEDDED.weigh(features), features) == EMBEDDED.distribution(OF_LEGAL[0])
    assert none.version == ""
