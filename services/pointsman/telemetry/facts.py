"""What is known of the call under way, for its one log line; each call begins with facts of its own.

Not structlog's own, which keep a variable a fact and look through all variables of the context for each line. Within a
call the facts are one dict that grows: a context that is changed costs more than a dict.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from structlog.typing import EventDict, WrappedLogger

_known: Final[ContextVar[dict[str, object] | None]] = ContextVar("facts", default=None)
_NONE: Final[Mapping[str, object]] = MappingProxyType({})


def begin() -> None:
    """Know nothing yet: a call begins in this context. What its tasks note is noted of the call."""
    _known.set({})


def bind(**facts: object) -> None:
    """Note facts by the names of the line; a later one takes the place of an earlier one of its name."""
    noted = _known.get()
    if noted is None:  # outside of any call
        _known.set(facts)
    else:
        noted.update(facts)


def known() -> Mapping[str, object]:
    """Return what was noted of this call."""
    return _known.get() or _NONE


def merge(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put what is known before what the line itself says, which counts more."""
    return {**known(), **event}
