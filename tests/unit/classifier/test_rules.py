import pytest

from pointsman.classifier.rules import rule
from pointsman.domain.verdict import DecidedBy, ModelHop


@pytest.mark.parametrize(
    "category, has_image, ruled, decided_by",
    [
        pytest.param("coding", False, "coding", DecidedBy.CALLER, id="the caller named a category"),
        pytest.param("legal", False, "legal", DecidedBy.CALLER, id="the caller named one that only settings know"),
        pytest.param("quick", True, "quick", DecidedBy.CALLER, id="the caller's word stands above an image"),
        pytest.param("", True, "vision", DecidedBy.RULE, id="an image is attached"),
    ],
)
def test_what_cannot_be_wrong_is_ruled_with_certainty(
    category: str,
    has_image: bool,  # noqa: FBT001 - a column of the table
    ruled: str,
    decided_by: DecidedBy,
) -> None:
    verdict = rule(category=category, has_image=has_image)

    assert verdict is not None
    assert (verdict.category, verdict.decided_by, verdict.confidence) == (ruled, decided_by, 1.0)
    assert verdict.model_hop is ModelHop.NOT_NEEDED


def test_a_text_alone_is_no_matter_for_rules() -> None:
    assert rule(category="", has_image=False) is None
