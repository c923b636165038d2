"""How the services of the test under way ask each other: within the process, or over the wire.

Tests of the wire run both ways (`tests/wire/conftest.py`), and take stacks, Routers and channels from the fakes, which
look here. Everywhere else it is the way of `pointsman up`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import grpc

from pointsman.cli import stack
from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import Clock
from pointsman.rpc.channel import open_channel
from pointsman.rpc.server import Server

MESSAGE_BYTES = 4_194_304


@dataclass(slots=True)
class Hops:
    """The way of the test under way."""

    over_the_wire: bool = False


HOPS = Hops()


def running(settings: Settings, *, clock: Clock) -> AbstractAsyncContextManager[Stack]:
    """Run the three services, the Router asking the others in the way of the test."""
    return stack.running(settings, clock=clock, over_the_wire=HOPS.over_the_wire)


@asynccontextmanager
async def channel_to(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to a server in the way of the test."""
    if not HOPS.over_the_wire:
        yield server.channel()
        return
    async with open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel:
        yield channel
