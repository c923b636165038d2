"""Whether a Router takes calls, and a bounded wait for one that was there before: it is being started again."""

import asyncio
from typing import Final

import grpc

PATIENCE_S: Final = 10.0
"""How long after it was lost a Router is waited for. One that was never there is not waited for."""

_READY: Final = grpc.ChannelConnectivity.READY


class Presence:
    """What the channel knows of its Router. Belongs to the running loop, as the channel does."""

    def __init__(self, channel: grpc.aio.Channel, patience_s: float) -> None:
        """Know nothing yet."""
        self._channel = channel
        self._patience_s = patience_s
        self._was_there = False
        self._lost_at_s: float | None = None

    @property
    def was_there(self) -> bool:
        """True once it has been seen."""
        self._was_there = self._was_there or self._channel.get_state() is _READY
        return self._was_there

    async def arrive(self, within_s: float) -> bool:
        """Return whether a call can be left with the channel, which sends it when it can.

        Waits `within_s` at most. False where nobody is there, or the patience is over: then a call says at once why.
        """
        state = self._channel.get_state(try_to_connect=True)
        if state is _READY:
            self._was_there, self._lost_at_s = True, None
            return True
        if not self._was_there:
            return False
        now_s = asyncio.get_running_loop().time()
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        try:
            async with asyncio.timeout_at(min(now_s + within_s, self._lost_at_s + self._patience_s)):
                while state is not _READY:
                    await self._channel.wait_for_state_change(state)
                    state = self._channel.get_state(try_to_connect=True)
        except TimeoutError:
            return False
        self._lost_at_s = None
        return True
