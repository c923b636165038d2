"""Finished log lines on their way out: those of a moment are written together."""

import asyncio
from threading import Lock
from typing import IO, Final

GATHER_S: Final = 0.05
"""How long a line may wait for others. A write lets go of the interpreter, which costs more than making the line."""

MOST_BYTES: Final = 1 << 16
"""As much as may wait; a process that is killed loses no more."""


class LineWriter:
    """Writes finished lines to a sink. One that is full or gone loses lines and stops nothing; `lost` counts them.

    A line waits for others where a loop runs that can write them later. Errors go out at once, and with them what
    waits; `flush` writes the last.
    """

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._due_in: asyncio.AbstractEventLoop | None = None
        self._lock = Lock()  # libraries warn from threads of their own
        self.lost = 0

    def msg(self, line: bytes | str) -> None:
        """Write one line soon."""
        with self._lock:
            self._add(line)
            is_soon = self._waiting_bytes < MOST_BYTES and (self._is_due() or self._becomes_due())
        if not is_soon:
            self.flush()

    def error(self, line: bytes | str) -> None:
        """Write one line now, after those that wait."""
        with self._lock:
            self._add(line)
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._due_in = None
            if not lines:
                return
            try:
                self._sink.write(b"\n".join(lines) + b"\n")
                self._sink.flush()
            except (OSError, ValueError):  # no space, a broken pipe; ValueError: the sink was closed
                self.lost += len(lines)

    debug = info = warning = msg
    critical = error

    def _is_due(self) -> bool:
        """Return whether a loop is about to write; one that has ended writes nothing any more."""
        # Asked first: to ask which loop runs is to ask the kernel which process this is (CPython 3.11).
        return self._due_in is not None and self._due_in.is_running()

    def _becomes_due(self) -> bool:
        """Have the running loop write in a moment; return False where none runs."""
        try:
            self._due_in = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._due_in.call_later(GATHER_S, self.flush)
        return True

    def _add(self, line: bytes | str) -> None:
        encoded = line.encode(errors="backslashreplace") if isinstance(line, str) else line
        self._waiting.append(encoded)
        self._waiting_bytes += len(encoded)
