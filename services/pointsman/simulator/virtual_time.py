"""An event loop on which waiting costs nothing: when nobody has anything to do, the clock jumps to the next timer.

There is no network on it: a rehearsal speaks to the simulated providers through `transport.py`. Threads may be used
(`run_in_executor`); the clock stands still until they are done.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_TICK_S = 1e-6
"""Timers that lie this close together fire in one round: far above what adding up floats loses in a year of seconds."""


class Deadlock(RuntimeError):
    """Every task waits and no timer is set: nothing can ever happen again."""


class VirtualClock:
    """The clock that belongs to a virtual loop; implements `domain.clock.Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        """Let the loop's time zero be `start`, which is aware."""
        self._loop = loop
        self._start = start

    def now(self) -> datetime:
        """Return the virtual instant."""
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Return virtual seconds since the start."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of virtual time; others run first even when it is zero."""
        awake: asyncio.Future[None] = self._loop.create_future()
        timer = self._loop.call_later(max(0.0, seconds), _wake, awake)
        try:
            await awake
        finally:
            timer.cancel()


def run_virtual(main: Callable[[VirtualClock], Coroutine[Any, Any, T]], *, start: datetime) -> T:
    """Run `main` on a virtual clock that begins at `start`, and return what it returns.

    Raises Deadlock when all tasks wait for each other, and whatever `main` raises.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main(VirtualClock(runner.get_loop(), start)))


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector loop whose time is made by its selector."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._virtual_s = 0.0
        self._threads_at_work = 0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = _TICK_S

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual_s

    def wait(self, timeout: float | None) -> bool:
        """Let virtual time pass instead of waiting; return False when a thread must be waited for in earnest."""
        if self._threads_at_work:
            return False
        if timeout is None:
            raise Deadlock(self._who_waits())
        self._virtual_s += timeout
        return True

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run in a thread, and hold the clock until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_at_work += 1
        future.add_done_callback(self._thread_is_done)
        return future

    async def shutdown_default_executor(self, *_: object) -> None:
        """Wait for the threads in earnest, as `asyncio.Runner` asks at the end."""
        self._threads_at_work += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads_at_work -= 1

    def _thread_is_done(self, _: object) -> None:
        self._threads_at_work -= 1

    def _who_waits(self) -> str:
        waiting = sorted(f"{task.get_name()} in {_place(task)}" for task in asyncio.all_tasks(self))
        return f"nothing is scheduled at {self._virtual_s:.3f} s and {len(waiting)} tasks wait: {'; '.join(waiting)}"


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the system what is ready, and where it would wait, lets the loop's time jump."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 - as inherited
        """Take the loop's own wake-up pipe and nothing else."""
        if self.get_map():
            raise RuntimeError("there is no network in virtual time; use pointsman.simulator.transport")
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0) or self._loop.wait(timeout):
            return ready
        return super().select(timeout)


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _place(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    if not frames:
        return "an awaitable that is not a coroutine"
    return f"{frames[0].f_code.co_qualname}:{frames[0].f_lineno}"
