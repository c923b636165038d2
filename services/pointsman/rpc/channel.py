"""Calls to the other services: one channel a service, a client span a call, domain errors back.

Functions around the stub's methods and not interceptors, because a client interceptor that awaits more than the call
keeps a cancelled task from cancelling its RPC (grpcio 1.85.1, 2026-11).
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final, TypeVar

import grpc

from pointsman.domain.errors import ExecutorDown, PointsmanError
from pointsman.rpc.callers import CALLER_KEY, current_caller
from pointsman.rpc.status import from_call
from pointsman.telemetry import instruments, names, spans
from pointsman.telemetry.metrics import REGISTER

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

_RETRIED: Final = (
    {"service": "pointsman.v1.ClassifierService"},
    {"service": "pointsman.v1.ExecutorService", "method": "Plan"},
    {"service": "pointsman.v1.ExecutorService", "method": "ListCandidates"},
    {"service": "pointsman.v1.ExecutorService", "method": "Report"},
)
"""Methods that cost nothing when they run twice. Execute spends quota and money: when its connection breaks, nobody
knows whether a provider was called. Only gRPC's transparent retry may repeat it, when the server never saw the call."""

KEEPALIVE_MS: Final = 10_000
"""After so long without a byte from the other side it is asked whether it lives."""

KEEPALIVE_TIMEOUT_MS: Final = 5_000
"""How long it may take to say so. A busy process answers at once: gRPC does it in threads of its own."""

_OK: Final = grpc.StatusCode.OK.name
_CANCELLED: Final = grpc.StatusCode.CANCELLED.name
"""Asked once: the name of a member takes as long as a message takes to make (CPython 3.11)."""

_SERVICE_CONFIG: Final[Mapping[str, object]] = {
    "methodConfig": [
        {
            "name": _RETRIED,
            "retryPolicy": {
                # One more try, soon: the Router gives a ruling little time, and can do without.
                "maxAttempts": 2,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


def open_channel(
    address: str, *, message_bytes: int, credentials: grpc.ChannelCredentials | None = None, service: str = ""
) -> grpc.aio.Channel:
    """Open a channel to one of our services. Belongs to the running loop; the opener closes it.

    `message_bytes` bounds a message in either direction. Without credentials it is plaintext, as it always is over a
    Unix socket. Connecting is lazy: an address where nothing listens fails the calls. With the full name of a
    `service`, nothing is sent while its health says that it cannot take work: it starts, or is about to stop.
    """
    config = dict(_SERVICE_CONFIG)
    if service:  # pick_first, which is the default, knows nothing of health
        config |= {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": service}}
    options = (
        ("grpc.enable_http_proxy", 0),  # else a proxy in the environment takes loopback calls too
        ("grpc.initial_reconnect_backoff_ms", 50),  # default 1 s: a restarted service would be found late
        ("grpc.min_reconnect_backoff_ms", 1_000),  # how long one attempt to connect may take, whatever its name says
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        # A peer that vanished without a word, host or network, is found out; without it calls would run into their
        # deadlines for as long as TCP goes on trying, a quarter of an hour.
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        # While a ping that gRPC sent for its own ends waits, no other is sent (grpcio 1.85.1); default 60 s.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 1),
        ("grpc.service_config", json.dumps(config)),
    )
    if credentials is None or address.startswith("unix:"):
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, credentials, options)


async def call(
    multicallable: grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT],
    request: RequestT,
    *,
    method: str,
    target: str,
    timeout_s: float | None,
    down: type[PointsmanError] = ExecutorDown,
    waits: bool = False,
) -> ResponseT:
    """Make one unary call and return its response; a cancelled task cancels the RPC.

    `method` is the full name, "pointsman.v1.ExecutorService/Plan"; `target` is the address, for the span and the
    message. A call that `waits` is sent when the other side is there; else it fails at once where nobody is. Raises the
    domain error that the other side meant, `down` when it could not be reached, OutOfTime after `timeout_s`.
    """
    span = spans.open_span(method, kind=spans.SpanKind.CLIENT, attributes=_attributes(method, target))
    ended_as, started_s = _CANCELLED, REGISTER.clock.monotonic()
    try:
        response = await multicallable(request, timeout=timeout_s, metadata=_metadata(span), wait_for_ready=waits)
    except grpc.aio.AioRpcError as error:
        ended_as = error.code().name
        span.fail(ended_as)
        raise from_call(error, target=target, down=down) from error
    except BaseException as error:
        span.fail_with(error)
        raise
    else:
        ended_as = _OK
        return response
    finally:
        _end(span, method, ended_as, started_s)


@asynccontextmanager
async def stream(
    multicallable: grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT],
    request: RequestT,
    *,
    method: str,
    target: str,
    timeout_s: float | None,
    down: type[PointsmanError] = ExecutorDown,
    waits: bool = False,
) -> AsyncGenerator[AsyncIterable[ResponseT], None]:
    """Yield the messages that the other side sends, for one reader. Leaving the block early cancels the RPC at once.

    Breaking out of a bare `async for` over a stub's call leaves the other side working (grpcio 1.85.1, 2026-11).
    Arguments and errors are those of `call`. Nothing of ours stands between the call and its reader.
    """
    span = spans.open_span(method, kind=spans.SpanKind.CLIENT, attributes=_attributes(method, target))
    ended_as, rpc, started_s = _CANCELLED, None, REGISTER.clock.monotonic()
    try:
        rpc = multicallable(request, timeout=timeout_s, metadata=_metadata(span), wait_for_ready=waits)
        yield rpc
        if rpc.done():
            ended_as = _OK
        else:
            span.set(names.CANCELLED, value=True)
    except grpc.aio.AioRpcError as error:
        ended_as = error.code().name
        span.fail(ended_as)
        raise from_call(error, target=target, down=down) from error
    except BaseException:  # of whoever reads, who so leaves the call; it goes on as it is
        span.set(names.CANCELLED, value=True)
        raise
    finally:
        if rpc is not None:
            rpc.cancel()
        _end(span, method, ended_as, started_s)


def _metadata(span: spans.Span) -> tuple[tuple[str, str], ...]:
    """Return what travels beside the message: the trace, and who calls."""
    caller = current_caller()
    return (*spans.outgoing_metadata(span), *(((CALLER_KEY, caller),) if caller else ()))


def _end(span: spans.Span, method: str, ended_as: str, started_s: float) -> None:
    """Say on the span and in the metrics how a call ended, by the name of its code, and end the span."""
    span.set(names.RPC_STATUS_CODE, ended_as)
    span.end()
    instruments.RPC_CLIENT_DURATION.record(REGISTER.clock.monotonic() - started_s, "grpc", method, ended_as)


@lru_cache
def _attributes(method: str, target: str) -> Mapping[str, str | int]:
    """Return what is known of a call before it leaves: the same for all to one method of one place."""
    host, _, port = target.rpartition(":")
    named: dict[str, str | int] = {
        names.RPC_SYSTEM_NAME: "grpc",
        names.RPC_METHOD: method,
        names.SERVER_ADDRESS: host or target,
    }
    if port.isdecimal():
        named[names.SERVER_PORT] = int(port)
    return named
