"""The event loop of a command: the fastest that is installed, and a way to serve until somebody says stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

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
        told()
        stopped.set()

    for sign in _STOPS:
        loop.add_signal_handler(sign, stop)
    try:
        yield stopped
    finally:
        for sign in _STOPS:
            loop.remove_signal_handler(sign)


async def until_stopped(told: Callable[[], None]) -> None:
    """Return at the first SIGINT or SIGTERM, after calling `told`; the next one ends the process at once."""
    with stop_signals(told) as stopped:
        await stopped.wait()


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a uvloop; None, asyncio's own, where it is not installed."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop
