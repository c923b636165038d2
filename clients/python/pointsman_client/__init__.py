"""Typed async client of Pointsman: a prompt in, an answer out."""

from pointsman_client.client import Answer, Client, Explanation
from pointsman_client.errors import (
    CallerOverLimit,
    Forbidden,
    InvalidRequest,
    NoAnswer,
    NoCredentials,
    OutOfTime,
    PoolExhausted,
    RouteError,
    Unauthenticated,
    Unreachable,
)
from pointsman_client.stream import Stream
from pointsman_client.tls import Tls

__all__ = [
    "Answer",
    "CallerOverLimit",
    "Client",
    "Explanation",
    "Forbidden",
    "InvalidRequest",
    "NoAnswer",
    "NoCredentials",
    "OutOfTime",
    "PoolExhausted",
    "RouteError",
    "Stream",
    "Tls",
    "Unauthenticated",
    "Unreachable",
]
