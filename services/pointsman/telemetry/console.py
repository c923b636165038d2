"""How a line reads on a terminal: what happened first, ids last, and nothing that says nothing."""

from datetime import datetime
from typing import Final

from structlog.typing import EventDict, WrappedLogger

_FIRST: Final = (
    "method", "code", "reason", "duration_s", "classify_s", "execute_s", "category", "decided_by", "confidence",
    "candidate", "outcome", "attempts", "wasted", "skips", "input_tokens", "output_tokens", "cost_usd",
)  # fmt: skip
_LAST: Final = ("request_id", "trace_id", "span_id")


def for_people(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the fields in the order in which people read; leave out what is None or an empty list.

    What a caller or a library wrote cannot steer the terminal: characters that are not printable are escaped.
    """
    told = {name: _shown(value) for name, value in event.items() if value is not None and value != []}
    # Sorted, because the facts that were bound come in no order of their own.
    between = sorted(name for name in told if name not in _FIRST and name not in _LAST)
    return {name: told[name] for name in (*_FIRST, *between, *_LAST) if name in told}


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in value
    )
