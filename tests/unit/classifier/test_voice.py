import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.classifier.calibration import softmax
from pointsman.classifier.voice import UNFITTED, Calibration, Voice, calibration_of

MEASURED = Calibration(temperature=1.2, prior_share=1.0, most_weight=0.8)
FITTED = {("digest", "09ab"): MEASURED}
distributions = st.lists(st.floats(-20, 20), min_size=6, max_size=6).map(softmax)


def test_what_was_fitted_is_found_by_model_and_instructions() -> None:
    assert calibration_of("digest", "09ab", FITTED) is MEASURED


@pytest.mark.parametrize(
    "digest, version",
    [
        pytest.param("other", "09ab", id="another model"),
        pytest.param("digest", "0000", id="other instructions"),
        pytest.param("", "09ab", id="a server that tells no digest"),
    ],
)
def test_any_other_pair_is_uncalibrated(digest: str, version: str) -> None:
    assert calibration_of(digest, version, FITTED) is UNFITTED


def test_uncalibrated_says_so_and_never_outweighs_the_embedded_classifier() -> None:
    assert not UNFITTED.is_fitted
    assert UNFITTED.most_weight <= 0.5


def test_a_habit_is_taken_out_of_what_is_said() -> None:
    habit = (0.6, 0.1, 0.1, 0.1, 0.1)
    voice = Voice(digest="d", prior=habit, calibration=MEASURED)

    assert voice.heard(habit) == pytest.approx((0.2,) * 5)


@given(distributions, distributions)
def test_what_is_heard_of_any_number_of_categories_is_a_distribution(
    said: tuple[float, ...], prior: tuple[float, ...]
) -> None:
    heard = Voice(digest="d", prior=prior, calibration=UNFITTED).heard(said)

    assert len(heard) == 6
    assert sum(heard) == pytest.approx(1)
