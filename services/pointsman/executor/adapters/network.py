"""What carries requests over the network: aiohttp, called with what it would otherwise work out for every request."""

import math
from collections.abc import Awaitable, Mapping
from functools import cache
from ssl import SSLContext
from typing import Final

import aiohttp
import httpx

from pointsman.executor.adapters.base import HttpRequest
from pointsman.executor.adapters.carrier import HEADERS, Arriving, Headers
from pointsman.executor.adapters.connector import Connector

_KEEPALIVE_S: Final = 30.0
"""How long an idle connection is kept; shorter than any provider keeps it, so that no call meets a closed one."""


class Network:
    """A Carrier with at most so many connections at once."""

    def __init__(self, *, base_url: str, connections: int, connect_timeout_s: float) -> None:
        """Open nothing yet. `connect_timeout_s` is for requests that come without a limit of their own."""
        self._base_url = base_url.rstrip("/")
        self._connections = connections
        self._limits = cache(lambda connect_s: _limits(connect_timeout_s if connect_s == math.inf else connect_s))
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest, *, connect_s: float, more: Headers) -> Arriving:
        session = self._session or self._open()
        response = await session.request(
            "GET" if request.body is None else "POST",
            self._base_url + request.path,
            headers=(*request.headers, *more),
            data=request.body,
            allow_redirects=False,
            timeout=self._limits(connect_s),
        )
        return _Answer(response)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Return the session, which belongs to the loop that runs now."""
        connector = Connector(limit=self._connections, keepalive_timeout=_KEEPALIVE_S, ssl=_tls())
        self._session = aiohttp.ClientSession(
            connector=connector, headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        return self._session


class _Answer:
    """An Arriving from the network. With the last byte of its body the connection is free for others."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def is_whole(self) -> bool:
        return self._response.content.at_eof()

    def piece(self) -> Awaitable[bytes]:
        return self._response.content.readany()

    async def close(self) -> None:
        if not self._response.closed:
            self._response.close()


def _limits(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=connect_s)


@cache
def _tls() -> SSLContext:
    """Return the one TLS context: it takes some 20 ms to build, and every provider uses the same."""
    return httpx.create_ssl_context(trust_env=False)
