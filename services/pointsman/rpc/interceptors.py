"""What surrounds every call that comes in: its span, its one log line, and the translation of what it raises.

One interceptor and not three, because the three must agree on how the call ended, and each layer around a stream costs
a generator.
"""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, TypeAlias, cast

import grpc
import structlog
from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from pointsman.domain.clock import Clock
from pointsman.domain.errors import InvalidRequest, PointsmanError, Violation
from pointsman.domain.frozen import frozen
from pointsman.rpc.callers import Context, Metadata
from pointsman.rpc.door import Door, Visit, bring_in
from pointsman.rpc.status import code_of, to_status, trailers
from pointsman.rpc.watches import HEALTH, Watches, is_watch
from pointsman.telemetry import facts, instruments, names, spans
from pointsman.telemetry.story import story_of

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Parse = Callable[[bytes], object]
Serve = Callable[[object, Context], Any]
"""What a servicer registered for a method: a coroutine function or an async generator function."""
Read = Callable[[object, Context, Visit], Awaitable[object]]
"""Returns what a handler is given: the one message of a call, or its messages as they come."""

_QUIET: Final = (HEALTH, "grpc.reflection.")
"""Calls that ask about the server and not for its work: no span, and a line at debug level only."""

_SERVER_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes that make a SERVER span an error (OpenTelemetry RPC conventions, 2026-11); others are the caller's affair."""

_OK: Final = grpc.StatusCode.OK
_OK_NAME: Final = _OK.name
"""Asked once, because nearly all calls end so: to ask a member of an enumeration for its name is a call (CPython 3.11).
"""

_BY_NUMBER: Final[dict[object, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

_LATE_S: Final = 0.005
"""A call cancelled with less than this left was cancelled by its deadline: the timer may fire a moment early."""


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Gives each call a span and a line, and turns exceptions into statuses. No text of an unexpected exception leaves.

    Handlers are coroutine functions or async generator functions. A call goes through the door before its message is
    read: gRPC is told that each method takes a stream, of which one message is read where the method takes one.
    """

    def __init__(self, clock: Clock, door: Door) -> None:
        self._clock = clock
        self._door = door
        self.watches = Watches()
        self._log: FilteringBoundLogger = structlog.get_logger()
        self._wrapped: dict[str, Handler] = {}

    @property
    def inside(self) -> int:
        """Calls under way, health and reflection apart."""
        return self._door.calls.taken

    @property
    def most_calls(self) -> int:
        """Calls that may be under way at once."""
        return self._door.calls.most

    @property
    def at_work(self) -> int:
        """Those of them that end by themselves."""
        return self.inside - self.watches.working

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the handler with its surroundings; None for an unknown method, which gRPC answers UNIMPLEMENTED."""
        path = handler_call_details.method
        wrapped = self._wrapped.get(path)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[path] = self._wrap(handler, path.lstrip("/"))
        return wrapped

    def _wrap(self, handler: Handler, name: str) -> Handler:
        parse = cast("Parse | None", handler.request_deserializer)
        read = _all if handler.request_streaming else _reading_one(name)
        method = _Method(
            name=name,
            attributes={names.RPC_SYSTEM_NAME: "grpc", names.RPC_METHOD: name},
            is_quiet=name.startswith(_QUIET),
            clock=self._clock,
            log=self._log.bind(),
        )
        enter = self._door.passed if method.is_quiet else self._door.opened
        # The stubs of grpcio type handlers for the synchronous server.
        serve = cast(
            "Serve", handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        )
        if is_watch(name):
            serve = self.watches.bounded(name, serve)

        async def answer_once(requests: object, context: Context) -> object:
            async with _Call(method, context) as metadata:
                with enter(metadata, context) as visit:
                    return await serve(await read(requests, context, visit), context)

        async def answer_often(requests: object, context: Context) -> AsyncGenerator[object, None]:
            async with _Call(method, context) as metadata:
                with enter(metadata, context) as visit:
                    async with aclosing(serve(await read(requests, context, visit), context)) as answers:
                        async for answer in answers:
                            yield answer

        # A streaming handler may also be a coroutine that calls context.write; grpcio's own health service is.
        answer = answer_often if inspect.isasyncgenfunction(serve) else answer_once
        make: Callable[..., Handler] = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        parse = _bringing_in(parse, name)
        return make(answer, request_deserializer=parse, response_serializer=handler.response_serializer)


@frozen
class _Method:
    """What all calls of a method have in common."""

    name: str
    attributes: Mapping[str, str]
    """What its spans say before anything is known."""
    is_quiet: bool
    clock: Clock
    log: FilteringBoundLogger


class _Call:
    """One call under way, from its span to its line. Leaving it ends both once, whatever was raised."""

    __slots__ = ("_context", "_method", "_span", "_started_s")

    def __init__(self, method: _Method, context: Context) -> None:
        self._method = method
        self._context = context
        self._span: spans.Span | None = None
        self._started_s = method.clock.monotonic()

    async def __aenter__(self) -> Metadata:
        facts.begin()
        metadata = {key: value for key, value in self._context.invocation_metadata() or () if isinstance(value, str)}
        if not self._method.is_quiet:
            self._span = spans.serve_span(self._method.name, metadata, attributes=self._method.attributes)
        return metadata

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        match error:
            case None | grpc.aio.AbortError():
                self._end(_code_so_far(self._context))
            case PointsmanError():
                await self._refuse(error)
            case NotImplementedError() if _code_so_far(self._context) is grpc.StatusCode.UNIMPLEMENTED:
                # So generated code leaves a method that the servicer does not have, as grpcio's health has no List.
                self._end(grpc.StatusCode.UNIMPLEMENTED)
                await self._context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            case Exception():
                await self._refuse(PointsmanError("an exception that nobody expected"), unexpected=error)
            case _:  # CancelledError, or GeneratorExit where a stream was abandoned
                self._end(self._code_of_cancellation(), cancelled_by=error)

    async def _refuse(self, error: PointsmanError, unexpected: BaseException | None = None) -> None:
        """End the call with the status of `error`; raises AbortError."""
        code = code_of(error)
        if code is grpc.StatusCode.INTERNAL and unexpected is None:
            unexpected = error
        known = {"trace_id": self._span.trace_id} if self._span else {}
        if request_id := facts.known().get("request_id"):
            known["request_id"] = str(request_id)
        status = to_status(error, now=self._method.clock.now(), known=known)
        self._end(code, refused=error, unexpected=unexpected)
        await self._context.abort(code, status.message, trailers(error, status))

    def _end(
        self,
        code: grpc.StatusCode,
        *,
        refused: PointsmanError | None = None,
        unexpected: BaseException | None = None,
        cancelled_by: BaseException | None = None,
    ) -> None:
        method, is_ok = self._method, code is _OK
        code_name = _OK_NAME if is_ok else code.name
        is_fault = not is_ok and code in _SERVER_FAULTS  # to hash an enumeration is a call, too
        duration_s = method.clock.monotonic() - self._started_s
        line: dict[str, Any] = {"method": method.name, "code": code_name, "duration_s": round(duration_s, 6)}
        if refused is not None:
            line |= story_of(refused.trail) if refused.trail is not None else {}
            line["reason"] = refused.reason
        if self._span is not None:
            line["trace_id"] = self._span.trace_id
            if self._span.is_recording:
                self._span.set(names.RPC_STATUS_CODE, code_name)
                self._span.set(names.REASON, line.get("reason"))
                if is_fault:
                    self._span.fail(code_name)
                if cancelled_by is not None:
                    self._span.fail_with(cancelled_by)
                self._span.end()
        if not method.is_quiet:
            instruments.RPC_SERVER_DURATION.record(duration_s, "grpc", method.name, code_name)
        if unexpected is not None:
            method.log.error(names.EVENT_CALL_ENDED, exc_info=unexpected, **line)
        elif method.is_quiet:
            method.log.debug(names.EVENT_CALL_ENDED, **line)
        elif is_fault:
            method.log.warning(names.EVENT_CALL_ENDED, **line)
        else:
            method.log.info(names.EVENT_CALL_ENDED, **line)

    def _code_of_cancellation(self) -> grpc.StatusCode:
        remaining_s: float | None = self._context.time_remaining()
        if remaining_s is not None and remaining_s < _LATE_S:
            return grpc.StatusCode.DEADLINE_EXCEEDED
        return grpc.StatusCode.CANCELLED


def _code_so_far(context: Context) -> grpc.StatusCode:
    """Return the code that the handler set, with or without an abort; OK when it set none.

    gRPC hands back numbers too.
    """
    code: object = context.code()
    return code if isinstance(code, grpc.StatusCode) else _BY_NUMBER.get(code, _OK)


def _bringing_in(parse: Parse | None, method: str) -> Parse:
    """Return what weighs a message, and parses it where the handler does not take bytes."""

    def weigh_and_parse(message: bytes) -> object:
        bring_in(message)
        if parse is None:
            return message
        try:
            return parse(message)
        except DecodeError:
            raise _malformed(method) from None

    return weigh_and_parse


def _reading_one(method: str) -> Read:
    async def read(_requests: object, context: Context, visit: Visit) -> object:
        try:
            request = await visit.read(context)
        except PointsmanError as refused:
            # The frames in which it was refused hold the message, and an error lives until its status is sent.
            raise refused.with_traceback(None) from None
        if request is grpc.aio.EOF:  # the caller has left, or sent none, or one over the limit of gRPC
            raise _malformed(method)
        return request

    return read


async def _all(requests: object, _context: Context, _visit: Visit) -> object:
    return requests


def _malformed(method: str) -> InvalidRequest:
    message = (
        f"the bytes are not the message that {method} takes, or a string in it is not UTF-8; build it from the protos"
    )
    return InvalidRequest(Violation(field="", reason="REQUEST_MALFORMED", message=message))
