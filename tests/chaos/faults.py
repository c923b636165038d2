"""Does what the schedule says to a part of the stack, for as long as it says, and makes it whole again."""

import asyncio
import resource
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from tests.chaos.outage import Fault, Outage
from tests.chaos.proxy import Weather
from tests.chaos.schedule import Planned
from tests.chaos.service import set_clock
from tests.chaos.stack import EXECUTORS, Stack

WEATHER: Final[Mapping[Fault, Weather]] = {
    Fault.LATE: Weather.LATE,
    Fault.DRIP: Weather.DRIPPING,
    Fault.HALF_OPEN: Weather.HALF_OPEN,
    Fault.SILENT: Weather.SILENT,
    Fault.RESET: Weather.RESET,
}
BALLAST_BYTES: Final = 1 << 16


async def inflict(planned: Planned, stack: Stack, lock: asyncio.Lock, tell: Callable[[Outage], None]) -> None:
    """Break the part, wait, mend it, and tell from when to when. The lock is the part's: one thing at a time."""
    async with lock:
        began = time.time()
        try:
            async with _hurt(planned, stack):
                await asyncio.sleep(planned.lasts_s)
        finally:
            outage = Outage(
                fault=planned.fault,
                target=planned.target,
                began=began,
                ended=time.time(),
                strength=planned.strength,
            )
            tell(outage)


def _hurt(planned: Planned, stack: Stack) -> AbstractAsyncContextManager[None]:
    match planned.fault:
        case Fault.KILL | Fault.TERM | Fault.WIPE:
            return _ended(planned, stack)
        case Fault.STOP:
            return _stopped(planned, stack)
        case Fault.CLOCK:
            return _mistimed(planned, stack)
        case Fault.DISK:
            return _filled(stack) if stack.is_small_disk else _limited(stack)
        case Fault.REPLIES:
            return _spoiled(planned, stack)
        case _:
            return _stormy(planned, stack)


@asynccontextmanager
async def _ended(planned: Planned, stack: Stack) -> AsyncIterator[None]:
    member = stack.members[planned.target]
    if planned.fault is Fault.TERM:
        await member.terminate()
    else:
        await member.kill()
    if planned.fault is Fault.WIPE:
        folder = stack.folder / "redis"
        shutil.rmtree(folder)
        folder.mkdir()
    yield
    await member.start()


@asynccontextmanager
async def _stopped(planned: Planned, stack: Stack) -> AsyncIterator[None]:
    member = stack.members[planned.target]
    member.stop()
    try:
        yield
    finally:
        member.resume()


@asynccontextmanager
async def _mistimed(planned: Planned, stack: Stack) -> AsyncIterator[None]:
    clock = stack.clock_of(planned.target)
    set_clock(clock, planned.strength)
    try:
        yield
    finally:
        set_clock(clock, 0.0)


@asynccontextmanager
async def _filled(stack: Stack) -> AsyncIterator[None]:
    """Fill the disk of the journal to its last byte."""
    ballast = stack.journal.parent / "ballast"
    try:
        _fill(ballast)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(ballast: Path) -> None:
    piece = bytes(BALLAST_BYTES)
    with ballast.open("wb", buffering=0) as file:
        while piece:
            try:
                file.write(piece)
            except OSError:  # no space for this much; less may still fit
                piece = piece[: len(piece) // 2]


@asynccontextmanager
async def _limited(stack: Stack) -> AsyncIterator[None]:
    """Let the Executors make no file longer than it can be, for want of a disk that can be filled."""
    pids = [pid for name in EXECUTORS if (pid := stack.members[name].pid)]
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # killed meanwhile
                resource.prlimit(pid, resource.RLIMIT_FSIZE, no_limit)


@asynccontextmanager
async def _spoiled(planned: Planned, stack: Stack) -> AsyncIterator[None]:
    """Let the next answers be wrong; those that nobody asks for meanwhile stay to come."""
    await stack.members[planned.target].ask({"fault": planned.reply, "times": int(planned.strength)})
    yield


@asynccontextmanager
async def _stormy(planned: Planned, stack: Stack) -> AsyncIterator[None]:
    link = stack.links[planned.target]
    link.turn(WEATHER[planned.fault], late_s=planned.strength)
    try:
        yield
    finally:
        link.turn(Weather.CLEAR)
