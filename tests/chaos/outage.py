"""What was broken, and from when to when: the excuse of whatever went wrong meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What is done to a part of the stack. The first block is done to processes, the second to links."""

    KILL = "kill"
    """SIGKILL, then a new process."""
    STOP = "stop"
    """SIGSTOP, then SIGCONT."""
    TERM = "term"
    """SIGTERM, a stop in good order, then a new process."""
    WIPE = "wipe"
    """SIGKILL to Redis, and a new one that remembers nothing."""
    CLOCK = "clock"
    """The wall clock of a service is wrong for a while."""
    DISK = "disk"
    """No space is left for the journal."""
    REPLIES = "replies"
    """A provider answers nonsense, or breaks its streams."""

    LATE = "late"
    DRIP = "drip"
    HALF_OPEN = "half_open"
    SILENT = "silent"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One fault as it was. Instants in seconds since 1970; `ended` is when the part was whole again.

    `strength` is what the fault has of it: seconds of delay or of a wrong clock, times of a reply.
    """

    fault: Fault
    target: str
    began: float
    ended: float
    strength: float = 0.0

    def touches(self, since: float, until: float, *, after_s: float = 0.0) -> bool:
        """Return whether it lasted into that span; `after_s` is for how long it is felt."""
        return self.began <= until and self.ended + after_s >= since


def touched(outages: Iterable[Outage], since: float, until: float, *, after_s: float = 0.0) -> list[Outage]:
    """Return those that lasted into a span."""
    return [outage for outage in outages if outage.touches(since, until, after_s=after_s)]
