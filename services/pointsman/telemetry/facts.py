"""What is known of the call under way, for its one log line; each call has a context, and so facts, of its own.

Not structlog's own, which keep a variable a fact and look through all variables of the context for each line.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from structlog.typing import EventDict, WrappedLogger

_known: Final[ContextVar[Mapping[str, object]]] = ContextVar("facts", default=MappingProxyType({}))


def bind(**facts: object) -> None:
    """Note facts by the names of the line; a later one takes the place of an earlier one of its name."""
    _known.set({**_known.get(), **facts})


def known() -> Mapping[str, object]:
    """Return what was noted in this context."""
    return _known.get()


def merge(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put what is known before what the line itself says, which counts more."""
    return {**_known.get(), **event}
