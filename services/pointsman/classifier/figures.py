"""What a set of verdicts amounts to: accuracy, F1, calibration, risk over coverage. Pure arithmetic.

Every function wants at least one verdict.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

from pointsman.domain.category import CATEGORIES
from pointsman.domain.frozen import frozen

_BIN_EDGES: Final = tuple(number / 10 for number in range(11))
"""Ten bins of equal width for the calibration error."""

_HUNDREDTHS: Final = tuple(number / 100 for number in range(101))
"""How finely confidences are told apart where risk is drawn over coverage."""

_Z: Final = 1.959964
"""Standard deviations to either side that hold 95 % of a normal distribution."""


@frozen
class Judged:
    """One prompt, as labelled and as ruled.

    `also_ok` are other categories that a careful reader would accept. `probabilities` pairs categories and
    probabilities; without them all that is not `confidence` counts as nobody's.
    """

    label: str
    also_ok: tuple[str, ...]
    lang: str
    ruled: str
    confidence: float
    probabilities: tuple[tuple[str, float], ...] = ()

    @property
    def is_right(self) -> bool:
        """True when the ruling is the label itself."""
        return self.ruled == self.label

    @property
    def is_acceptable(self) -> bool:
        """True when a careful reader would accept the ruling."""
        return self.is_right or self.ruled in self.also_ok


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many `hits` among so many; `of` is at least 1."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval: where the share of all prompts of this kind lies, 95 times of 100."""
        square = _Z * _Z / self.of
        middle = (self.value + square / 2) / (1 + square)
        reach = _Z * sqrt(self.value * (1 - self.value) / self.of + square / (4 * self.of)) / (1 + square)
        return max(0.0, middle - reach), min(1.0, middle + reach)


@frozen
class Bin:
    """The verdicts of which the confidence is above `low` and at most `high`: its mean, and how many are right."""

    low: float
    high: float
    confidence: float
    right: Proportion


@frozen
class Acceptance:
    """What follows from accepting verdicts at a confidence and above: the share accepted, and of these the wrong."""

    confidence: float
    coverage: float
    risk: float


def right(judged: Sequence[Judged]) -> Proportion:
    """Return how many rulings are the label."""
    return Proportion(sum(one.is_right for one in judged), len(judged))


def acceptable(judged: Sequence[Judged]) -> Proportion:
    """Return how many rulings a careful reader would accept."""
    return Proportion(sum(one.is_acceptable for one in judged), len(judged))


def accuracy(judged: Sequence[Judged]) -> float:
    """Return the share of rulings that are the label."""
    return right(judged).value


def lenient_accuracy(judged: Sequence[Judged]) -> float:
    """Return the share of rulings that a careful reader would accept."""
    return acceptable(judged).value


def categories(judged: Sequence[Judged]) -> tuple[str, ...]:
    """Return the categories that are labelled or ruled at least once: the five in their order, then others by name."""
    met = {category for one in judged for category in (one.label, one.ruled)}
    return (*(each for each in CATEGORIES if each in met), *sorted(met.difference(CATEGORIES)))


def f1_by_category(judged: Sequence[Judged]) -> dict[str, float]:
    """Return the F1 of each category that is labelled or ruled at least once."""
    hits = Counter(one.label for one in judged if one.is_right)
    met = Counter(one.label for one in judged) + Counter(one.ruled for one in judged)
    return {category: 2 * hits[category] / met[category] for category in categories(judged)}


def macro_f1(judged: Sequence[Judged]) -> float:
    """Return the mean F1 of the categories."""
    scores = f1_by_category(judged)
    return sum(scores.values()) / len(scores)


def confusion(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Return how often each label (the outer key) was ruled as each category, zeros included."""
    counts = Counter((one.label, one.ruled) for one in judged)
    every = categories(judged)
    return {label: {ruled: counts[label, ruled] for ruled in every} for label in every}


def reliability(judged: Sequence[Judged]) -> list[Bin]:
    """Return the bins that hold a verdict, the least confident first."""
    held: dict[int, list[Judged]] = {}
    for one in judged:
        held.setdefault(_bin(one.confidence), []).append(one)
    return [
        Bin(
            low=_BIN_EDGES[number],
            high=_BIN_EDGES[number + 1],
            confidence=sum(one.confidence for one in ones) / len(ones),
            right=right(ones),
        )
        for number, ones in sorted(held.items())
    ]


def calibration_error(judged: Sequence[Judged]) -> float:
    """Return the expected calibration error over ten bins: how far confidence is from being right, on average."""
    return sum(each.right.of * abs(each.confidence - each.right.value) for each in reliability(judged)) / len(judged)


def brier_score(judged: Sequence[Judged]) -> float:
    """Return the mean squared distance of the probabilities from the label: 0 at best, 2 when sure and wrong."""
    return sum(map(_distance, judged)) / len(judged)


def accepted(judged: Sequence[Judged], *, confidence: float) -> tuple[float, float]:
    """Return the share of rulings at or above `confidence`, and their accuracy (1 when there are none)."""
    sure = sure_of(judged, confidence=confidence)
    return len(sure) / len(judged), accuracy(sure) if sure else 1.0


def sure_of(judged: Sequence[Judged], *, confidence: float) -> list[Judged]:
    """Return the rulings at or above `confidence`."""
    return [one for one in judged if one.confidence >= confidence]


def risk_coverage(judged: Sequence[Judged]) -> list[Acceptance]:
    """Return what accepting comes to at each hundredth of confidence that was met, the strictest first."""
    curve: dict[float, Acceptance] = {}
    wrong = 0
    for number, one in enumerate(sorted(judged, key=lambda one: -one.confidence), 1):
        wrong += not one.is_right
        step = _HUNDREDTHS[bisect_right(_HUNDREDTHS, one.confidence) - 1]
        curve[step] = Acceptance(confidence=step, coverage=number / len(judged), risk=wrong / number)
    return list(curve.values())


def percentile(values: Sequence[float], *, share: float) -> float:
    """Return the smallest of `values` that `share` of them do not exceed; `share` is above 0 and at most 1."""
    return sorted(values)[ceil(share * len(values)) - 1]


def _bin(confidence: float) -> int:
    return max(0, bisect_left(_BIN_EDGES, confidence) - 1)


def _distance(one: Judged) -> float:
    probabilities = dict(one.probabilities) or {one.ruled: one.confidence}
    probabilities.setdefault(one.label, 0.0)
    return sum((probability - (category == one.label)) ** 2 for category, probability in probabilities.items())
