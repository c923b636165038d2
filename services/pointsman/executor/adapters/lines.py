"""A body that comes in pieces, taken apart into lines: in bytes, so that no piece can cut a character."""

import re
from collections.abc import Iterator
from typing import Final

LINE_BYTES: Final = 1024 * 1024
"""The longest line that is read, and the most that is held; a stream with a longer one is broken."""

_END: Final = re.compile(rb"\r\n|\n|\r")
"""Nothing else ends a line: U+2028, U+2029 and U+0085 stand raw inside JSON strings."""


class LineTooLong(Exception):
    """A line is over the bound."""


class Lines:
    """Lines, however the pieces are cut. A line that ends in a carriage return is there at once."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._was_return = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that have become whole, without their ends. Raises LineTooLong behind them.

        The next piece may be fed when the lines of this one have been taken.
        """
        if not chunk:
            return
        start = 1 if self._was_return and chunk.startswith(b"\n") else 0
        for end in _END.finditer(chunk, start):
            yield self._joined(chunk[start : end.start()])
            start = end.end()
        if start < len(chunk):
            self._hold(chunk[start:])
        self._was_return = chunk.endswith(b"\r")

    def flush(self) -> bytes:
        """Return what stands behind the last line end, when nothing more comes."""
        return self._joined(b"")

    def _joined(self, piece: bytes) -> bytes:
        if not self._rest and len(piece) <= LINE_BYTES:  # most lines come whole
            return piece
        self._hold(piece)
        line = bytes(self._rest)
        self._rest.clear()
        return line

    def _hold(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > LINE_BYTES:
            raise LineTooLong
        self._rest += piece
