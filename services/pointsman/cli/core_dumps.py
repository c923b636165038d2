"""No core dumps: the memory of a process that serves holds the keys of providers, and a dump would write them down."""

import ctypes
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""From linux/prctl.h."""


def forbid_core_dumps() -> None:
    """Leave nothing of this process's memory behind when it crashes, whatever the limits of the shell say.

    The limit alone does not hold back a program that the kernel pipes dumps into; on Linux the second call does. It
    also keeps other processes of the same user from reading the memory, debuggers and profilers among them.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
