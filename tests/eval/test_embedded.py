"""What README and card say about the embedded classifier, held by prompts that training never read."""

import json

import pytest

from pointsman.classifier.embedded import Embedded
from pointsman.cli.evaluation_figures import Bounds, Figures, summarise
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus, embedded, train


@pytest.fixture(scope="module")
def found() -> Figures:
    return summarise(embedded.judge(Embedded.load(), corpus.held_out()))


def test_it_is_as_right_and_as_sure_as_promised(found: Figures) -> None:
    assert embedded.shortfall(found, embedded.HELD_OUT) == []


def test_what_it_is_sure_of_is_right(found: Figures) -> None:
    assert found["accepted_share"] >= 0.5
    assert found["accepted_accuracy"] >= 0.88


def test_korean_is_no_second_class(found: Figures) -> None:
    behind = embedded.korean_behind(found)

    assert behind is not None
    assert behind <= embedded.KOREAN_BEHIND


@pytest.mark.timeout(300)  # learning takes a minute, and more beside other work
def test_the_shipped_weights_are_what_the_corpus_gives() -> None:
    assert train.learn(corpus.training()) == train.WEIGHTS.read_bytes()


def test_the_corpus_keeps_its_promises() -> None:
    rows = corpus.training() + corpus.held_out()
    share = {lang: sum(row.lang == lang for row in rows) / len(rows) for lang in ("en", "ko")}

    assert len(rows) >= 7_000
    assert len({row.text for row in rows}) == len(rows)
    assert {row.label for row in rows} == set(CATEGORIES)
    assert 0.45 <= share["en"] <= 0.6
    assert share["ko"] >= 0.3


def test_enough_rows_try_to_name_their_label() -> None:
    lines = [line for path in corpus.FOLDER.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]

    assert sum(json.loads(line).get("steer", False) for line in lines) >= 200


def languages(*, english: float, korean: float) -> Figures:
    return {"languages": [{"lang": "en", "accuracy": english}, {"lang": "ko", "accuracy": korean}]}


def test_korean_left_behind_falls_short() -> None:
    [sentence] = embedded.shortfall(languages(english=0.9, korean=0.8), Bounds())

    assert sentence.startswith("Korean is 0.1 behind English")


def test_korean_before_english_falls_short_of_nothing() -> None:
    assert embedded.shortfall(languages(english=0.8, korean=0.9), Bounds()) == []


def test_a_language_alone_is_behind_nobody() -> None:
    assert embedded.korean_behind({"languages": [{"lang": "ko", "accuracy": 0.5}]}) is None


def test_figures_for_scripts_are_single_numbers(found: Figures) -> None:
    flat = embedded.flat(found, "held_out")

    assert flat["held_out.macro_f1"] == found["macro_f1"]
    assert {"held_out.f1.quick", "held_out.accuracy.ko", "held_out.accuracy_lenient"} <= flat.keys()
    assert all(isinstance(value, float | int) for value in flat.values())
