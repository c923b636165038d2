"""One call within the process: a task that serves it, and what the caller holds of it meanwhile.

Each call has a task, and with it a context, of its own, as in gRPC's server: what the servicer binds to its log line
and which span is current stay with it, and the caller goes on at its deadline whatever the servicer still clears away.
"""

import asyncio
import inspect
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Generator
from contextlib import aclosing
from typing import Any, Final, Generic, Protocol, Self, TypeAlias, TypeVar

import grpc

from pointsman.rpc.inprocess.context import CallContext, Metadata

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_OK: Final = grpc.StatusCode.OK

HELD_MESSAGES: Final = 8
"""Messages of a stream that may wait for the reader before the servicer waits too; the wire counts bytes."""


class Host(Protocol):
    """Where calls are served."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop to which it belongs."""

    def handler_of(self, method: str, metadata: Metadata) -> "Awaitable[Handler | None]":
        """Find what serves a method, None when nothing does."""

    def begin(self, call: "Call") -> "asyncio.Task[None] | None":
        """Return the task that serves the call, which expires at its deadline; None where no calls are taken."""


class Call(grpc.aio.Call):
    """What a whole answer and a stream have in common: a servicer at work, one end, and a way to leave.

    Cancelling whoever waits for it cancels it.
    """

    def __init__(
        self, host: Host, method: str, request: object, *, timeout_s: float | None, metadata: Metadata | None
    ) -> None:
        """Begin. `timeout_s` None: there is all the time."""
        self._host = host
        self._method = method
        self._request = request
        self._metadata: Metadata = metadata or ()
        self._loop = host.loop
        self._is_over = False
        self._was_left = False
        self._error: grpc.aio.AioRpcError | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.deadline_s = None if timeout_s is None else self._loop.time() + timeout_s
        self._context = CallContext(request, self._metadata, self.deadline_s, self._loop)
        if timeout_s is not None and timeout_s <= 0:
            self.expire()
            return
        self._task = host.begin(self)
        if self._task is None:
            self._fail(grpc.StatusCode.UNAVAILABLE, "this process does not serve it, or not any more")

    async def serve(self) -> None:
        """Have the servicer answer, and end with what it said."""
        try:
            handler = await self._host.handler_of(self._method, self._metadata)
            if handler is None:
                self._fail(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            else:
                await self._answer(handler)
                self._end_as_said()
        except grpc.aio.AbortError:  # how `abort` leaves a servicer
            self._end_as_said()
        except asyncio.CancelledError:
            self._fail(grpc.StatusCode.CANCELLED, "the service gave the call up")
            raise
        finally:
            if not self._is_over:  # the interceptor lets nothing through; if it does, the loop reports what it was
                self._fail(grpc.StatusCode.UNKNOWN, "the service failed")

    def give_up(self) -> None:
        """Cancel the servicer, and tell a caller who still waits that the service did."""
        self._stop(grpc.StatusCode.CANCELLED, "the service gave the call up")

    def expire(self) -> None:
        """End at the deadline: the caller goes on, and the servicer is cancelled."""
        self._stop(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def cancel(self) -> bool:
        """Leave: the servicer is cancelled at its current await. Return False when it was over before."""
        if self._is_over:
            return False
        self._was_left = True
        self._stop(grpc.StatusCode.CANCELLED, "the caller left")
        return True

    def cancelled(self) -> bool:
        """Return whether somebody left before the end."""
        return self._error is not None and self._error.code() is grpc.StatusCode.CANCELLED

    def done(self) -> bool:
        """Return whether the call is over."""
        return self._is_over

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0; None without one."""
        return self._context.time_remaining()

    async def code(self) -> grpc.StatusCode:
        """Wait for the end and return its code."""
        await self._end()
        return self._error.code() if self._error else grpc.StatusCode.OK

    async def details(self) -> str:
        """Wait for the end and return its message."""
        await self._end()
        return (self._error.details() or "") if self._error else self._context.details()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """Wait for the end and return what came along with it."""
        await self._end()
        return self._context.trailing_metadata()

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """Return what came ahead of the answer: nothing does."""
        return grpc.aio.Metadata()

    async def wait_for_connection(self) -> None:
        """Return: there is none to wait for."""

    def add_done_callback(self, callback: object) -> None:
        """Not for calls of this process."""
        raise NotImplementedError("a call of this process has no add_done_callback; await it")

    @abstractmethod
    async def _answer(self, handler: Handler) -> None:
        """Run the handler and hand on what it makes."""

    def _asked(self, handler: Handler) -> Any:  # noqa: ANN401 - a coroutine, or an async generator
        """Return what the handler makes of the request."""
        takes_stream = handler.request_streaming  # a door that decides before it reads a message asks for one
        # Any, because the stubs of grpcio type handlers for the synchronous server.
        serve: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        return serve(self._context if takes_stream else self._request, self._context)

    def _raise_if_failed(self) -> None:
        if self._was_left:
            raise asyncio.CancelledError
        if self._error is not None:
            raise self._error

    async def _news(self) -> None:
        """Wait until something has come, or the end has."""
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _tell(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _stop(self, code: grpc.StatusCode, details: str) -> None:
        self._fail(code, details)
        if self._task is not None:
            self._task.cancel()

    def _end_as_said(self) -> None:
        """End with the status that the context holds."""
        code = self._context.code()
        if code is _OK:
            self._finish()
        else:
            self._fail(code, self._context.details())

    def _fail(self, code: grpc.StatusCode, details: str) -> None:
        if not self._is_over:  # what is said after the end, nobody hears
            trailers = self._context.trailing_metadata()
            self._error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details)
            self._finish()

    def _finish(self) -> None:
        self._is_over = True
        self._tell()

    async def _end(self) -> None:
        if not self._is_over and self._task is not None:
            await asyncio.wait((self._task,))


class AnswerCall(Call, grpc.aio.UnaryUnaryCall[RequestT, ResponseT], Generic[RequestT, ResponseT]):
    """A call that is answered with one message."""

    _response: ResponseT

    def __await__(self) -> Generator[Any, None, ResponseT]:
        """Wait for the answer. Raises AioRpcError when there is none."""
        if not self._is_over:
            yield from self._news().__await__()
        self._raise_if_failed()
        return self._response

    async def _answer(self, handler: Handler) -> None:
        self._response = await self._asked(handler)


class StreamCall(Call, grpc.aio.UnaryStreamCall[RequestT, ResponseT], Generic[RequestT, ResponseT]):
    """A call that is answered with many messages. Few of them wait for the reader, then the servicer does."""

    def __init__(
        self, host: Host, method: str, request: RequestT, *, timeout_s: float | None, metadata: Metadata | None
    ) -> None:
        """Begin. `timeout_s` None: there is all the time."""
        self._held: deque[ResponseT] = deque()
        self._writer: asyncio.Future[None] | None = None
        super().__init__(host, method, request, timeout_s=timeout_s, metadata=metadata)
        self._context.write_with(self._put)  # the servicer begins in its own task, after this

    def __aiter__(self) -> Self:
        """Return itself: there is one reader."""
        return self

    async def __anext__(self) -> ResponseT:
        """Wait for a message. Raises AioRpcError when the stream failed, behind all that came before."""
        while not self._held:
            if self._is_over:
                self._raise_if_failed()
                raise StopAsyncIteration
            await self._news()
        message = self._held.popleft()
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
        return message

    async def read(self) -> ResponseT:
        """Not for calls of this process."""
        raise NotImplementedError("a call of this process has no read; iterate it")

    async def _answer(self, handler: Handler) -> None:
        answers = self._asked(handler)
        if inspect.isawaitable(answers):  # a coroutine that calls context.write; grpcio's own health service is
            await answers
            return
        async with aclosing(answers):
            async for answer in answers:
                await self._put(answer)

    async def _put(self, message: ResponseT) -> None:
        self._held.append(message)
        self._tell()
        while len(self._held) >= HELD_MESSAGES:
            self._writer = self._loop.create_future()
            await self._writer

    def _stop(self, code: grpc.StatusCode, details: str) -> None:
        self._held.clear()  # as on the wire: who left, or came too late, is not told what was on its way
        super()._stop(code, details)
