"""What README and card say about the embedded classifier, held by prompts that training never read."""

import json
from pathlib import Path

import pytest

from pointsman.classifier.embedded import Embedded
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus, embedded, figures, train


@pytest.fixture(scope="module")
def judged() -> list[figures.Judged]:
    return embedded.judge(Embedded.load(), corpus.held_out())


def test_it_is_right_more_often_than_promised(judged: list[figures.Judged]) -> None:
    assert figures.accuracy(judged) >= embedded.HELD_OUT_ACCURACY
    assert figures.macro_f1(judged) >= embedded.HELD_OUT_MACRO_F1


def test_it_is_as_sure_as_it_is_right(judged: list[figures.Judged]) -> None:
    assert figures.calibration_error(judged) <= embedded.HELD_OUT_CALIBRATION_ERROR


def test_what_it_is_sure_of_is_right(judged: list[figures.Judged]) -> None:
    share, accuracy = figures.accepted(judged, confidence=embedded.ACCEPT_CONFIDENCE)

    assert share >= 0.5
    assert accuracy >= 0.88


def test_korean_is_no_second_class(judged: list[figures.Judged]) -> None:
    korean, english = ([one for one in judged if one.lang == lang] for lang in ("ko", "en"))

    assert figures.accuracy(korean) >= figures.accuracy(english) - 0.05


@pytest.mark.timeout(300)  # learning takes half a minute, and more beside other work
def test_the_shipped_weights_are_what_the_corpus_gives() -> None:
    assert train.learn(corpus.training()) == train.WEIGHTS.read_bytes()


def test_the_corpus_keeps_its_promises() -> None:
    rows = corpus.training() + corpus.held_out()
    share = {lang: sum(row.lang == lang for row in rows) / len(rows) for lang in ("en", "ko")}

    assert len(rows) >= 4_000
    assert len({row.text for row in rows}) == len(rows)
    assert {row.label for row in rows} == set(CATEGORIES)
    assert 0.45 <= share["en"] <= 0.6
    assert share["ko"] >= 0.3


GOOD = {
    "held_out.accuracy": 0.9,
    "held_out.macro_f1": 0.9,
    "held_out.ece": 0.01,
    "verdict.p50_ms": 0.1,
    "verdict.p99_ms": 1.0,
}
GOOD_DATA = {
    "data.prompts": 100.0,
    "data.macro_f1": 0.9,
    "data.accepted_accuracy": 0.95,
    "data.f1.quick": 0.9,
    "data.accuracy.en": 0.9,
    "data.accuracy.ko": 0.9,
    "data.ece": 0.01,
}


def test_good_figures_fall_short_of_nothing() -> None:
    assert embedded.falls_short(GOOD) == []
    assert embedded.falls_short(GOOD | GOOD_DATA) == []


@pytest.mark.parametrize(
    "figure, value, named",
    [
        pytest.param("held_out.accuracy", 0.5, "held_out.accuracy", id="too often wrong"),
        pytest.param("verdict.p99_ms", 9.0, "verdict.p99_ms", id="too slow at times"),
        pytest.param("data.macro_f1", 0.5, "data.macro_f1", id="wrong on the file"),
        pytest.param("data.accepted_accuracy", 0.5, "data.accepted_accuracy", id="wrong where sure"),
        pytest.param("data.f1.quick", 0.5, "data.worst_f1", id="one category left behind"),
        pytest.param("data.accuracy.ko", 0.5, "data.korean_behind", id="Korean left behind"),
        pytest.param("data.ece", 0.5, "data.ece", id="surer than right"),
    ],
)
def test_what_falls_short_is_named(figure: str, value: float, named: str) -> None:
    [sentence] = embedded.falls_short(GOOD | GOOD_DATA | {figure: value})

    assert sentence.startswith(f"{named} is ")


@pytest.mark.parametrize(
    "confidences, right, error",
    [
        pytest.param([0.95, 0.95], [True, True], 0.05, id="surer than needed"),
        pytest.param([0.75, 0.75], [True, False], 0.25, id="half right, three quarters sure"),
        pytest.param([1.0], [True], 0.0, id="certain and right"),
    ],
)
def test_the_calibration_error_is_the_gap(confidences: list[float], right: list[bool], error: float) -> None:
    ruled = [
        figures.Judged(label="quick", also_ok=(), lang="en", ruled="quick" if hit else "coding", confidence=confidence)
        for confidence, hit in zip(confidences, right, strict=True)
    ]

    assert figures.calibration_error(ruled) == pytest.approx(error)


def test_a_file_of_prompts_can_be_judged(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"text": "hi", "label": "quick", "has_image": False, "source": "ours"}) + "\n")

    rows = corpus.read(path)

    assert [(row.text, row.label, row.id) for row in rows] == [("hi", "quick", "prompts-1")]
