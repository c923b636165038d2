"""How far a small model is believed: what it says about nothing, and what was fitted for it, if anything was."""

from collections.abc import Mapping
from typing import Final

from pointsman.classifier.calibration import Distribution, temper, without_prior
from pointsman.domain.frozen import frozen


@frozen
class Calibration:
    """What makes a model's probabilities honest.

    `temperature` is > 0. `prior_share` is how much of its standing preference is taken out, `most_weight` the most that
    it may count in a fusion, both 0 to 1.
    """

    temperature: float
    prior_share: float
    most_weight: float
    is_fitted: bool = True


UNFITTED: Final = Calibration(temperature=1.5, prior_share=0.5, most_weight=0.5, is_fitted=False)
"""For a model that nobody measured. First tokens of small models are over-confident; a preference for "quick" when
nothing is asked is half reason, half habit; and a stranger does not outweigh the embedded classifier.
"""

FITTED: Final[Mapping[tuple[str, str], Calibration]] = {}
"""Fitted on labelled prompts, by the model's digest and the version of the instructions. None was yet (2026-11)."""


@frozen
class Voice:
    """The model that speaks: its digest, what it says about prompts without content, and its calibration.

    `digest` is empty when the server does not tell it.
    """

    digest: str
    prior: Distribution
    calibration: Calibration

    def heard(self, said: Distribution) -> Distribution:
        """Return what to make of a distribution that this model gave."""
        fair = without_prior(said, self.prior, share=self.calibration.prior_share)
        return temper(fair, temperature=self.calibration.temperature)


def calibration_of(
    digest: str, instructions: str, fitted: Mapping[tuple[str, str], Calibration] = FITTED
) -> Calibration:
    """Return what was fitted for a model under a version of the instructions, UNFITTED when nothing was."""
    return fitted.get((digest, instructions), UNFITTED)
