"""What can be read off a verdict."""

import pytest

from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict


@pytest.mark.parametrize(
    "probabilities, runner_up",
    [
        pytest.param((), "", id="a-rule-decided"),
        pytest.param((("coding", 1.0),), "", id="only-one"),
        pytest.param((("coding", 0.7), ("quick", 0.2), ("review", 0.1)), "quick", id="the-second"),
    ],
)
def test_the_runner_up_is_the_second_most_probable(
    probabilities: tuple[tuple[str, float], ...], runner_up: str
) -> None:
    verdict = Verdict(
        category="coding",
        confidence=0.7,
        decided_by=DecidedBy.EMBEDDED,
        model_hop=ModelHop.CONFIDENT,
        probabilities=probabilities,
    )

    assert verdict.runner_up == runner_up
