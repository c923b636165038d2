"""How many instructions this process executes, as the processor counts them: the same whatever else the machine does.

Only where Linux lets a process count its own, which few virtual machines and containers do.
"""

import ctypes
import os
import platform
import struct
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_SYSCALL: Final = {"x86_64": 298, "aarch64": 241}
"""perf_event_open(2)."""

Event = tuple[int, int]
"""Kind and number, as perf_event_open(2) has them."""

INSTRUCTIONS: Final[Event] = (0, 1)
TASK_CLOCK: Final[Event] = (1, 1)
"""Nanoseconds on a processor: what a machine without counters still has, for a test of this file."""

_ATTRIBUTES_BYTES: Final = 112
_INHERIT, _WITHOUT_KERNEL, _WITHOUT_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6


class NotCounted(Exception):
    """This machine counts nothing for us."""


class Counter:
    """Counts from its making until it is closed, in this thread and in those that it starts. Raises NotCounted."""

    def __init__(self, event: Event = INSTRUCTIONS) -> None:
        kind, what = event
        flags = _INHERIT | _WITHOUT_KERNEL | _WITHOUT_HYPERVISOR
        attributes = struct.pack("=IIQQQQQ", kind, _ATTRIBUTES_BYTES, what, 0, 0, 0, flags).ljust(
            _ATTRIBUTES_BYTES, b"\0"
        )
        number = _SYSCALL.get(platform.machine()) if platform.system() == "Linux" else None
        if number is None:
            raise NotCounted("instructions are counted on Linux only, on x86-64 and on 64-bit ARM")
        self._file = ctypes.CDLL(None, use_errno=True).syscall(number, attributes, 0, -1, -1, 0)
        if self._file < 0:
            raise NotCounted(f"the kernel counts no instructions here: {os.strerror(ctypes.get_errno())}")

    def read(self) -> int:
        """Return the count so far."""
        (count,) = struct.unpack("=Q", os.read(self._file, 8))
        return int(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            os.close(self._file)
