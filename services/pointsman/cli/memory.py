"""Where a process that serves gets its memory from."""

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
"""From <malloc.h> of glibc."""


def keep_one_heap() -> None:
    """Have all threads share one heap, where the C library is glibc. To be called before there are threads.

    glibc gives each thread of gRPC a heap of its own, and each keeps what the largest message has left in it: ten
    images of 10 MB, one after another, left 52 MB in the Router and 68 MB in the Executor, now 14 and 27, at the same
    CPU (glibc 2.36, 2026-11). Python holds its lock while it allocates, so that few threads ever meet there.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # neither macOS nor musl has it
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
