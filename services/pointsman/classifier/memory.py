"""What a pure function made of the keys it met lately.

It is asked like a dictionary, so that one call asks for all words of a text.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memory(OrderedDict[K, V]):
    """Values by key, each worked out when it is first asked for; the first that came is the first that is forgotten.

    `map(memory.__getitem__, keys)` takes a third of what a call of an `lru_cache` for each key does. Of a plain dict,
    the first is found behind all that were forgotten: a prompt of new words took five times as long once it was full.
    """

    __slots__ = ("_make", "_size", "_worth")

    def __init__(self, make: Callable[[K], V], *, size: int, worth: Callable[[K], bool]) -> None:
        """Start empty; remember at most `size` values, at least 1, and only for keys that are `worth` it."""
        super().__init__()
        self._make = make
        self._size = size
        self._worth = worth

    def __missing__(self, key: K) -> V:
        made = self._make(key)
        if self._worth(key):
            if len(self) >= self._size:
                self.popitem(last=False)
            self[key] = made
        return made
