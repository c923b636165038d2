"""What is promised about text that tries to name its own label."""

from pointsman.classifier.embedded import Embedded
from tests.eval import steering


def test_text_that_names_a_label_changes_almost_nothing() -> None:
    assert steering.unchanged(steering.steer(Embedded.load())) >= steering.UNCHANGED


def test_every_attempt_is_made_at_every_place_for_every_other_category() -> None:
    steered = steering.steer(Embedded.load())

    assert len(steering.ATTEMPTS) >= 20
    assert len(steering.PROMPTS) >= 20
    assert len(steered) == len(steering.PROMPTS) * len(steering.ATTEMPTS) * len(steering.PLACES) * 4


def test_an_attempt_that_works_counts_as_one() -> None:
    worked, failed = (
        steering.Steered(attempt="#{target}", place="head", target="coding", label="quick", stayed=stayed)
        for stayed in (False, True)
    )

    assert steering.unchanged([worked, failed, failed, failed]) == 0.75
