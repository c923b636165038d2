"""What an invariant came to: how much was looked at, how much is broken, and the worst figure beside its bound."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MOST_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the summary. `excused` is what would be broken but for a fault that explains it.

    `worst` is the worst figure in words, `bound` what it must not pass.
    """

    name: str
    checked: int
    broken: int
    worst: str
    bound: str
    excused: int = 0
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True when nothing is broken and something was looked at: an invariant of nothing proves nothing."""
        return self.broken == 0 and self.checked > 0


def few(examples: Iterable[object]) -> tuple[str, ...]:
    """Return the first of the examples, as text."""
    found: Sequence[str] = [str(example) for example in examples]
    return tuple(found[:MOST_EXAMPLES])
