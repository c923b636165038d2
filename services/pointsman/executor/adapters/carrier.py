"""The port to whatever carries HTTP: a request goes out, the head of its answer comes back, and then its body.

There are two: the network (`network.py`), and what stands in for it in this process (`stand_in.py`).
"""

from collections.abc import Awaitable, Mapping
from typing import Final, Protocol

from pointsman.executor.adapters.base import HttpRequest

Headers = tuple[tuple[str, str], ...]

HEADERS: Final = (("user-agent", "pointsman"), ("accept", "application/json"), ("accept-encoding", "identity"))
"""What every request says beside its own headers."""


class Arriving(Protocol):
    """An answer whose head is there. Whoever has it closes it."""

    status: int
    """The status code."""
    headers: Mapping[str, str]
    """Found by names in lower case, however they came."""

    @property
    def is_whole(self) -> bool:
        """True when nothing more of the body comes, as far as can be told without waiting."""

    def piece(self) -> Awaitable[bytes]:
        """Return what comes next of the body, empty behind its end; unpacked where it was packed although unasked.

        Raises one of `connection.FAILURES`.
        """

    async def close(self) -> None:
        """Leave the connection to others if the body is whole; else close it."""


class Carrier(Protocol):
    """Sends requests to one base URL. It follows no redirect, keeps no cookie and asks no proxy of the environment."""

    async def send(self, request: HttpRequest, *, connect_s: float, more: Headers) -> Arriving:
        """Return the head of what comes back. `more` are headers beside the request's. Raises one of FAILURES.

        Only connecting is bounded here, by `connect_s` or, where that is infinite, by the carrier's own limit: the
        whole call is its caller's to bound, and models think in silence.
        """

    async def close(self) -> None:
        """Close the connections."""
