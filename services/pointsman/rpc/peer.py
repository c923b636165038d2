"""Another service of ours as seen from here: whether it can take work now, and a bounded wait until it can.

The channel is asked, which goes by the health of the service: see `open_channel(service=…)`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Never, Protocol

import grpc
import structlog

from pointsman.domain.clock import Clock
from pointsman.telemetry import names

FIRST_LOOK_S: Final = 1.0
"""How long a service that starts waits at most to learn whether the other is there."""

Told = Callable[[bool], Awaitable[None]]
"""Called with whether the other service can take work, when that has changed."""

_KNOWN: Final = {grpc.ChannelConnectivity.READY: True, grpc.ChannelConnectivity.TRANSIENT_FAILURE: False}
"""What states of a channel say; the others are on the way to one of these."""


class Peer(Protocol):
    """Another service, which may come and go."""

    @property
    def is_there(self) -> bool:
        """True while it can take work."""

    async def arrive(self, within_s: float) -> bool:
        """Wait until it can take work, `within_s` at most; return whether it can."""


class ChannelPeer:
    """A service behind a channel. Calls wait for it until `patience_s` seconds after it was lost, or never seen.

    After that nobody waits any more, until it is there again. `followed` must be running.
    """

    def __init__(self, channel: grpc.aio.Channel, *, service: str, clock: Clock, patience_s: float) -> None:
        """Take it for missing since now."""
        self._channel = channel
        self._service = service
        self._clock = clock
        self._patience_s = patience_s
        self._missing_since_s = clock.monotonic()
        self._arrival = asyncio.Event()
        self._looked = asyncio.Event()
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    @property
    def is_there(self) -> bool:
        return self._arrival.is_set()

    async def arrive(self, within_s: float) -> bool:
        left_s = min(within_s, self._missing_since_s + self._patience_s - self._clock.monotonic())
        if self.is_there or left_s <= 0:
            return self.is_there
        try:
            async with asyncio.timeout(left_s):
                return await self._arrival.wait()
        except TimeoutError:
            return False

    @asynccontextmanager
    async def followed(self, told: Told) -> AsyncIterator[None]:
        """Go by what the channel says until the block ends; it begins when that is known once."""
        following = asyncio.create_task(self._follow(told), name=f"follow {self._service}")
        looking = asyncio.create_task(self._looked.wait())
        try:
            await asyncio.wait({following, looking}, timeout=FIRST_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            yield
        finally:
            for task in (looking, following):
                task.cancel()
            # Not by awaiting them under `suppress`, which would swallow it too when whoever leaves is cancelled here.
            await asyncio.wait({looking, following})
            if not following.cancelled():
                following.result()

    async def _follow(self, told: Told) -> Never:
        while True:
            state = self._channel.get_state(try_to_connect=True)
            is_there = _KNOWN.get(state, self.is_there)
            if is_there is not self.is_there:
                self._turn(is_there=is_there)
                await told(is_there)
            if state in _KNOWN:
                self._looked.set()
            await self._channel.wait_for_state_change(state)

    def _turn(self, *, is_there: bool) -> None:
        if is_there:
            self._arrival.set()
            self._log.info(names.EVENT_PEER_FOUND, service=self._service)
        else:
            self._arrival.clear()
            self._missing_since_s = self._clock.monotonic()
            self._log.warning(names.EVENT_PEER_LOST, service=self._service)
