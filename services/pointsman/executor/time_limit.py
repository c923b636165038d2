"""A limit of time around a part of a task. A call has two, so it is made of fewer steps than asyncio's own."""

import asyncio
from types import TracebackType


class TimeIsUp(Exception):
    """A limit of time is reached; the message says which, for people."""

    def __init__(self, what: str, limit_s: float) -> None:
        super().__init__(f"{what} {limit_s:.2f} s.")


class until:  # noqa: N801 - read as a word: with until(...)
    """Bounds what the task awaits inside by an instant of the loop's clock. Raises TimeIsUp.

    `what` did not happen within `limit_s`, says the message. Only this limit is told so: those of others that are
    reached inside, and being cancelled, go on as they are.

    With `grace_s` whatever has the same limit inside ends first: the grace begins when the loop gets to see that the
    limit is reached, so that a loop which stalls just then cannot use it up.
    """

    def __init__(self, at: float, what: str, limit_s: float, *, grace_s: float = 0.0) -> None:
        self._at = at
        self._what = what
        self._limit_s = limit_s
        self._grace_s = grace_s
        self._is_over = False

    def __enter__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can be bounded")
        self._task = task
        self._asked_before = task.cancelling()
        self._timer = loop.call_at(self._at, self._reach)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        # Somebody else may have cancelled the task at the same time, and then it is cancelled.
        if self._is_over and self._task.uncancel() <= self._asked_before and kind is asyncio.CancelledError:
            raise TimeIsUp(self._what, self._limit_s) from error

    def _reach(self) -> None:
        if self._grace_s:
            self._timer = self._loop.call_later(self._grace_s, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()
