"""What the README says about categories from settings: each finds something unseen, and they take little of others."""

import pytest

from tests.eval import added, corpus


@pytest.fixture(scope="module")
def found() -> added.Found:
    return added.find(corpus.held_out())


def test_every_category_finds_something_that_it_never_saw(found: added.Found) -> None:
    assert min(found.hits.values()) >= 1


def test_they_take_few_prompts_of_others(found: added.Found) -> None:
    assert len(found.taken) <= 0.04 * found.ordinary


def test_no_example_is_judged() -> None:
    examples = {text for category in added.CATEGORIES.values() for text in category.examples}

    assert examples.isdisjoint(text for texts in added.UNSEEN.values() for text in texts)
