"""A server whose calls stay inside until they are let go, and whoever floods it; a process of its own where asked for.

`python -m tests.fakes.held_calls BYTES` serves with room for so many bytes and prints its address; after a line on
standard input it prints by how many bytes its memory has grown at most, and how many messages it has parsed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import structlog

from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import KeyMissing
from pointsman.rpc.callers import Context, Metadata
from pointsman.rpc.channel import open_channel
from pointsman.rpc.server import Server
from tests.fakes.serving import options, plain

METHOD = "/things/Do"
MIB = 1_048_576
ROOMY = 4 * MIB


class Held(grpc.GenericRpcHandler):
    """A service whose calls stay inside until `release`; it keeps the sizes that were parsed."""

    def __init__(self) -> None:
        self.parsed: list[int] = []
        self.entered = asyncio.Semaphore(0)
        self.release = asyncio.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        if handler_call_details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(self.do, request_deserializer=self.parse, response_serializer=plain)

    def parse(self, message: bytes) -> bytes:
        self.parsed.append(len(message))
        return message

    async def do(self, _message: bytes, _context: Context) -> bytes:
        self.entered.release()
        await self.release.wait()
        return b"done"


def by_name(metadata: Metadata, _context: Context) -> str:
    """Let everybody in who says a name."""
    if "name" not in metadata:
        raise KeyMissing("say your name")
    return metadata["name"]


@asynccontextmanager
async def held(**changed: Any) -> AsyncIterator[tuple[Held, str]]:  # noqa: ANN401 - any option of a server
    """Serve a service that holds its calls; yield it and its address."""
    service = Held()
    server = Server(
        options(**{"message_bytes": ROOMY, "bytes_in_flight": ROOMY, **changed}),
        services={"things": lambda server: server.add_generic_rpc_handlers((service,))},
        clock=SystemClock(),
    )
    await server.start()
    try:
        yield service, server.address
    finally:
        service.release.set()
        await server.stop()


@asynccontextmanager
async def asking(address: str, name: str = "") -> AsyncIterator[Callable[[int], Awaitable[bytes]]]:
    """Yield what sends a message of so many bytes over a connection of its own."""
    async with open_channel(address, message_bytes=2 * ROOMY) as channel:
        call = channel.unary_unary(METHOD, plain, plain)
        metadata = (("name", name),) if name else ()

        async def ask(size_bytes: int = 1) -> bytes:
            return await call(b"x" * size_bytes, timeout=30, metadata=metadata)

        yield ask


async def _serve(most_bytes: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with held(bytes_in_flight=most_bytes) as (service, address):
        before = _most_kib()
        print(address, flush=True)  # noqa: T201 - to whoever started this process
        await asyncio.to_thread(sys.stdin.readline)
        print((_most_kib() - before) * 1_024, len(service.parsed), flush=True)  # noqa: T201 - as above
        service.release.set()


def _most_kib() -> int:
    """Return the most memory that this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
