"""One HTTP exchange as the simulated providers see it, whichever front door it came through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

SIMULATED_HEADER = ("x-pointsman-simulated", "1")
"""Stands on every answer, so that nobody takes an invented answer for a real one."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimRequest:
    """A request. `path` begins with a slash and is decoded; names of `headers` are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Pieces(Protocol):
    """A body in pieces. Whoever holds it calls `aclose` when done with it, also when no piece was taken."""

    def __aiter__(self) -> "Pieces": ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None:
        """End the exchange, whether the body was taken whole or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimResponse:
    """A response; the body is whole, or comes in pieces as they are produced."""

    status: int
    headers: Headers
    body: bytes | Pieces


class ConnectionLost(Exception):
    """The connection breaks: before any byte of the answer, or in the middle of a body that comes in pieces."""


class ConnectionRefused(ConnectionLost):
    """Nobody listens: the provider is down."""
