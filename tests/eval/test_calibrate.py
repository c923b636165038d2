"""How the temperature is fitted, on scores whose right answer is plain."""

import json
from pathlib import Path

import pytest

from pointsman.classifier.calibration import softmax
from pointsman.classifier.embedded import Embedded
from pointsman.domain.category import CATEGORIES
from tests.eval import calibrate, corpus


def scored(label: str, logits: tuple[float, ...], source: str = "one") -> calibrate.Scored:
    row = corpus.Row(id="1", text="hi", label=label, lang="en")
    return calibrate.Scored(row=row, source=source, logits=logits)


SURE_OF_REASONING = (2.0, 0.0, 0.0, 0.0, 0.0)


def test_scores_that_are_always_right_are_sharpened() -> None:
    assert calibrate.fit([scored("reasoning", SURE_OF_REASONING)] * 4) == min(calibrate.TEMPERATURES)


def test_scores_that_are_often_wrong_are_flattened() -> None:
    half_right = [scored("reasoning", SURE_OF_REASONING), scored("quick", SURE_OF_REASONING)] * 4

    assert calibrate.fit(half_right) > 1.0


def test_a_source_is_judged_at_the_temperature_of_the_others() -> None:
    rows = [scored("reasoning", SURE_OF_REASONING, "right"), scored("quick", SURE_OF_REASONING, "wrong")]

    judged = calibrate.cross_fitted(rows)

    by_label = {one.label: one.confidence for one in judged}
    assert by_label["quick"] == pytest.approx(1.0, abs=0.01)
    assert by_label["reasoning"] < 0.5


def test_a_category_that_is_ruled_too_often_is_pulled_back_by_its_own_constant() -> None:
    rows = [scored("quick", SURE_OF_REASONING)] * 6 + [scored("reasoning", SURE_OF_REASONING)] * 2

    pulled, even = calibrate.scaled(rows)(SURE_OF_REASONING), calibrate.tempered(rows)(SURE_OF_REASONING)

    assert pulled[CATEGORIES.index("quick")] > even[CATEGORIES.index("quick")]


def test_the_rest_is_what_is_not_accepted() -> None:
    judged = calibrate.judge([scored("reasoning", SURE_OF_REASONING), scored("quick", (0.1, 0, 0, 0, 0))], softmax)

    line = next(line for line in calibrate.risk_coverage(judged) if line.strip().startswith("0.60"))

    assert line.split()[1:] == ["0.500", "1.000", "0.000"]


def test_a_row_with_an_image_is_left_to_the_rule(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [
        {"text": "hi", "label": "quick", "source": {"repo": "a"}},
        {"text": "this", "label": "vision", "has_image": True},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))

    [only] = calibrate.score(Embedded.load(), path)

    assert only.row.text == "hi"
    assert only.source == '{"repo": "a"}'
