"""The same question with the categories described in reverse order: a judge that reads should not mind."""

from collections.abc import Awaitable, Collection
from typing import Final

from pointsman.classifier.classify import Asks
from pointsman.classifier.hop import Opinion

_TURN_END: Final = "<|im_end|>"


class Reordered:
    """A way to the small model on which every question goes with its categories in reverse order."""

    def __init__(self, hop: Asks, *, categories: Collection[str]) -> None:
        """Take the way that questions really go, and the names of the categories that they describe."""
        self._hop = hop
        self._categories = categories

    def ask(self, prompt: str, *, timeout_s: float) -> Awaitable[Opinion]:
        """Ask the question that is left when the order is turned round."""
        return self._hop.ask(reordered(prompt, categories=self._categories), timeout_s=timeout_s)


def reordered(prompt: str, *, categories: Collection[str]) -> str:
    """Return a prompt of `instructions` with its lines "category: description" in reverse order, all else as it was.

    They stand in the first turn; what the user wrote comes later and is not touched.
    """
    task, turn_end, rest = prompt.partition(_TURN_END)
    lines = task.split("\n")
    places = [number for number, line in enumerate(lines) if line.partition(":")[0] in categories]
    turned = list(lines)
    for place, source in zip(places, reversed(places), strict=True):
        turned[place] = lines[source]
    return "\n".join(turned) + turn_end + rest
