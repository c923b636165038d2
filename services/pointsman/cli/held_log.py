"""Log lines that wait until people have read where the stack listens and what it lacks."""

import io
from typing import IO


class HeldLog(io.BytesIO):
    """A sink for log lines that keeps them until `release`, and passes them on from then on."""

    def __init__(self, sink: IO[bytes]) -> None:
        super().__init__()
        self._sink = sink
        self._holds = True

    def isatty(self) -> bool:
        """Return whether the lines end on a terminal."""
        return self._sink.isatty()

    def write(self, line: bytes) -> int:  # type: ignore[override]  # lines of the log are bytes and nothing else
        """Keep a line, or pass it on."""
        return super().write(line) if self._holds else self._sink.write(line)

    def flush(self) -> None:
        """Flush what was passed on."""
        if not self._holds:
            self._sink.flush()

    def release(self) -> None:
        """Pass on what was kept, and from now on every line at once. A second call does nothing."""
        if self._holds:
            self._holds = False
            self._sink.write(self.getvalue())
            self._sink.flush()
