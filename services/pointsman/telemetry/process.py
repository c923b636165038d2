"""What a process says of itself: what it runs, what it uses, and how late its event loop is."""

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Never

from pointsman.domain.clock import Clock
from pointsman.telemetry import instruments
from pointsman.telemetry.metrics import REGISTER, Reading

if TYPE_CHECKING:
    import psutil

PAUSE_S: Final = 0.25
"""Between two looks at the loop: often enough that a stall of a second is seen, and too seldom to cost anything."""


@asynccontextmanager
async def observed(*, settings_hash: Callable[[], str], clock: Clock) -> AsyncIterator[None]:
    """Tell of this process and of the running loop until the block ends; nothing where nobody counts."""
    if not REGISTER.is_on:
        yield
        return
    import psutil  # noqa: PLC0415 - 50 ms of CPU, which a process that counts nothing is spared

    process = psutil.Process()
    unobserve = REGISTER.observe(lambda: _readings(process, settings_hash()))
    watching = asyncio.create_task(_watch_loop(clock))
    try:
        yield
    finally:
        unobserve()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _readings(process: "psutil.Process", settings_hash: str) -> Iterator[Reading]:
    with process.oneshot():
        cpu = process.cpu_times()
        yield instruments.BUILD.at(1.0, version("pointsman"), platform.python_version(), settings_hash)
        yield instruments.CPU_TIME.at(cpu.user + cpu.system)
        yield instruments.MEMORY_USAGE.at(process.memory_info().rss)
        yield instruments.OPEN_FILES.at(process.num_fds())
        yield instruments.UPTIME.at(REGISTER.clock.now().timestamp() - process.create_time())


async def _watch_loop(clock: Clock) -> Never:
    while True:
        due = clock.monotonic() + PAUSE_S
        await clock.sleep(PAUSE_S)
        instruments.LOOP_LAG.record(max(0.0, clock.monotonic() - due))
