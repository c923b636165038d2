"""`python -m tests.chaos.service …`: `pointsman …` on a wall clock that a test sets forward and back.

$POINTSMAN_CHAOS_CLOCK names a file of eight bytes: by how many seconds the clock is wrong, as a double. Only what asks
the Clock of Pointsman for an instant is deceived, and only in this entry point: the product knows nothing of it.
Durations stay right, as they do when a machine's wall clock is set.
"""

import mmap
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pointsman.__main__ import main
from pointsman.domain.clock import SystemClock

VARIABLE: Final = "POINTSMAN_CHAOS_CLOCK"
OFFSET: Final = struct.Struct("d")


def set_clock(path: Path, offset_s: float) -> None:
    """Let the clocks that follow this file be wrong by so many seconds."""
    if path.exists():
        with path.open("r+b") as file:
            file.write(OFFSET.pack(offset_s))
    else:
        path.write_bytes(OFFSET.pack(offset_s))


def follow(path: Path) -> None:
    """Make every SystemClock of this process follow the file."""
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), OFFSET.size, prot=mmap.PROT_READ)

    def now(_: SystemClock) -> datetime:
        (offset_s,) = OFFSET.unpack_from(shared)
        return datetime.now(UTC) + timedelta(seconds=offset_s)

    SystemClock.now = now  # type: ignore[method-assign,assignment]  # what this entry point is for


if __name__ == "__main__":
    follow(Path(os.environ[VARIABLE]))
    main()
