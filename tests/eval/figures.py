"""What a set of verdicts amounts to: accuracy, macro-F1, calibration error, by language. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.domain.category import CATEGORIES

_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One prompt, as labelled and as ruled."""

    label: str
    also_ok: tuple[str, ...]
    lang: str
    ruled: str
    confidence: float

    @property
    def is_right(self) -> bool:
        """True when the ruling is the label itself."""
        return self.ruled == self.label


def accuracy(judged: Sequence[Judged]) -> float:
    """Return the share of rulings that are the label."""
    return sum(one.is_right for one in judged) / len(judged)


def lenient_accuracy(judged: Sequence[Judged]) -> float:
    """Return the share of rulings that a careful reader would accept."""
    return sum(one.is_right or one.ruled in one.also_ok for one in judged) / len(judged)


def f1_by_category(judged: Sequence[Judged]) -> dict[str, float]:
    """Return the F1 of each category that is labelled or ruled at least once."""
    scores = {}
    for category in CATEGORIES:
        hits = sum(one.is_right and one.label == category for one in judged)
        total = sum((one.label == category) + (one.ruled == category) for one in judged)
        if total:
            scores[category] = 2 * hits / total
    return scores


def macro_f1(judged: Sequence[Judged]) -> float:
    """Return the mean F1 of the categories."""
    scores = f1_by_category(judged)
    return sum(scores.values()) / len(scores)


def calibration_error(judged: Sequence[Judged]) -> float:
    """Return the expected calibration error over ten bins: how far confidence is from being right, on average."""
    error = 0.0
    for number in range(_BINS):
        low, high = number / _BINS, (number + 1) / _BINS
        held = [one for one in judged if low < one.confidence <= high]
        if held:
            confidence = sum(one.confidence for one in held) / len(held)
            error += len(held) / len(judged) * abs(confidence - accuracy(held))
    return error


def accepted(judged: Sequence[Judged], *, confidence: float) -> tuple[float, float]:
    """Return the share of rulings at or above `confidence`, and their accuracy (1 when there are none)."""
    sure = [one for one in judged if one.confidence >= confidence]
    return len(sure) / len(judged), accuracy(sure) if sure else 1.0
