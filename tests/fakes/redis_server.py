"""A real Redis on a free port of loopback, and a way to it that is slow or broken when the test says so."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NoConnection

from tests.fakes.ports import free_port


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """A `redis-server` that keeps nothing on disk: a restart has forgotten everything."""

    port: int
    folder: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it; return when it answers."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder}
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec("redis-server", *arguments, stdout=log, stderr=log)
        async with asyncio.timeout(5):
            while not await self._answers():  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.01)  # noqa: TID251 - as said

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def pause(self) -> None:
        """Make it hang: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, with all that was sent meanwhile."""
        self._signal(signal.SIGCONT)

    def client(self) -> Redis:
        """Return a client of the test's own."""
        return Redis.from_url(self.url)

    async def calls(self) -> dict[str, int]:
        """Return how often each command was called since the server started, those inside scripts included."""
        async with self.client() as client:
            stats = await client.info("commandstats")
        return {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()}

    def _signal(self, number: signal.Signals) -> None:
        if self.process and self.process.returncode is None:
            os.kill(self.process.pid, number)

    async def _answers(self) -> bool:
        try:
            async with self.client() as client:
                await client.ping()
        except NoConnection:
            return False
        return True


@asynccontextmanager
async def redis_server(*, is_up: bool = True) -> AsyncIterator[RedisServer]:
    """Run a Redis until the block ends; not yet, unless `is_up`."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(port=free_port(), folder=Path(folder))
        try:
            if is_up:
                await server.start()
            yield server
        finally:
            server.resume()
            await server.kill()


@dataclass(slots=True)
class SlowWay:
    """A proxy to a server: what passes either way takes `delay_s` seconds."""

    port: int
    target_port: int
    delay_s: float = 0.0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        both = {writer, far_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(reader, far_writer))
                tasks.create_task(self._carry(far_reader, writer))
        finally:
            self._writers -= both
            for each in both:
                each.close()

    def reset(self) -> None:
        """Break every connection off."""
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65_536):
                await asyncio.sleep(self.delay_s)  # noqa: TID251 - slowness is what this is for
                writer.write(piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def slow_way(server: RedisServer) -> AsyncIterator[SlowWay]:
    """Run a proxy to the server until the block ends."""
    way = SlowWay(0, server.port)
    listener = await asyncio.start_server(way.pass_on, "127.0.0.1", 0)
    way.port = listener.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        listener.close()
        way.reset()
