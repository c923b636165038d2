"""A real PostgreSQL on a free port of loopback, with a cluster of its own that is thrown away."""

import asyncio
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.fakes.ports import free_port


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """A server that can be killed and started again; what was committed is there again then."""

    port: int
    folder: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        """Start it; return when it answers."""
        arguments = (
            "-D", str(self.folder / "cluster"), "-p", str(self.port), "-k", "", "-F", "-c", "listen_addresses=127.0.0.1"
        )  # fmt: skip
        self.process = await self._run("postgres", *arguments)
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(self._answers):  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.05)  # noqa: TID251 - as said

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.process and self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGQUIT)
            await self.process.wait()

    async def make(self) -> None:
        """Make the cluster."""
        made = await self._run("initdb", "-D", str(self.folder / "cluster"), "-U", "postgres", "-A", "trust", "-N")
        assert await made.wait() == 0, (self.folder / "log").read_text()

    async def _run(self, command: str, *arguments: str) -> asyncio.subprocess.Process:
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *_as_owner(), _found(command), *arguments, stdout=log, stderr=log, cwd=self.folder, env={"LC_ALL": "C"}
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@asynccontextmanager
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """Run a PostgreSQL until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        if owner := _owner():
            shutil.chown(folder, owner)
        server = PostgresServer(port=free_port(), folder=Path(folder))
        try:
            await server.make()
            await server.start()
            yield server
        finally:
            await server.kill()


def _owner() -> str | None:
    """Return as whom it runs: it refuses to be root. None is whoever runs the tests."""
    return None if os.geteuid() else pwd.getpwnam("postgres").pw_name


def _as_owner() -> tuple[str, ...]:
    """Return what stands before a command of the owner's.

    Not the `user` of a subprocess: Python then forks, and a fork of a process in which gRPC has threads may crash.
    """
    owner = _owner()
    if owner is None:
        return ()
    setpriv = shutil.which("setpriv") or "setpriv"  # of util-linux, which every Debian has
    return setpriv, f"--reuid={owner}", f"--regid={owner}", "--clear-groups"


def _found(command: str) -> str:
    """Return where a command is: Debian keeps the server's off PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{command}"))
    return shutil.which(command) or str(beside[-1])
