"""A body that comes in pieces, taken apart into lines: in bytes, so that no piece can cut a character."""

from collections.abc import Iterator
from typing import Final

LINE_BYTES: Final = 1024 * 1024
"""The longest line that is read, and the most that is held; a stream with a longer one is broken."""

_ENDS: Final = (b"\n", b"\r")
"""Nothing else ends a line, nor does `bytes.splitlines` think so: U+2028, U+2029 and U+0085 stand raw in JSON."""


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
        lines = (chunk.removeprefix(b"\n") if self._was_return else chunk).splitlines()
        self._was_return = chunk.endswith(b"\r")
        rest = b"" if chunk.endswith(_ENDS) else lines.pop()
        if self._rest and lines:
            lines[0] = self._joined(lines[0])
        if len(chunk) <= LINE_BYTES:
            yield from lines
        else:  # no carrier hands out as much at once
            yield from map(_bounded, lines)
        if rest:
            self._hold(rest)

    def flush(self) -> bytes:
        """Return what stands behind the last line end, when nothing more comes."""
        return self._joined(b"")

    def _joined(self, piece: bytes) -> bytes:
        self._hold(piece)
        line = bytes(self._rest)
        self._rest.clear()
        return line

    def _hold(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > LINE_BYTES:
            raise LineTooLong
        self._rest += piece


def _bounded(line: bytes) -> bytes:
    if len(line) > LINE_BYTES:
        raise LineTooLong
    return line
