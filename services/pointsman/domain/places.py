"""Places that callers share, such that whoever comes while one of them takes many still finds some free. Pure.

The rule is that of buffers which the ports of a switch share (dynamic thresholds, Choudhury and Hahne, 1998): nobody
may hold more than a multiple of what is free. It needs no list of who might come, and takes nothing back from anyone.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MULTIPLE: Final = 3
"""A caller alone gets three quarters of the places, each of two three sevenths, each of three three tenths."""


class Denied(StrEnum):
    """Whose limit leaves no room: that of all callers together, or the share of the one who asks."""

    ALL = "all"
    SHARE = "share"


@dataclass(slots=True)
class Places:
    """So many places, of whatever a place is for. An empty name stands for everybody, who may take all of them."""

    most: int
    taken: int = 0
    _by_caller: dict[str, int] = field(default_factory=dict)

    def denied(self, caller: str, amount: int = 1) -> Denied | None:
        """Return whose limit is against so many more places for a caller, None when there is room.

        Who holds none is let in wherever there is room.
        """
        left = self.most - self.taken - amount
        if left < 0:
            return Denied.ALL
        held = self._by_caller.get(caller, 0) if caller else 0
        return Denied.SHARE if held and held + amount > MULTIPLE * left else None

    def held_by(self, caller: str) -> int:
        """Return how many places a caller holds."""
        return self._by_caller.get(caller, 0)

    def take(self, caller: str, amount: int = 1) -> None:
        """Take places; whoever takes them has asked `denied` before, and gives them back."""
        self.taken += amount
        if caller:
            self._by_caller[caller] = self._by_caller.get(caller, 0) + amount

    def give_back(self, caller: str, amount: int = 1) -> None:
        """Give back what was taken."""
        self.taken -= amount
        if not caller:
            return
        if left := self._by_caller[caller] - amount:
            self._by_caller[caller] = left
        else:
            del self._by_caller[caller]
