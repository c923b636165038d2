"""Time limits of promises ("within 100 ms") that hold on a busy machine too: its delays are taken off, no others."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from math import fsum
from pathlib import Path
from typing import Final

import psutil

_NS_PER_S: Final = 1e9


def kept_waiting_s(*others: int) -> float:
    """Return the seconds for which runnable threads of ours, and of these processes, were given no core so far.

    As Linux counts them, with what the host of a virtual machine took from it. Zero where nobody counts them.
    """
    stolen_s: float = getattr(psutil.cpu_times(), "steal", 0.0)
    return stolen_s + fsum(_in_line_s(process) for process in (os.getpid(), *others))


@asynccontextmanager
async def within(
    seconds: float, *others: int, kept_waiting_s: Callable[..., float] = kept_waiting_s
) -> AsyncIterator[None]:
    """Raise TimeoutError when the block takes longer, leaving aside how long the machine kept it waiting.

    `others` are the ids of processes that have a part in it.
    """
    loop = asyncio.get_running_loop()
    began, waited_s = loop.time(), kept_waiting_s(*others)

    async def run_out() -> None:
        left_s = seconds
        while left_s > 0:
            await asyncio.sleep(left_s)  # noqa: TID251 - real time is what is measured
            left_s = began + seconds + kept_waiting_s(*others) - waited_s - loop.time()
        limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        running_out = asyncio.ensure_future(run_out())
        try:
            yield
        finally:
            running_out.cancel()


def _in_line_s(process: int) -> float:
    """Return the seconds that all threads of a process stood in line for a core."""
    waited = 0.0
    for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has ended
            waited += int(thread.read_text().split()[1]) / _NS_PER_S
    return waited
