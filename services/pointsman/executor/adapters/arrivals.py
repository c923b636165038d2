"""A body that is read piece by piece, and how long each piece may take."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self, TypeVar

from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.adapters.carrier import Arriving
from pointsman.executor.adapters.connection import BODY_BYTES, FAILURES, TooLarge, failed
from pointsman.executor.time_limit import TimeIsUp, until

T = TypeVar("T")

_END_S: Final = 0.1
"""How long the end of a body may come after the end of its answer; a connection is kept only behind a whole body."""


class Patience:
    """The three limits of a streamed call. The clock of the whole call runs on while its reader is slow.

    A block around all waiting of a call, which is done by one task. One timer serves all waits: it is set to the
    nearest limit, and where that has moved on by the time it rings, it is set anew.
    """

    def __init__(self, call: Call) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        began = self._loop.time()
        self._whole_at = began + call.timeout_s
        self._first_at = began + call.first_token_s
        self._limit_at = math.inf
        """The nearest limit of the wait under way, or of the last one."""
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task else 0
        self._is_waiting = False
        self._is_over = False
        self.has_arrived = False
        """True when something has come: from now on, standing still is bounded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def has_spoken(self) -> None:
        """Hear that a delta has come: the wait for the first one is over."""
        self._first_at = math.inf

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Begin and return what it comes to. Raises TimeIsUp at the limit that is nearest, at once if it has passed.

        Being cancelled, and time limits of others that are reached inside, go on as they are.
        """
        now = self._loop.time()
        idle_at = now + self._call.idle_s if self.has_arrived else math.inf
        self._limit_at = min(self._whole_at, self._first_at, idle_at)
        if self._limit_at <= now:  # what has been received already would be read in no time, past any limit
            raise self._time_is_up()
        if self._limit_at < self._rings_at:
            self._ring_at(self._limit_at)
        self._is_waiting = True
        try:
            return await begin()
        except asyncio.CancelledError:
            if self._is_over and self._task and self._task.uncancel() <= self._cancelling:
                raise self._time_is_up() from None
            raise
        finally:
            self._is_waiting = False

    def _ring_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        """End the wait under way if its limit is reached; else look again when it will be."""
        self._timer, self._rings_at = None, math.inf
        if self._task is None or not self._is_waiting:  # the next wait sets it
            return
        if self._loop.time() < self._limit_at:
            self._ring_at(self._limit_at)
        else:
            self._is_over = True
            self._task.cancel()

    def _time_is_up(self) -> TimeIsUp:
        if self._limit_at == self._whole_at:
            return TimeIsUp("The answer was not whole within", self._call.timeout_s)
        if self._limit_at == self._first_at:
            return TimeIsUp("The answer did not begin within", self._call.first_token_s)
        return TimeIsUp("The stream stood still for", self._call.idle_s)


class Arrivals:
    """The pieces of one body as they come from the network. What is not asked for is not read."""

    def __init__(self, response: Arriving, patience: Patience) -> None:
        self._response = response
        self._patience = patience
        self._size = 0

    async def next(self) -> bytes | Reply:
        """Return the next piece, empty behind the last one; a Reply when it did not come."""
        self._patience.has_arrived = True  # the head was there, or the piece before
        try:
            chunk = await self._patience.wait(self._response.piece)
            self._size += len(chunk)
            if self._size > BODY_BYTES:
                raise TooLarge
        except FAILURES as error:
            return failed(error)
        return chunk

    async def rest(self) -> bytes | Reply:
        """Return all pieces that are to come as one; a Reply when they did not."""
        chunks = []
        while chunk := await self.next():
            if isinstance(chunk, Reply):
                return chunk
            chunks.append(chunk)
        return b"".join(chunks)

    async def close_in_order(self) -> None:
        """Wait a moment for the end of a body that has nothing more to say, so that its connection can be kept."""
        at = asyncio.get_running_loop().time() + _END_S
        with suppress(*FAILURES), until(at, "The body did not end within", _END_S):  # the answer is whole already
            await self._response.piece()
