"""The event loop of a command: the fastest that is installed, and a way to serve until somebody says stop."""

import asyncio
import errno
import os
import signal
import stat
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar

T = TypeVar("T")

_STOPS = (signal.SIGINT, signal.SIGTERM)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end on a loop of its own and return what it returned."""
    with asyncio.Runner(loop_factory=_fastest()) as runner:
        return runner.run(main)


@contextmanager
def stop_signals(told: Callable[[], None]) -> Iterator[asyncio.Event]:
    """Yield an event that the first SIGINT or SIGTERM sets, after calling `told`; the next one ends the process.

    Enter it before anything is started: a signal during the start then still leads to a stop in good order.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        for sign in _STOPS:
            loop.remove_signal_handler(sign)
            # The kernel's own way to end a process works even while the loop is busy.
            signal.signal(sign, signal.SIG_DFL)
        stopped.set()  # first: nothing that goes wrong in telling may keep the stop from happening
        told()

    for sign in _STOPS:
        loop.add_signal_handler(sign, stop)
    try:
        yield stopped
    finally:
        for sign in _STOPS:
            loop.remove_signal_handler(sign)


@contextmanager
def hang_ups(gone: Callable[[], None], told: Callable[[], None]) -> Iterator[None]:
    """Call `told` at each SIGHUP until the block ends.

    The signal also says that the terminal is gone which this process was started on; that calls `gone` instead.
    Enter it before anything is started: left to itself, the signal ends the process, in a start and in a stop too.
    """
    loop, had_terminal = asyncio.get_running_loop(), _has_terminal()
    loop.add_signal_handler(signal.SIGHUP, lambda: gone() if had_terminal and not _has_terminal() else told())
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def until_stopped(told: Callable[[], None]) -> None:
    """Return at the first SIGINT or SIGTERM, after calling `told`; the next one ends the process at once."""
    with stop_signals(told) as stopped:
        await stopped.wait()


@contextmanager
def while_it_is_read(output: IO[str]) -> Iterator[None]:
    """End the block with BrokenPipeError as soon as nobody reads the output any more, where that is a pipe.

    Without it, a command that waits for news would learn of `| head` only when it prints the next time.
    """
    out, loop, task = output.fileno(), asyncio.get_running_loop(), asyncio.current_task()
    if task is None or not stat.S_ISFIFO(os.fstat(out).st_mode):
        yield
        return
    is_gone = False

    def end() -> None:
        nonlocal is_gone
        is_gone = True
        loop.remove_reader(out)
        task.cancel()

    # The writing end of a pipe becomes "readable" when its other end is closed; asyncio's own pipes rely on it.
    loop.add_reader(out, end)
    try:
        yield
    except asyncio.CancelledError:
        if not is_gone:
            raise
        task.uncancel()
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more") from None
    finally:
        loop.remove_reader(out)


def _has_terminal() -> bool:
    """Return whether there is a terminal that controls this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a uvloop; None, asyncio's own, where it is not installed."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
