"""Faults that are asked for: which call of which model goes wrong, and how."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """How a call goes wrong.

    The first block is said in the provider's own dialect, the second is raw HTTP, the third breaks the wire, the fourth
    breaks a stream that has begun. Of the first block Ollama knows OVERLOADED, MODEL_GONE, OUTPUT_ALL_REASONING (no
    text, no log-probabilities) and NO_LABELS (none of the likeliest tokens is a category); all else is a 500 there.
    NO_LABELS means nothing to the providers.
    """

    MINUTE_LIMIT = "minute_limit"
    MINUTE_LIMIT_NO_HINT = "minute_limit_no_hint"
    CONCURRENCY_LIMIT = "concurrency_limit"
    DAILY_QUOTA = "daily_quota"
    TOO_LARGE = "too_large"
    BILLING = "billing"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONTENT_BLOCKED = "content_blocked"
    BAD_KEY = "bad_key"
    MODEL_GONE = "model_gone"
    OUTPUT_ALL_REASONING = "output_all_reasoning"
    NO_LABELS = "no_labels"

    SERVER_ERROR_HTML = "server_error_html"
    BAD_GATEWAY_EMPTY = "bad_gateway_empty"
    OK_HTML = "ok_html"
    OK_EMPTY = "ok_empty"
    OK_WRONG_SHAPE = "ok_wrong_shape"
    OK_ERROR_INSIDE = "ok_error_inside"

    RESET = "reset"
    SILENCE = "silence"
    SLOW_BYTES = "slow_bytes"

    STREAM_CUT = "stream_cut"
    """The connection is reset."""
    STREAM_SHORT = "stream_short"
    """The body ends in good order, without the marker of its end."""
    STREAM_STALL = "stream_stall"
    """Nothing more comes, and the connection stays open."""
    STREAM_GARBAGE = "stream_garbage"
    """One event that no dialect would send stands between the others."""
    STREAM_ERROR = "stream_error"
    """An event says, in the words of the dialect, that the server failed; it is the last."""


MID_STREAM: Final = frozenset(
    {Fault.STREAM_CUT, Fault.STREAM_SHORT, Fault.STREAM_STALL, Fault.STREAM_GARBAGE, Fault.STREAM_ERROR}
)
"""Faults that wait for an answer that is streamed."""

ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedFault:
    """The next `times` calls end with `fault`.

    `model` is a model id, a kind of provider for all its models, or "*" for all. `wait_s` is the hint of faults that
    give one. A stream goes wrong after `after_events` of its events, before its last at the latest.
    """

    model: str
    fault: Fault
    times: int = 1
    wait_s: float = 20.0
    after_events: int = 4


class Script:
    """The faults still to come, used up in the order in which they were written."""

    def __init__(self, faults: Iterable[ScriptedFault] = ()) -> None:
        """Begin with the faults of a scenario."""
        self._to_come: dict[str, deque[ScriptedFault]] = {}
        for fault in faults:
            self.add(fault)

    def add(self, fault: ScriptedFault) -> None:
        """Append a fault to the script of its model."""
        self._to_come.setdefault(fault.model, deque()).extend([fault] * fault.times)

    def next(self, kind: str, model: str, *, streamed: bool) -> ScriptedFault | None:
        """Take the next fault of the model, whose own script goes before its provider's. None: all is well.

        A fault in the middle of a stream waits for a stream, and what stands behind it waits too.
        """
        for name in (model, kind, ANY):
            if to_come := self._to_come.get(name):
                waits = to_come[0].fault in MID_STREAM and not streamed
                return None if waits else to_come.popleft()
        return None
