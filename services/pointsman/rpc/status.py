"""The one table of errors: domain error <-> status code, reason and details. Nothing else knows gRPC's codes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # has .pyi files, but no py.typed

from pointsman.domain.errors import (
    CallerOverBudget,
    CallerOverLimit,
    CallerOverRate,
    CallerUnknown,
    CandidatesForbidden,
    CategoryForbidden,
    CertificateUnknown,
    ClassifierDown,
    ExecutorDown,
    InvalidRequest,
    JournalDown,
    KeyMissing,
    KeyUnknown,
    NoAnswer,
    NoCredentials,
    OutOfTime,
    PointsmanError,
    PoolExhausted,
    PromptTooLarge,
    Stopping,
    TooManyBytes,
    TooManyCalls,
)
from pointsman.domain.trail import Trail
from pointsman.rpc.details import Told, cut, pack, unpack

CODES: Final[Mapping[type[PointsmanError], grpc.StatusCode]] = {
    PromptTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    PoolExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NoAnswer: grpc.StatusCode.UNAVAILABLE,
    ClassifierDown: grpc.StatusCode.UNAVAILABLE,
    ExecutorDown: grpc.StatusCode.UNAVAILABLE,
    JournalDown: grpc.StatusCode.UNAVAILABLE,
    Stopping: grpc.StatusCode.UNAVAILABLE,
    NoCredentials: grpc.StatusCode.FAILED_PRECONDITION,
    KeyMissing: grpc.StatusCode.UNAUTHENTICATED,
    KeyUnknown: grpc.StatusCode.UNAUTHENTICATED,
    CertificateUnknown: grpc.StatusCode.UNAUTHENTICATED,
    CallerUnknown: grpc.StatusCode.PERMISSION_DENIED,
    CategoryForbidden: grpc.StatusCode.PERMISSION_DENIED,
    CandidatesForbidden: grpc.StatusCode.PERMISSION_DENIED,
    CallerOverRate: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CallerOverBudget: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CallerOverLimit: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooManyBytes: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooManyCalls: grpc.StatusCode.RESOURCE_EXHAUSTED,
    OutOfTime: grpc.StatusCode.DEADLINE_EXCEEDED,
    PointsmanError: grpc.StatusCode.INTERNAL,
}
"""The code of each error; its reason is `error.reason`. The base class stands for "anything else" and comes last."""

_PLAIN: Final[Mapping[str, type[PointsmanError]]] = {
    kind.reason: kind
    for kind in (
        CallerUnknown,
        CandidatesForbidden,
        CategoryForbidden,
        CertificateUnknown,
        ClassifierDown,
        ExecutorDown,
        JournalDown,
        KeyMissing,
        KeyUnknown,
        OutOfTime,
        Stopping,
    )
}
_PASSING: Final[Mapping[str, type[NoAnswer | TooManyCalls | CallerOverLimit]]] = {
    kind.reason: kind
    for kind in (CallerOverBudget, CallerOverLimit, CallerOverRate, NoAnswer, TooManyBytes, TooManyCalls)
}
"""Errors by reason that are made of their message alone, and of when they pass."""

DETAILS_BYTES: Final = 6_144
"""All metadata of a response must stay under 8 KiB, or gRPC may drop the call (soft limit; grpcio 1.85.1, 2026-11)."""
MESSAGE_BYTES: Final = 1_536
"""Bounds the message, which travels twice: in the details, and percent-encoded in a header."""

DETAILS_KEY: Final = "grpc-status-details-bin"
PUSHBACK_KEY: Final = "grpc-retry-pushback-ms"
INTERNAL_MESSAGE: Final = "internal error; the log of the service says more under this trace id"

_BARE: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAVAILABLE: "cannot be reached; see that it runs",
    grpc.StatusCode.CANCELLED: "gave the call up; it is probably stopping",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "has as many calls as it takes, or the message is over limits.message_bytes",
}
"""What gRPC's own statuses, which have no details, say about a service. All of them mean: not now."""

_SERVICES: Final[Mapping[type[PointsmanError], str]] = {ClassifierDown: "the Classifier", ExecutorDown: "the Executor"}


def code_of(error: PointsmanError) -> grpc.StatusCode:
    """Return the status code of an error."""
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def to_status(error: PointsmanError, *, now: datetime | None = None, known: Mapping[str, str] | None = None) -> Status:
    """Return the status with its details, at most DETAILS_BYTES long.

    `now` is needed for RetryInfo, which is a span of time. `known` joins the metadata of ErrorInfo: trace and request
    id.
    """
    code = code_of(error)
    if code is grpc.StatusCode.INTERNAL:  # what it says was not said for callers
        error = PointsmanError(INTERNAL_MESSAGE)
    status = Status(code=code.value[0], message=cut(error.message, MESSAGE_BYTES))
    pack(status, error, now=now, known=known or {}, room_bytes=DETAILS_BYTES)
    return status


def trailers(error: PointsmanError, status: Status) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata of a status.

    Once a provider was called, the peer's channel must not repeat the call.
    """
    details: tuple[str, str | bytes] = (DETAILS_KEY, status.SerializeToString())
    if error.trail is not None and any(error.trail.attempts):
        return (details, (PUSHBACK_KEY, "-1"))
    return (details,)


def from_call(
    error: grpc.aio.AioRpcError, *, target: str = "", down: type[PointsmanError] = ExecutorDown
) -> PointsmanError:
    """Return the domain error behind a failed call to one of our services.

    A status without our details is gRPC's own: `down` when the service could not take the call, OutOfTime after the
    deadline, and the base class for what should never happen.
    """
    told = _told(error)
    if told is not None:
        return _rebuilt(error.details() or "", told)
    code = error.code()
    service = " at ".join(filter(None, (_SERVICES.get(down, "the service"), target)))
    if code in _BARE:
        return down(f"{service} {_BARE[code]}", target=target)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return OutOfTime(f"{service} did not answer before the deadline; allow more time", target=target)
    return PointsmanError(f"{service} answered {code.name}, which it never should", target=target)


def _told(error: grpc.aio.AioRpcError) -> Told | None:
    """Return what our details say; None when there are none that can be read."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            try:
                told = unpack(Status.FromString(value))
            except DecodeError:
                return None
            return told if told.reason else None
    return None


def _rebuilt(message: str, told: Told) -> PointsmanError:
    error = _of_reason(message, told)
    error.metadata = dict(told.metadata)
    error.trail = told.trail
    error.verdict = told.verdict
    return error


def _of_reason(message: str, told: Told) -> PointsmanError:
    match told.reason:
        case PoolExhausted.reason:
            return PoolExhausted(message, trail=told.trail or Trail(), ready_at=told.ready_at)
        case NoCredentials.reason:
            return NoCredentials(message, missing=told.missing)
        case reason if reason in _PASSING:
            return _PASSING[reason](message, ready_at=told.ready_at)
        case reason if reason in _PLAIN:
            return _PLAIN[reason](message)
        case reason if told.violations:
            return (PromptTooLarge if reason == "PROMPT_TOO_LARGE" else InvalidRequest)(*told.violations)
        case _:
            return PointsmanError(message)
