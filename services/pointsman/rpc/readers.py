"""Whose messages are read: a few calls of a caller at once, so that what waits stays with its sender.

gRPC takes in what is being read, and holds back the rest but for 64 KiB a call.
"""

import asyncio
from collections import deque
from typing import Final

from pointsman.rpc.callers import Context

READERS: Final = 8
"""Calls of one caller whose messages are read at once. A message that is small is there when its call is, and takes no
time."""

PATIENCE_S: Final = 1.0
"""How long a call waits to be read: senders who are slow must not hold up others for longer."""


class Readers:
    """The calls that read their message. Remembers callers only while they read: at the Executor there is no end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._reading: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def callers(self) -> int:
        """How many there are whose messages are read or wait for it."""
        return len(self._reading)

    async def read(self, caller: str, context: Context) -> object:
        """Return the message of a call, or EOF, once few enough of the caller's are being read.

        Whoever has waited for long enough is read beside the others, and is not counted.
        """
        reading = self._reading.get(caller, 0)
        if reading < READERS:
            self._reading[caller] = reading + 1
        elif not await self._got_a_place(caller):
            return await context.read()
        try:
            return await context.read()
        finally:
            self._hand_on(caller)

    async def _got_a_place(self, caller: str) -> bool:
        """Wait until one who has read hands its place on; return False when patience ends before."""
        place = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(caller, deque())
        waiting.append(place)
        try:
            await asyncio.wait((place,), timeout=PATIENCE_S)
        except asyncio.CancelledError:
            if place.done():  # it came at the same moment
                self._hand_on(caller)
            raise
        finally:
            if not place.done():
                waiting.remove(place)
                self._forget_if_empty(caller)
        return place.done()

    def _hand_on(self, caller: str) -> None:
        """Give the place of one who has read to whoever waits longest, else to nobody."""
        if caller in self._waiting:
            self._waiting[caller].popleft().set_result(None)
            self._forget_if_empty(caller)
        elif left := self._reading[caller] - 1:
            self._reading[caller] = left
        else:
            del self._reading[caller]

    def _forget_if_empty(self, caller: str) -> None:
        if not self._waiting[caller]:
            del self._waiting[caller]
