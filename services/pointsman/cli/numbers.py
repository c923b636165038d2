"""Numbers that options take. One that cannot be is refused with the value that was given and what to give instead."""

import math
from collections.abc import Callable
from typing import Final, TypeVar

from pointsman.cli.failure import Misuse

Number = TypeVar("Number", int, float)

ABOVE_0: Final = math.ulp(0.0)
"""The smallest number that is more than nothing."""


def read_by(
    kind: type[Number], option: str, wanted: str, *, low: float = -math.inf, high: float = math.inf
) -> Callable[[str | Number], Number]:
    """Return what reads an option from `low` to `high`, for `typer.Option(parser=…)`.

    It raises Misuse for anything else; `wanted` says in words what to give.
    """

    def read(given: str | Number) -> Number:
        try:
            number = kind(given)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise Misuse(f"{option} is {given}; give {wanted}")
        return number

    return read
