"""A TCP proxy between two parts of the stack, with bad weather: late, dripping, half open, silent, reset."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_PIECE_BYTES: Final = 65_536
DRIP_BYTES, DRIP_S = 256, 0.02
"""What passes while it drips: some 12 KiB a second."""


class Weather(StrEnum):
    """What becomes of what passes."""

    CLEAR = "clear"
    LATE = "late"
    """Each piece, either way, waits."""
    DRIPPING = "dripping"
    """Each piece passes in drops."""
    HALF_OPEN = "half_open"
    """The far end has forgotten the connections that were open at the start: what they say is swallowed, for good."""
    SILENT = "silent"
    """Nothing passes and nobody is connected until it clears; then all of it does, as TCP would have it."""
    RESET = "reset"
    """Connections are reset, those that are open at once, new ones when they come."""


@dataclass(slots=True, eq=False)
class _Connection:
    """Two sockets that are joined; `is_dead` swallows what either says."""

    writers: list[asyncio.StreamWriter]
    is_dead: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            _reset(writer)

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


@dataclass(slots=True)
class Link:
    """One way from here to there; `target` may move while it runs, `address` stays. `carried` counts bytes."""

    name: str
    target: tuple[str, int] | None = None
    port: int = 0
    carried: int = 0
    weather: Weather = Weather.CLEAR
    late_s: float = 0.0
    _cleared: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[_Connection] = field(default_factory=set)

    @property
    def address(self) -> str:
        """Where to connect to instead of the target."""
        return f"127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def turn(self, weather: Weather, *, late_s: float = 0.0) -> None:
        """Change the weather."""
        self.weather, self.late_s = weather, late_s
        if weather is Weather.SILENT:
            self._cleared.clear()
        else:
            self._cleared.set()
        for connection in tuple(self._connections):
            if weather is Weather.RESET:
                connection.reset()
            connection.is_dead |= weather is Weather.HALF_OPEN

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        await self._pass()
        connection = _Connection([writer])
        self._connections.add(connection)
        try:
            await self._join(connection, reader)
        finally:
            self._connections.discard(connection)
            connection.close()

    async def _join(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        (writer,) = connection.writers
        if self.weather is Weather.RESET or self.target is None:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(writer)
            return
        connection.writers.append(far_writer)
        ways = [
            asyncio.ensure_future(self._carry(connection, reader, far_writer)),
            asyncio.ensure_future(self._carry(connection, far_reader, writer)),
        ]
        try:
            # Whichever end hangs up first ends both ways: nothing here closes one half alone.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                await self._pass()
                if not connection.is_dead:
                    await self._write(piece, writer)

    async def _pass(self) -> None:
        if self.weather is Weather.SILENT:
            await self._cleared.wait()
        elif self.weather is Weather.LATE:
            await asyncio.sleep(self.late_s)

    async def _write(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        self.carried += len(piece)
        if self.weather is not Weather.DRIPPING:
            writer.write(piece)
            await writer.drain()
            return
        for at in range(0, len(piece), DRIP_BYTES):
            writer.write(piece[at : at + DRIP_BYTES])
            await writer.drain()
            await asyncio.sleep(DRIP_S)


@asynccontextmanager
async def linked(name: str) -> AsyncIterator[Link]:
    """Run a proxy that leads nowhere yet, until the block ends."""
    link = Link(name)
    tasks = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await link.serve(reader, writer)
        except asyncio.CancelledError:  # the end of the block, and nobody awaits this task but it
            pass
        finally:
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    link.port = listener.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection with a reset instead of an end."""
    connection = writer.transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
