"""The arithmetic of evaluation, against examples worked out by hand."""

import pytest

from pointsman.classifier import figures
from pointsman.classifier.figures import Judged, Proportion


def judged(
    label: str, ruled: str, confidence: float = 1.0, *also_ok: str, probabilities: tuple[tuple[str, float], ...] = ()
) -> Judged:
    return Judged(
        label=label, also_ok=also_ok, lang="en", ruled=ruled, confidence=confidence, probabilities=probabilities
    )


FOUR = [
    judged("coding", "coding", 0.95),
    judged("coding", "quick", 0.85, "quick"),
    judged("quick", "quick", 0.65),
    judged("quick", "review", 0.25),
]


def test_strict_accuracy_counts_the_label_alone() -> None:
    assert figures.right(FOUR) == Proportion(2, 4)
    assert figures.accuracy(FOUR) == 0.5


def test_lenient_accuracy_counts_what_a_careful_reader_would_accept() -> None:
    assert figures.acceptable(FOUR) == Proportion(3, 4)
    assert figures.lenient_accuracy(FOUR) == 0.75


@pytest.mark.parametrize(
    "hits, of, interval",
    [
        pytest.param(8, 10, (0.4902, 0.9433), id="eight of ten"),
        pytest.param(0, 10, (0.0, 0.2775), id="none"),
        pytest.param(10, 10, (0.7225, 1.0), id="all"),
        pytest.param(500, 1_000, (0.4691, 0.5309), id="half of many"),
    ],
)
def test_intervals_are_wilsons(hits: int, of: int, interval: tuple[float, float]) -> None:
    assert Proportion(hits, of).interval == pytest.approx(interval, abs=5e-5)


def test_f1_is_twice_the_hits_over_all_that_was_labelled_or_ruled() -> None:
    assert figures.f1_by_category(FOUR) == {"coding": 2 / 3, "quick": 2 / 4, "review": 0.0}


def test_macro_f1_is_the_mean_of_the_categories_that_were_met() -> None:
    assert figures.macro_f1(FOUR) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_categories_of_settings_follow_the_five_by_name() -> None:
    rows = [judged("legal", "quick"), judged("art", "reasoning")]

    assert figures.categories(rows) == ("reasoning", "quick", "art", "legal")


def test_confusion_counts_each_pair_of_label_and_ruling() -> None:
    assert figures.confusion(FOUR) == {
        "coding": {"coding": 1, "quick": 1, "review": 0},
        "quick": {"coding": 0, "quick": 1, "review": 1},
        "review": {"coding": 0, "quick": 0, "review": 0},
    }


def test_calibration_error_is_the_mean_distance_of_confidence_and_accuracy_by_bins() -> None:
    # (0.9, 1]: 0.95 and right; (0.8, 0.9]: 0.85 and wrong; (0.6, 0.7]: 0.65 and right; (0.2, 0.3]: 0.25 and wrong.
    assert figures.calibration_error(FOUR) == pytest.approx((0.05 + 0.85 + 0.35 + 0.25) / 4)


def test_verdicts_of_one_bin_are_averaged_before_they_are_compared() -> None:
    both = [judged("quick", "quick", 0.72), judged("quick", "coding", 0.78)]

    assert figures.calibration_error(both) == pytest.approx(0.25)


@pytest.mark.parametrize("edge, low", [(0.0, 0.0), (0.3, 0.2), (0.7, 0.6), (1.0, 0.9)])
def test_an_edge_belongs_to_the_bin_below_it(edge: float, low: float) -> None:
    assert figures.reliability([judged("quick", "quick", edge)])[0].low == low


def test_brier_score_is_the_squared_distance_of_all_probabilities() -> None:
    probabilities = (("coding", 0.7), ("quick", 0.2), ("review", 0.1))

    row = judged("quick", "coding", 0.7, probabilities=probabilities)

    assert figures.brier_score([row]) == pytest.approx(0.7**2 + 0.8**2 + 0.1**2)


def test_a_rule_is_taken_at_its_word_by_the_brier_score() -> None:
    assert figures.brier_score([judged("quick", "vision")]) == 2.0
    assert figures.brier_score([judged("vision", "vision")]) == 0.0


def test_accepted_is_what_is_at_or_above_the_confidence() -> None:
    assert figures.accepted(FOUR, confidence=0.65) == (0.75, 2 / 3)


def test_nothing_accepted_is_nothing_wrong() -> None:
    assert figures.accepted(FOUR, confidence=0.99) == (0.0, 1.0)


def test_risk_grows_with_coverage_as_wrong_verdicts_are_accepted() -> None:
    curve = [(point.confidence, point.coverage, point.risk) for point in figures.risk_coverage(FOUR)]

    assert curve == [(0.95, 0.25, 0.0), (0.85, 0.5, 0.5), (0.65, 0.75, pytest.approx(1 / 3)), (0.25, 1.0, 0.5)]


def test_verdicts_of_one_hundredth_are_accepted_together() -> None:
    curve = figures.risk_coverage([judged("quick", "quick", 0.298), judged("quick", "coding", 0.29)])

    assert [(point.confidence, point.coverage, point.risk) for point in curve] == [(0.29, 1.0, 0.5)]


@pytest.mark.parametrize("share, value", [(0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4), (0.01, 1)])
def test_a_percentile_is_a_value_that_was_met(share: float, value: float) -> None:
    assert figures.percentile([4, 1, 3, 2], share=share) == value
