"""How the documents of a stream are set apart: the port, and the simplest of the two ways, a document a line."""

from collections.abc import Iterator
from typing import Protocol

from pointsman.domain.frozen import frozen
from pointsman.executor.adapters.lines import Lines


@frozen
class Event:
    """One document as it came, in JSON or not. `name` is empty where none was given."""

    data: bytes
    name: str = ""


class Framing(Protocol):
    """Takes a body apart, in whatever pieces it comes. Holds no more than `lines.LINE_BYTES` and a little."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that have become whole. Raises LineTooLong behind them."""

    def flush(self) -> Iterator[Event]:
        """Yield what the end of the body makes whole. Raises LineTooLong."""


class JsonLines:
    """A document a line, as Ollama streams. Empty lines are none."""

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, chunk: bytes) -> Iterator[Event]:
        yield from (Event(data=line) for line in self._lines.feed(chunk) if line.strip())

    def flush(self) -> Iterator[Event]:
        yield from (Event(data=line) for line in [self._lines.flush()] if line.strip())
