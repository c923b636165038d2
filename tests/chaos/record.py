"""What one caller asked and how it ended, as the caller saw it."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is called. Those that end in a plain word go to the Router, the others to the second Executor."""

    ROUTE = "route"
    STREAM = "stream"
    EXECUTE = "execute"
    STREAM_EXECUTE = "stream_execute"

    @property
    def is_streamed(self) -> bool:
        return self in {Kind.STREAM, Kind.STREAM_EXECUTE}

    @property
    def by_router(self) -> bool:
        return self in {Kind.ROUTE, Kind.STREAM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call. Instants in seconds since 1970.

    `code` is the name of the status, `reason` that of our details, empty where the status has none. `starts`, `ends`
    and `after_end` count the messages of a stream. `ends_seen` is how often the call was seen to end.
    """

    number: int
    kind: Kind
    began: float
    deadline_s: float
    ended: float
    code: str
    reason: str = ""
    message: str = ""
    is_given_up: bool = False
    is_partial: bool = False
    is_degraded: bool = False
    starts: int = 0
    deltas: int = 0
    ends: int = 0
    after_end: int = 0
    trace_id: str = ""
    candidate: str = ""

    @property
    def is_answered(self) -> bool:
        return self.code == "OK"

    @property
    def late_s(self) -> float:
        """How long after its deadline it ended; negative before it."""
        return self.ended - self.began - self.deadline_s
