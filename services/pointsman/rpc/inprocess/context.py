"""What a servicer is handed with a call from its own process: as much of gRPC's context as our servicers use.

The rest raises NotImplementedError, so that a servicer which comes to need it finds out in its first test.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Never

import grpc

Metadata = grpc.aio.Metadata | Sequence[tuple[str, str | bytes]]

PEER: Final = "inproc"
"""Stands for the address of the caller, which has none. gRPC's own word for it."""

_OK: Final = grpc.StatusCode.OK

_ABSENT: Final = "the context of a call within the process has no such thing; no servicer of ours has needed it so far"


class CallContext(grpc.aio.ServicerContext[Any, Any]):
    """One call as its servicer sees it."""

    def __init__(
        self, request: object, metadata: Metadata, deadline_s: float | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Begin with nothing said. `deadline_s` is by the clock of the loop; None: there is all the time."""
        self._unread: object = request
        self._metadata = metadata
        self._deadline_s = deadline_s
        self._loop = loop
        self._write: Callable[[Any], Awaitable[None]] | None = None
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Metadata = ()

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata | tuple[()] = ()
    ) -> Never:
        """End the call with a status; nothing behind this runs."""
        if code is grpc.StatusCode.OK:
            raise grpc.aio.UsageError("a call that ended well is not aborted; return its answer")
        self._code, self._details = code, details
        self._trailers = trailing_metadata or self._trailers
        raise grpc.aio.AbortError

    async def read(self) -> Any:  # noqa: ANN401 - whatever the method takes
        """Return the request where the method takes a stream, which has this one message; EOF from then on."""
        request, self._unread = self._unread, grpc.aio.EOF
        return request

    async def __aiter__(self) -> AsyncGenerator[Any, None]:
        """Yield the request where the method takes a stream, which has this one message."""
        yield await self.read()

    def write_with(self, write: Callable[[Any], Awaitable[None]]) -> None:
        """Send messages with this: the answer is a stream."""
        self._write = write

    async def write(self, message: Any) -> None:  # noqa: ANN401 - whatever the method streams
        """Send one message of a stream, as soon as there is room for it."""
        if self._write is None:
            raise grpc.aio.UsageError("this method answers with one message; return it")
        await self._write(message)

    def time_remaining(self) -> float | None:  # type: ignore[override]  # grpcio too answers None without a deadline
        """Return the seconds until the deadline, at least 0; None without one."""
        return None if self._deadline_s is None else max(0.0, self._deadline_s - self._loop.time())

    def invocation_metadata(self) -> grpc.aio.Metadata | None:
        """Return what the caller sent along."""
        return self._metadata  # type: ignore[return-value]  # pairs, which is all that a reader of either needs

    def code(self) -> grpc.StatusCode:
        """Return the code that was set, OK while none was."""
        return self._code or _OK

    def set_code(self, code: grpc.StatusCode) -> None:
        """Say how the call ends if nothing is raised."""
        self._code = code

    def details(self) -> str:
        """Return the message of the status."""
        return self._details

    def set_details(self, details: str) -> None:
        """Say why the call ends so."""
        self._details = details

    def trailing_metadata(self) -> grpc.aio.Metadata:
        """Return what goes along with the status."""
        return grpc.aio.Metadata(*self._trailers)

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        """Send this along with the status."""
        self._trailers = trailing_metadata

    def peer(self) -> str:
        """Say that the caller is of this process."""
        return PEER

    async def abort_with_status(self, status: grpc.Status) -> Never:
        """Not for calls of this process."""
        raise NotImplementedError(_ABSENT)

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Not for calls of this process."""
        raise NotImplementedError(_ABSENT)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Not for calls of this process."""
        raise NotImplementedError(_ABSENT)

    def cancelled(self) -> bool:
        """Not for calls of this process: a handler hears of it by CancelledError."""
        raise NotImplementedError(_ABSENT)

    def done(self) -> bool:
        """Not for calls of this process."""
        raise NotImplementedError(_ABSENT)

    def set_compression(self, compression: grpc.Compression) -> None:
        """Not for calls of this process, where no byte is sent."""
        raise NotImplementedError(_ABSENT)

    def disable_next_message_compression(self) -> None:
        """Not for calls of this process, where no byte is sent."""
        raise NotImplementedError(_ABSENT)

    def peer_identities(self) -> Iterable[bytes] | None:
        """Not for calls of this process, which show no certificate."""
        raise NotImplementedError(_ABSENT)

    def peer_identity_key(self) -> str | None:
        """Not for calls of this process, which show no certificate."""
        raise NotImplementedError(_ABSENT)

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Not for calls of this process, which show no certificate."""
        raise NotImplementedError(_ABSENT)
