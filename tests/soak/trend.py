"""How a figure goes on, with how sure that is: a least-squares slope and its interval. Pure.

Samples of memory a second apart are anything but independent, so the textbook interval would be far too narrow. The
interval here is that of a moving-block bootstrap: what lies between the samples and the line is drawn anew in blocks of
a tenth of the samples, which keep what follows what, and the slope is fitted to each of these other courses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from random import Random
from typing import Final

DRAWS: Final = 1_000
SHARE: Final = 0.95
BLOCKS: Final = 10
LEAST: Final = 8
"""Samples below which nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How a figure changes per unit of time, `low` to `high` with 95 % confidence; `start` is its value at time 0."""

    slope: float
    low: float
    high: float
    start: float

    @property
    def is_flat(self) -> bool:
        """True when no change is within what may be."""
        return self.low <= 0.0 <= self.high


def trend(times: Sequence[float], values: Sequence[float], random: Random) -> Trend | None:
    """Return the trend of values at ascending times; None of fewer than LEAST samples."""
    if len(times) < LEAST:
        return None
    start, slope = line(times, values)
    residuals = [value - start - slope * time for time, value in zip(times, values, strict=True)]
    length, weights = max(2, len(times) // BLOCKS), _weights(times)
    slopes = sorted(slope + sum(map(mul, weights, _other(residuals, length, random))) for _ in range(DRAWS))
    outside = (1.0 - SHARE) / 2
    low, high = slopes[int(outside * DRAWS)], slopes[int((1.0 - outside) * DRAWS) - 1]
    return Trend(slope=slope, low=low, high=high, start=start)


def line(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return where the least-squares line is at time 0, and its slope; level where all times are one."""
    slope = sum(map(mul, _weights(times), values))
    return (sum(values) - slope * sum(times)) / len(times), slope


def _weights(times: Sequence[float]) -> list[float]:
    """Return what each value counts in the slope."""
    middle = sum(times) / len(times)
    spread = sum((time - middle) ** 2 for time in times) or 1.0
    return [(time - middle) / spread for time in times]


def _other(residuals: Sequence[float], length: int, random: Random) -> list[float]:
    """Return residuals of another course: blocks of these, each from anywhere."""
    drawn = list[float]()
    while len(drawn) < len(residuals):
        begin = random.randrange(len(residuals) - length + 1)
        drawn += residuals[begin : begin + length]
    return drawn[: len(residuals)]
