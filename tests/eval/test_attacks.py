"""Two sets that nobody trains on: words that point the wrong way, and difficulty that does not show."""

import pytest

from pointsman.classifier import figures
from pointsman.classifier.embedded import Embedded
from tests.eval import corpus, embedded

ATTACKS = corpus.FOLDER.parent / "attacks"


@pytest.mark.parametrize("name, floor", [("misleading", 0.75), ("masked", 0.68)])
def test_most_of_a_hard_set_is_ruled_rightly(name: str, floor: float) -> None:
    judged = embedded.judge(Embedded.load(), corpus.read(ATTACKS / f"{name}.jsonl")).judged()

    assert figures.accuracy(judged) >= floor


@pytest.mark.parametrize("name", ["misleading", "masked"])
def test_a_hard_set_is_in_both_languages_and_never_learned(name: str) -> None:
    rows = corpus.read(ATTACKS / f"{name}.jsonl")

    assert {row.lang for row in rows} == {"en", "ko"}
    assert {row.text for row in rows}.isdisjoint(row.text for row in corpus.training())
