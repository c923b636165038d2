"""Where the content of one streamed answer goes while it is being made: one writer, one reader, bounded in bytes."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

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
    """Takes deltas one by one and gives them out bundled.

    The first goes out at once. What comes within `window_s` seconds of a message travels together in the next one; 0
    holds nothing back. The first delta commits: from then on no other candidate may answer.

    Costs no task, timer or allocation of its own a delta: the reader sleeps through a window and takes what has come.
    """

    def __init__(self, *, clock: Clock, window_s: float) -> None:
        """Begin with nothing."""
        self._clock = clock
        self._window_s = window_s
        self._start: Start | None = None
        self._texts: list[str] = []
        self._tool_calls: list[ToolCallDelta] = []
        self._held_bytes = 0
        self._is_closed = False
        self._is_in_window = False
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
        if not self._is_in_window or self.is_full:
            _wake(self._reader)

    async def room(self) -> None:
        """Return when the reader has taken what is held."""
        while self.is_full and not self._is_closed:
            self.was_waited_for = True
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    def close(self) -> None:
        """Let the reader end once it has taken what is held: nothing more comes."""
        self._is_closed = True
        _wake(self._reader)
        _wake(self._writer)

    async def pieces(self) -> AsyncGenerator[Start | Delta, None]:
        """Yield the start, and bundles of content until it is closed. For one reader."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._holds_content:
                if self._is_closed:
                    return
                await self._woken(loop)
                continue
            if self._start:
                start, self._start = self._start, None
                yield start
            window_ends_at = loop.time() + self._window_s
            yield self._bundle()
            if self._window_s and not self._is_closed and not self.is_full and loop.time() < window_ends_at:
                await self._pause(loop, window_ends_at)

    @property
    def _holds_content(self) -> bool:
        return bool(self._texts or self._tool_calls)

    def _bundle(self) -> Delta:
        bundle = Delta(text="".join(self._texts), tool_calls=tuple(self._tool_calls))
        self._texts.clear()
        self._tool_calls.clear()
        self._held_bytes = 0
        _wake(self._writer)
        return bundle

    async def _pause(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self._is_in_window = True
        timer = loop.call_at(until, self._end_window)
        try:
            await self._woken(loop)
        finally:
            timer.cancel()
            self._is_in_window = False

    def _end_window(self) -> None:
        _wake(self._reader)

    async def _woken(self, loop: asyncio.AbstractEventLoop) -> None:
        self._reader = loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)
