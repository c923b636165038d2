"""Arithmetic on distributions over the categories: temperature, prior, fusion.

A distribution is a tuple of floats that sum to 1.
"""

from collections.abc import Sequence
from math import exp, log

Distribution = tuple[float, ...]

_FLOOR = 1e-9
"""No probability counts as less: a model that is wrong with certainty must not be able to veto a category for ever."""


def softmax(logits: Sequence[float], *, temperature: float = 1.0) -> Distribution:
    """Return the distribution of `logits`; a temperature above 1 makes it flatter. `temperature` is > 0."""
    highest = max(logits)
    weights = [exp((logit - highest) / temperature) for logit in logits]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def temper(distribution: Sequence[float], *, temperature: float) -> Distribution:
    """Return `distribution` made flatter (temperature above 1) or sharper (below 1); its order stays.

    `temperature` is > 0.
    """
    return softmax([log(max(p, _FLOOR)) for p in distribution], temperature=temperature)


def without_prior(distribution: Sequence[float], prior: Sequence[float], *, share: float = 1.0) -> Distribution:
    """Return `distribution` without a judge's standing preference, or with `share` of it taken out, 0 to 1.

    `prior` is what the judge says about an empty prompt.
    """
    return softmax(
        [log(max(p, _FLOOR)) - share * log(max(q, _FLOOR)) for p, q in zip(distribution, prior, strict=True)]
    )


def mean(distributions: Sequence[Distribution]) -> Distribution:
    """Return the mean of at least one distribution."""
    return tuple(sum(column) / len(distributions) for column in zip(*distributions, strict=True))


def fuse(first: Sequence[float], second: Sequence[float], *, second_weight: float) -> Distribution:
    """Return the log-linear mixture; `second_weight` from 0 (only the first counts) to 1 (only the second)."""
    first_weight = 1.0 - second_weight
    return softmax(
        [
            first_weight * log(max(p, _FLOOR)) + second_weight * log(max(q, _FLOOR))
            for p, q in zip(first, second, strict=True)
        ]
    )
