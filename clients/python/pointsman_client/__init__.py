"""Typed async client of Pointsman: a prompt in, an answer out."""

from pointsman_client.client import Answer, Client, Explanation, Stream
from pointsman_client.errors import (
    InvalidRequest,
    NoAnswer,
    NoCredentials,
    OutOfTime,
    PoolExhausted,
    RouteError,
    Unreachable,
)
from pointsman_client.tls import Tls

__all__ = [
    "Answer",
    "Client",
    "Explanation",
    "InvalidRequest",
    "NoAnswer",
    "NoCredentials",
    "OutOfTime",
    "PoolExhausted",
    "RouteError",
    "Stream",
    "Tls",
    "Unreachable",
]
