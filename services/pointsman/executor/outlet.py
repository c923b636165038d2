"""Where the content of one streamed answer goes while it is being made: one writer, one reader, bounded in bytes."""

import asyncio
from typing import Final, Self

from pointsman.domain.answer import Delta, ToolCallDelta
from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.domain.prompt import utf8_bytes

HELD_BYTES: Final = 65_536
"""From here on the writer waits for the reader. A slow reader so slows the provider, and holds no more than this."""


@frozen
class Start:
    """Who answers; comes before the first content. `model` is the provider's own name."""

    candidate: Candidate
    model: str
    simulated: bool


class Outlet:
    """Takes deltas one by one and gives them out bundled, to one reader who iterates over it.

    Who answers comes first, then bundles of content until it is closed. The first goes out at once. What comes within
    `window_s` seconds of a message travels together in the next one; 0 holds nothing back. So does what comes while the
    reader is busy. The first delta commits: from then on no other candidate may answer.

    A message wakes the reader once. One that comes after a pause costs no timer, and no other delta costs one either
    but the first that must wait for the end of a window.
    """

    def __init__(self, *, clock: Clock, window_s: float) -> None:
        """Begin with nothing, within the running loop."""
        # Kept, because to ask which loop runs is to ask the kernel which process this is (CPython 3.11).
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._window_s = window_s
        self._start: Start | None = None
        self._texts: list[str] = []
        self._tool_calls: list[ToolCallDelta] = []
        self._held_bytes = 0
        self._is_closed = False
        self._opens_at = 0.0
        """From when on, by the clock of the loop, the next message may leave."""
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self.taken_bytes = 0
        """UTF-8 bytes of all content taken so far."""
        self.begun_at: float | None = None
        """When the first content came, by the monotonic clock; None before."""
        self.was_waited_for = False
        """True once the writer had to wait for the reader: what takes long from then on is not the provider's doing."""

    @property
    def has_begun(self) -> bool:
        """True once there was content: the answer is this candidate's, however it ends."""
        return self.begun_at is not None

    @property
    def is_full(self) -> bool:
        """True while the writer must wait for the reader."""
        return self._held_bytes >= HELD_BYTES

    def begin(self, start: Start) -> None:
        """Commit to the candidate whose first content is about to be put."""
        self._start = start
        self.begun_at = self._clock.monotonic()

    def put(self, delta: Delta) -> None:
        """Take more of the answer. The writer awaits `room` when it `is_full` then."""
        size = utf8_bytes(delta.text)
        if delta.text:
            self._texts.append(delta.text)
        for call in delta.tool_calls:
            self._tool_calls.append(call)
            size += utf8_bytes(call.arguments_json) + len(call.name)
        self.taken_bytes += size
        self._held_bytes += size
        if self._reader is not None:
            self._wake_when_it_may_leave(self._reader)

    async def room(self) -> None:
        """Return when the reader has taken what is held."""
        while self.is_full and not self._is_closed:
            self.was_waited_for = True
            self._writer = self._loop.create_future()
            await self._writer

    def close(self) -> None:
        """Let the reader end once it has taken what is held: nothing more comes."""
        self._is_closed = True
        _wake(self._reader)
        _wake(self._writer)

    def __aiter__(self) -> Self:
        """Return itself: there is one reader."""
        return self

    async def __anext__(self) -> Start | Delta:
        """Return the start, then a bundle of content, as soon as there is one that may leave."""
        while not (self._texts or self._tool_calls):
            if self._is_closed:
                raise StopAsyncIteration
            await self._woken()
        if self._start is not None:
            start, self._start = self._start, None
            return start
        while not self._may_leave():
            await self._woken()
        self._opens_at = self._loop.time() + self._window_s
        return self._bundle()

    def _may_leave(self) -> bool:
        return self._loop.time() >= self._opens_at or self._is_closed or self.is_full

    def _bundle(self) -> Delta:
        bundle = Delta(text="".join(self._texts), tool_calls=tuple(self._tool_calls))
        self._texts.clear()
        self._tool_calls.clear()
        self._held_bytes = 0
        _wake(self._writer)
        return bundle

    async def _woken(self) -> None:
        """Sleep until what is held may leave, or until it is closed."""
        self._reader = self._loop.create_future()
        if self._texts or self._tool_calls:  # it came while the reader was busy
            self._wake_when_it_may_leave(self._reader)
        try:
            await self._reader
        finally:
            self._reader = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _wake_when_it_may_leave(self, reader: asyncio.Future[None]) -> None:
        if self._may_leave():
            _wake(reader)
        elif self._timer is None:
            self._timer = self._loop.call_at(self._opens_at, _wake, reader)


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)
