"""A body that is read piece by piece, and how long each piece may take."""

import asyncio
import math
from contextlib import AbstractContextManager, suppress
from typing import Final

from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.adapters.carrier import Arriving
from pointsman.executor.adapters.connection import BODY_BYTES, FAILURES, TooLarge, failed
from pointsman.executor.time_limit import TimeIsUp, until

_END_S: Final = 0.1
"""How long the end of a body may come after the end of its answer; a connection is kept only behind a whole body."""


class Patience:
    """The three limits of a streamed call. The clock of the whole call runs on while its reader is slow."""

    def __init__(self, call: Call) -> None:
        self._loop = asyncio.get_running_loop()
        self._call = call
        self._began = self._loop.time()
        self.has_arrived = False
        """True when something has come: from now on, standing still is bounded."""
        self.has_spoken = False
        """True when a delta has come: its wait is over."""

    def turn(self) -> AbstractContextManager[None]:
        """Return what bounds the next wait by the limit that is nearest. Raises TimeIsUp, at once if it has passed."""
        call, now = self._call, self._loop.time()
        whole_at = self._began + call.timeout_s
        first_at = math.inf if self.has_spoken else self._began + call.first_token_s
        idle_at = now + call.idle_s if self.has_arrived else math.inf
        at = min(whole_at, first_at, idle_at)
        if at == whole_at:
            what, limit_s = "The answer was not whole within", call.timeout_s
        elif at == first_at:
            what, limit_s = "The answer did not begin within", call.first_token_s
        else:
            what, limit_s = "The stream stood still for", call.idle_s
        if at <= now:  # what has been received already would be read in no time, past any limit
            raise TimeIsUp(what, limit_s)
        return until(at, what, limit_s)


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
            with self._patience.turn():
                chunk = await self._response.piece()
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
