"""The way out: requests of ours as httpx's, over a transport that keeps connections, and the bodies that come back.

Not through httpx's client, which works out URLs, cookies, redirects and authentication anew for every call: that is
half of what a call costs, and nothing of it is wanted here.
"""

import math
from collections.abc import AsyncIterator
from functools import cache
from ssl import SSLContext
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from pointsman.executor.adapters.base import HttpRequest

_KEEPALIVE_S: Final = 30.0
"""How long an idle connection is kept; shorter than any provider keeps it, so that no call meets a closed one."""

_ENCODING: Final = "latin-1"
"""Of headers: every byte is a character of it."""

_HEADERS: Final = (("user-agent", "pointsman"), ("accept", "application/json"), ("accept-encoding", "identity"))


class Carrier:
    """Sends requests to one base URL. It follows no redirect, keeps no cookie and asks no proxy of the environment."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, base_url: str, connect_timeout_s: float) -> None:
        """Open nothing yet. `connect_timeout_s` is for requests that come without a limit of their own."""
        self._transport = transport
        self._connect_timeout_s = connect_timeout_s
        base = base_url.rstrip("/")
        self._url = cache(lambda path: httpx.URL(base + path))  # as many paths as there are models, and a few

    async def send(
        self, request: HttpRequest, *, connect_s: float = math.inf, more: tuple[tuple[str, str], ...] = ()
    ) -> httpx.Response:
        """Return the head of what comes back; whoever has it closes it. `more` are headers beside the request's.

        Only connecting is bounded here: the whole call is its caller's to bound, and models think in silence.
        """
        limit_s = self._connect_timeout_s if connect_s == math.inf else connect_s
        built = httpx.Request(
            "GET" if request.body is None else "POST",
            self._url(request.path),
            headers=[*_HEADERS, *request.headers, *more],
            stream=httpx.ByteStream(request.body or b""),
            extensions={"timeout": {"connect": limit_s, "read": None, "write": None, "pool": None}},
        )
        built.read()
        # Said, because httpx finds it out anew for each message by decoding every header in up to three ways.
        built.headers.encoding = _ENCODING
        response = await self._transport.handle_async_request(built)
        response.headers.encoding = _ENCODING
        return response

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the body as it comes, unpacked where it was packed although nobody asked for that."""
    if "content-encoding" in response.headers or not isinstance(response.stream, httpx.AsyncByteStream):
        return response.aiter_bytes()
    return aiter(response.stream)


def network(connections: int) -> httpx.AsyncBaseTransport:
    """Return what carries requests over the network, with at most so many connections at once."""
    limits = httpx.Limits(max_connections=connections, keepalive_expiry=_KEEPALIVE_S)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S, ssl=_tls())
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    return AiohttpTransport(verify=_tls(), limits=limits, client=session, trust_env=False)


@cache
def _tls() -> SSLContext:
    """Return the one TLS context: it takes some 20 ms to build, and every provider uses the same."""
    return httpx.create_ssl_context(trust_env=False)
