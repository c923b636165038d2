"""What carries requests to providers in this process: any transport of httpx, such as the simulated world's."""

import math
from collections.abc import Mapping
from typing import Final

import httpx

from pointsman.executor.adapters.base import HttpRequest
from pointsman.executor.adapters.carrier import HEADERS, Arriving, Headers

_ENCODING: Final = "latin-1"
"""Of headers: every byte is a character of it. Said, because httpx tries three ways for each header of each message."""


class StandIn:
    """A Carrier over a transport, which is called without httpx's client."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, base_url: str, connect_timeout_s: float) -> None:
        """Take over the transport. `connect_timeout_s` is for requests that come without a limit of their own."""
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._connect_timeout_s = connect_timeout_s

    async def send(self, request: HttpRequest, *, connect_s: float, more: Headers) -> Arriving:
        limit_s = self._connect_timeout_s if connect_s == math.inf else connect_s
        built = httpx.Request(
            "GET" if request.body is None else "POST",
            self._base_url + request.path,
            headers=[*HEADERS, *request.headers, *more],
            content=request.body or b"",
            extensions={"timeout": {"connect": limit_s, "read": None, "write": None, "pool": None}},
        )
        built.headers.encoding = _ENCODING
        response = await self._transport.handle_async_request(built)
        response.headers.encoding = _ENCODING
        return _Answer(response)

    async def close(self) -> None:
        await self._transport.aclose()


class _Answer:
    """An Arriving from a transport."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces = response.aiter_bytes()
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    @property
    def is_whole(self) -> bool:
        return False  # only the end of its pieces tells

    async def piece(self) -> bytes:
        return await anext(self._pieces, b"")

    async def close(self) -> None:
        await self._response.aclose()
