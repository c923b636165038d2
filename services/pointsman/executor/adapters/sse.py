"""Server-sent events, decoded from bytes as the HTML standard says, with two additions that providers need.

The end of the body ends an event too, and JSON that stands there without `data:` is an event of its own: that is how
Gemini reports an error midway (reference of 2026-11-22).
"""

from collections.abc import Iterator
from typing import Final

from pointsman.executor.adapters.framing import Event
from pointsman.executor.adapters.lines import LINE_BYTES, Lines, LineTooLong

_MARK: Final = b"\xef\xbb\xbf"
_JSON_OPENS: Final = (b"{", b"[")
_DATA: Final = b"data: "
"""How nearly every line begins."""


class Events:
    """Events, however the pieces are cut. Comments, ids and retry times are passed over."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._is_first_line = True
        self._name = b""
        self._data: list[bytes] = []
        self._bare: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that have become whole. Raises LineTooLong, for a long event of short lines too."""
        for line in self._lines.feed(chunk):
            if event := self._line(line):
                yield event

    def flush(self) -> Iterator[Event]:
        """Yield what the end of the body makes whole. Raises LineTooLong."""
        for event in (self._line(self._lines.flush()), self._dispatch()):
            if event:
                yield event
        if self._bare:
            yield Event(data=b"\n".join(self._bare))

    def _line(self, line: bytes) -> Event | None:
        """Take a line; return the event that it ends, if it ends one."""
        if self._is_first_line:
            line = line.removeprefix(_MARK)
            self._is_first_line = False
        if self._bare or line.startswith(_JSON_OPENS):
            self._keep(self._bare, line)
        elif line.startswith(_DATA):
            self._keep(self._data, line[len(_DATA) :])
        elif line:
            self._field(line)
        else:
            return self._dispatch()
        return None

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._keep(self._data, value)
        elif name == b"event":
            self._name = value

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], b"", 0
        if not data:
            return None
        return Event(data=data[0] if len(data) == 1 else b"\n".join(data), name=name.decode(errors="replace"))

    def _keep(self, kept: list[bytes], line: bytes) -> None:
        self._size += len(line) + 1
        if self._size > LINE_BYTES:
            raise LineTooLong
        kept.append(line)
