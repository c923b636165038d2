"""The categories that settings add, learned at the start from their examples: n-grams that others rarely have.

What is rare is told by a page of ordinary prompts (`weights/background.txt`). No learner is run: a dozen examples carry
no more than a count, and the same settings must give the same verdicts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from math import exp, fsum, log, sqrt

from pointsman.classifier.calibration import Distribution
from pointsman.classifier.features import Features, extract
from pointsman.classifier.instructions import clean
from pointsman.config.settings import CategorySettings

_SMOOTHING = 0.1
_EVEN_SCORE = 6.0
"""Where an added category is as likely as the five together.

With eight examples each for law, recipes and translation, 1 % of prompts from public sources scored above 5.0 to 5.7
(2026-11), the highest of them mostly with reason.
"""
_EVEN_QUANTILE = 0.99
_MOST_ODDS = 3.0
"""At most three to one: a few examples make nobody sure, so the small model, which reads the description, is asked."""

_Weights = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _Learned:
    """What one category looks like: log-odds of n-grams, and the score at which it is as likely as all others."""

    weights: _Weights
    even_score: float

    def odds(self, ngrams: frozenset[int]) -> float:
        return min(_MOST_ODDS, exp(min(50.0, _score(self.weights, ngrams) - self.even_score)))


class Added:
    """The added categories, ready to be heard beside the five; there may be none."""

    def __init__(self, learned: tuple[_Learned, ...], version: str) -> None:
        """Take what `learn` made."""
        self._learned = learned
        self.version = version
        """Short hash of what was learned, after a plus sign; empty when there is none."""

    @classmethod
    def learn(cls, categories: Mapping[str, CategorySettings]) -> "Added":
        """Return what the descriptions and examples of `categories` teach, in their order."""
        if not categories:
            return cls((), "")
        told = repr([(name, one.description, one.examples) for name, one in categories.items()])
        learned = tuple(_learned((one.description, *one.examples)) for one in categories.values())
        return cls(learned, f"+{sha256(told.encode(errors='surrogatepass')).hexdigest()[:4]}")

    def extend(self, distribution: Distribution, features: Features) -> Distribution:
        """Return `distribution` over the five with the added categories behind them, for a text of these features."""
        if not self._learned:
            return distribution
        odds = [one.odds(features.ngrams) for one in self._learned]
        total = 1.0 + sum(odds)
        return (*(probability / total for probability in distribution), *(share / total for share in odds))


def _learned(texts: tuple[str, ...]) -> _Learned:
    examples = [extract(clean(text)).ngrams for text in texts]
    background, count = _background()
    met = Counter(ngram for ngrams in examples for ngram in ngrams)
    weights = {
        ngram: _log_odds(seen, len(examples)) - _log_odds(background[ngram], count) for ngram, seen in met.items()
    }
    weights = {ngram: weight for ngram, weight in weights.items() if weight > 0.0}
    ordinary = sorted(_score(weights, ngrams) for ngrams in _ordinary())
    return _Learned(weights, max(_EVEN_SCORE, ordinary[int(len(ordinary) * _EVEN_QUANTILE)]))


def _log_odds(seen: int, of: int) -> float:
    return log((seen + _SMOOTHING) / (of + 2 * _SMOOTHING))


def _score(weights: _Weights, ngrams: frozenset[int]) -> float:
    """Return how much a text looks like the category. Long texts do not shout, as in the embedded classifier."""
    # Not `sum`: its last digit goes by the order in which the set gives its n-grams.
    return fsum(weights[ngram] for ngram in ngrams if ngram in weights) / sqrt(max(1, len(ngrams)))


@cache
def _ordinary() -> tuple[frozenset[int], ...]:
    page = (resources.files("pointsman.classifier") / "weights" / "background.txt").read_text(encoding="utf-8")
    return tuple(extract(clean(line)).ngrams for line in page.splitlines())


@cache
def _background() -> tuple[Counter[int], int]:
    ordinary = _ordinary()
    return Counter(ngram for ngrams in ordinary for ngram in ngrams), len(ordinary)
