"""An HTTP server on loopback that says exactly what the test scripted, byte for byte, and notices who leaves."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

import orjson


class Fate(StrEnum):
    """What becomes of the connection."""

    ANSWER = "answer"
    TRUNCATE = "truncate"
    """The head promises more bytes than come before the connection closes."""
    RESET = "reset"
    """The connection breaks before any byte of the answer."""
    SILENCE = "silence"
    """The request is read, and nothing follows."""
    STALL = "stall"
    """The head and the beginning of the body come, and nothing follows."""
    GARBAGE = "garbage"
    """Something comes back that is not HTTP."""
    DRIP = "drip"
    """The body comes byte by byte."""
    CUT = "cut"
    """The body comes in chunks, and the connection closes where the last chunk belongs."""
    FLOOD = "flood"
    """The body comes again and again, as fast as it is taken, until the client leaves."""


_CHUNKED = frozenset({Fate.DRIP, Fate.CUT, Fate.FLOOD})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """What the server does with one request."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fate: Fate = Fate.ANSWER

    def head(self) -> bytes:
        """Return status line and headers; a truncated body is announced longer than it is."""
        reason = HTTPStatus(self.status).phrase if self.status in HTTPStatus._value2member_map_ else "Odd"
        size = len(self.body) + (0 if self.fate is Fate.ANSWER else 100)
        framing = "transfer-encoding: chunked" if self.fate in _CHUNKED else f"content-length: {size}"
        lines = [f"HTTP/1.1 {self.status} {reason}", framing]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def json_reply(document: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> ScriptedReply:
    """Return a reply with a JSON body."""
    return ScriptedReply(
        status=status, headers={"content-type": "application/json"} | dict(headers or {}), body=orjson.dumps(document)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """A request as it came; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> object:
        """The body as JSON."""
        return orjson.loads(self.body)


class FakeHttpServer:
    """Replies are played in the order in which they were scripted, one a request; the last one is played on."""

    def __init__(self) -> None:
        self.requests: list[SeenRequest] = []
        self.connections = 0
        self.flooded_bytes = 0
        """How much of a flood has been taken by the client or by the system between."""
        self.asked = asyncio.Event()
        """Set when a request has been read completely."""
        self.left = asyncio.Event()
        """Set when a client has closed a connection that it was to wait on, or on which it never asked."""
        self._script: deque[ScriptedReply] = deque()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address, with the port that the system chose."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def play(self, *replies: ScriptedReply) -> None:
        """Put replies at the end of the script."""
        self._script.extend(replies)

    async def start(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Close the server and every connection."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        answered = 0
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                self.asked.set()
                if not await self._perform(self._next(), reader, writer):
                    break
                answered += 1
            else:
                if not answered:  # its time was over before it had asked
                    self.left.set()
        except ConnectionError:
            self.left.set()
        finally:
            self._tasks.discard(task)
            writer.close()

    def _next(self) -> ScriptedReply:
        return self._script.popleft() if len(self._script) > 1 else self._script[0]

    async def _perform(self, reply: ScriptedReply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do what the script says; False ends the connection."""
        match reply.fate:
            case Fate.RESET:
                linger = struct.pack("ii", 1, 0)  # close with RST
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            case Fate.SILENCE:
                await self._watch(reader)
            case Fate.STALL:
                await self._send(reply, writer)
                await self._watch(reader)
            case Fate.FLOOD:
                await self._flood(reply, writer)
            case _:
                await self._send(reply, writer)
        return reply.fate in {Fate.ANSWER, Fate.DRIP}

    async def _send(self, reply: ScriptedReply, writer: asyncio.StreamWriter) -> None:
        match reply.fate:
            case Fate.GARBAGE:
                writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            case Fate.DRIP:
                writer.write(reply.head())
                for byte in reply.body:
                    writer.write(_chunk(bytes([byte])))
                    await writer.drain()
                writer.write(_chunk(b""))
            case Fate.CUT:
                writer.write(reply.head() + _chunk(reply.body))
            case _:
                writer.write(reply.head() + reply.body)
        await writer.drain()

    async def _flood(self, reply: ScriptedReply, writer: asyncio.StreamWriter) -> None:
        writer.write(reply.head())
        while True:
            writer.write(_chunk(reply.body))
            await writer.drain()
            self.flooded_bytes += len(reply.body)

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass
        self.left.set()


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


@asynccontextmanager
async def http_server(*replies: ScriptedReply) -> AsyncIterator[FakeHttpServer]:
    """Yield a running server with a script."""
    server = FakeHttpServer()
    server.play(*replies)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _read_request(reader: asyncio.StreamReader) -> SeenRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return SeenRequest(method=method, path=path, headers=headers, body=body)
