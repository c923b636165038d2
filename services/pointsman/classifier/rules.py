"""The rulings that cannot be wrong. Keywords are no rules here: they are features of the embedded classifier."""

from pointsman.domain.category import VISION
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict


def rule(*, category: str, has_image: bool) -> Verdict | None:
    """Return the verdict that the caller's word or an image forces; None when the text must be read.

    `category` is empty when the caller named none. What the caller says stands above what the caller attached.
    """
    if category:
        return _certain(category, DecidedBy.CALLER)
    if has_image:
        return _certain(VISION, DecidedBy.RULE)
    return None


def _certain(category: str, decided_by: DecidedBy) -> Verdict:
    return Verdict(category=category, confidence=1.0, decided_by=decided_by, model_hop=ModelHop.NOT_NEEDED)
