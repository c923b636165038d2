"""What a process that serves asks of the system before it begins: one heap, and as many connections as it may have."""

import ctypes
import resource
from typing import Final

_M_ARENA_MAX: Final = -8
"""From <malloc.h> of glibc."""

MOST_DESCRIPTORS: Final = 65_536
"""Far beyond what one process can serve; some systems have no other bound."""


def use_what_there_is() -> None:
    """Share one heap among all threads, and raise the limit of open descriptors. To be called before there are threads.

    A shell, and systemd, give a process 1,024 descriptors, which a thousand streams with a connection each to a
    provider are beyond, and allow it hundreds of thousands for the asking.
    """
    _keep_one_heap()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _keep_one_heap() -> None:
    """Have malloc keep one arena, where the C library is glibc.

    It gives each thread of gRPC one of its own, and each keeps what the largest message has left in it: ten images of
    10 MB, one after another, left 59 MB in the Router and 86 MB in the Executor, now 16 and 44, and at less CPU (glibc
    2.36, 2026-11). Python holds its lock while it allocates, so that few threads ever meet there.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # neither macOS nor musl has it
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
