"""Why a call failed, as exceptions to catch by kind. Branch on the class or on `reason`, never on the text.

RouteError
├── InvalidRequest   the request can never be served as it is; `violations` say what to change
├── PoolExhausted    nothing is able and free; try again after `retry_after_s`
├── Unauthenticated  the Router asks for a key, and none came or not a good one
├── Forbidden        the key's caller may not ask for this, or use what could answer
├── CallerOverLimit  the caller has used what it may use; try again after `retry_after_s`
├── NoAnswer         models were tried and failed
├── NoCredentials    the server has no key and no local model; its operator must act
├── OutOfTime        the deadline passed
└── Unreachable      the Router or the Executor does not answer
"""

from collections.abc import Mapping
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2 as details_pb  # type: ignore[import-untyped]  # no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # as above

from pointsman.v1 import types_pb2

_DETAILS_KEY: Final = "grpc-status-details-bin"
_DOMAIN: Final = "pointsman"


class RouteError(Exception):
    """A call that failed.

    `reason` is stable, such as "PROMPT_EMPTY", or the code where gRPC itself failed. `metadata` holds the values that
    the message names, `request_id` and `trace_id` among them. `trail` is None when no candidate was looked at.
    `partial` is True when a stream had brought something before it failed.
    """

    def __init__(self, message: str, *, code: grpc.StatusCode, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.partial = False
        self.metadata: Mapping[str, str] = {}
        self.trail: types_pb2.Trail | None = None
        self.verdict: types_pb2.Verdict | None = None
        self.retry_after_s: float | None = None
        """How long to wait before a new try can succeed; None when waiting does not help or nobody knows."""
        self.violations: tuple[tuple[str, str, str], ...] = ()
        """(field, reason, message) of each field that is wrong."""


class InvalidRequest(RouteError):
    """The request can never be served as it is."""


class PoolExhausted(RouteError):
    """Every candidate is limited or left out, and no local model can serve."""


class Unauthenticated(RouteError):
    """The Router asks for a key, and none came, or one that opens nothing."""


class Forbidden(RouteError):
    """The caller may not: `reason` is CATEGORY_FORBIDDEN, CANDIDATES_FORBIDDEN or CALLER_UNKNOWN."""


class CallerOverLimit(RouteError):
    """The caller has used what it may: `reason` is CALLER_OVER_RATE or CALLER_OVER_BUDGET."""


class NoAnswer(RouteError):
    """Candidates and the local fallback were tried and failed."""


class NoCredentials(RouteError):
    """The server can use no candidate at all; `metadata` and the message say what is missing."""


class OutOfTime(RouteError):
    """The deadline passed, or too little of it was left to try."""


class Unreachable(RouteError):
    """The service does not answer, or takes no more calls now."""


_BY_REASON: Final[Mapping[str, type[RouteError]]] = {
    "POOL_EXHAUSTED": PoolExhausted,
    "CALLER_OVER_RATE": CallerOverLimit,
    "CALLER_OVER_BUDGET": CallerOverLimit,
    "NO_ANSWER": NoAnswer,
    "NO_CREDENTIALS": NoCredentials,
    "OUT_OF_TIME": OutOfTime,
    "EXECUTOR_DOWN": Unreachable,
    "CLASSIFIER_DOWN": Unreachable,
    "STOPPING": Unreachable,
}
_BY_CODE: Final[Mapping[grpc.StatusCode, type[RouteError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
    grpc.StatusCode.DEADLINE_EXCEEDED: OutOfTime,
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unreachable,
}

_BARE: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAVAILABLE: (
        "no Pointsman answers at {address}; start one with `pointsman up`, or without keys with `pointsman demo`, "
        "or give the address of one that runs"
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: "no answer from {address} before the deadline; allow more time with timeout_s",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "{address} takes no more calls now, or the message is larger than it takes",
    grpc.StatusCode.UNIMPLEMENTED: "what listens at {address} is no Router of Pointsman; give the Router's address",
}
"""What gRPC's own statuses mean to a caller; they carry none of our details, and words for its developers."""

_BROKEN: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAVAILABLE: "{address} went away while it answered; see that the Router still runs",
    grpc.StatusCode.DEADLINE_EXCEEDED: "the deadline passed while the answer came; allow more time with timeout_s",
}
"""What they mean once the answer has begun."""


def from_rpc(failed: grpc.aio.AioRpcError, address: str, *, partial: bool = False) -> RouteError:
    """Return the exception for a failed call to the Router at `address`, with all that the server told.

    `partial` says that a stream had brought something by then.
    """
    status = _status(failed)
    info = details_pb.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    reason = info.reason if info.domain == _DOMAIN else ""
    kind = _BY_REASON.get(reason) or _BY_CODE.get(failed.code(), RouteError)
    words = (_BROKEN if partial else {}).get(failed.code()) or _BARE.get(failed.code(), "")
    bare = "" if reason else words.format(address=address)
    error = kind(bare or failed.details() or "", code=failed.code(), reason=reason or failed.code().name)
    error.partial = partial
    error.metadata = dict(info.metadata)
    for detail in status.details:
        retry, bad, trail, verdict = (
            details_pb.RetryInfo(),
            details_pb.BadRequest(),
            types_pb2.Trail(),
            types_pb2.Verdict(),
        )
        if detail.Unpack(retry):
            error.retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(bad):
            error.violations = tuple((v.field, v.reason, v.description) for v in bad.field_violations)
        elif detail.Unpack(trail):
            error.trail = trail
        elif detail.Unpack(verdict):
            error.verdict = verdict
    return error


def lost(address: str) -> RouteError:
    """Return the exception for a call that waited for its Router in vain."""
    message = _BARE[grpc.StatusCode.UNAVAILABLE].format(address=address)
    return Unreachable(message, code=grpc.StatusCode.UNAVAILABLE, reason=grpc.StatusCode.UNAVAILABLE.name)


def given_up(*, partial: bool) -> RouteError:
    """Return the exception for a stream that was given up while it was read: it or its client was closed."""
    return _of_code(grpc.StatusCode.CANCELLED, "the stream was given up while it was read", partial=partial)


def cut_short(address: str, *, partial: bool) -> RouteError:
    """Return the exception for a stream that stopped without its first or last message, which no Router means to do."""
    message = f"{address} ended the stream without its first or its last message"
    return _of_code(grpc.StatusCode.INTERNAL, message, partial=partial)


def _of_code(code: grpc.StatusCode, message: str, *, partial: bool) -> RouteError:
    error = RouteError(message, code=code, reason=code.name)
    error.partial = partial
    return error


def _status(failed: grpc.aio.AioRpcError) -> Status:
    for key, value in failed.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()
