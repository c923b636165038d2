"""CPU seconds of other processes, to the microsecond where the kernel tells them so."""

import platform
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil


def used_s(processes: Iterable[psutil.Process]) -> float:
    """Return what the processes and all that they started have used so far, threads included, user and system.

    A process that has ended counts nothing: ask before and after something that leaves all of them alive.
    """
    return sum(_of_one(member) for process in processes for member in family(process))


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and all that it started."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def rss_mib(processes: Iterable[psutil.Process]) -> float:
    """Return the memory that the processes and all that they started hold; what they share counts for each."""
    held = 0
    for process in processes:
        for member in family(process):
            with suppress(psutil.NoSuchProcess):
                held += member.memory_info().rss
    return held / 2**20


def _of_one(process: psutil.Process) -> float:
    try:
        if platform.system() == "Linux":
            # The clock of another process, as clock_getcpuclockid(3) makes it; psutil counts in hundredths of a second.
            return time.clock_gettime((~process.pid << 3) | 2)
        times = process.cpu_times()
    except (OSError, psutil.NoSuchProcess):
        return 0.0
    return times.user + times.system
