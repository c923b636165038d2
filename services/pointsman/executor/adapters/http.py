"""The one rim between adapters and the network: a wire format goes in, an Adapter comes out."""

import asyncio
from dataclasses import replace
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from pointsman.domain.clock import Clock
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, HttpRequest, HttpResponse, Reply, Unsendable, Wire

BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest body that is read; a longer one is no answer."""

_PROBE_TIMEOUT_S: Final = 10.0
_KEEPALIVE_S: Final = 30.0
"""How long an idle connection is kept; shorter than any provider keeps it, so that no call meets a closed one."""

_NAME_CHARS: Final = 200
_SIMULATED: Final = "x-pointsman-simulated"


class HttpAdapter:
    """An Adapter for one wire format at one base URL. It owns its connections, and retries and follows nothing."""

    def __init__(
        self,
        wire: Wire,
        *,
        base_url: str,
        clock: Clock,
        connections: int,
        connect_timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._wire = wire
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._client = _client(transport or _network(connections), connect_timeout_s)

    async def call(self, call: Call) -> Reply:
        """Make the call and return what became of it. Raises nothing but CancelledError."""
        try:
            request = self._wire.request(call)
        except Unsendable as error:
            return Reply(outcome=Outcome.INVALID_REQUEST, detail=str(error))
        response = await self._exchange(request, call.timeout_s)
        if isinstance(response, Reply):
            return response
        return _stamped(self._wire.read(call, response, self._clock.now()), response)

    async def probe(self, model: str) -> Reply:
        """Ask what is free, and return the first reply that is not well, else the last."""
        reply = Reply(outcome=Outcome.ANSWERED)
        for request in self._wire.probe_requests(model):
            response = await self._exchange(request, _PROBE_TIMEOUT_S)
            if isinstance(response, Reply):
                return response
            reply = _stamped(self._wire.read_probe(model, response, self._clock.now()), response)
            if reply.outcome is not Outcome.ANSWERED:
                return reply
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchange(self, request: HttpRequest, timeout_s: float) -> HttpResponse | Reply:
        """Send and return what came back; a Reply when nothing did, or too much. Cancelling closes the connection."""
        method = "GET" if request.body is None else "POST"
        url = self._base_url + request.path
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client.stream(method, url, headers=request.headers, content=request.body) as response,
            ):
                body = await _body(response)
                return HttpResponse(status=response.status_code, headers=_headers(response), body=body)
        except _TooLarge:
            detail = f"The provider answered with more than {BODY_BYTES // 1024**2} MiB."
            return Reply(outcome=Outcome.SERVER_ERROR, detail=detail)
        except httpx.DecodingError:
            return Reply(outcome=Outcome.SERVER_ERROR, detail="The answer of the provider cannot be decompressed.")
        except TimeoutError:
            return Reply(outcome=Outcome.TIMED_OUT, detail=f"No answer within {timeout_s:.2f} s.")
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            return broken(error)


def broken(error: Exception) -> Reply:
    """Return the reply for a connection that failed: TIMED_OUT or NETWORK.

    httpx-aiohttp 0.2 calls every broken connection a ConnectTimeout, so the cause decides: aiohttp's time limits are
    TimeoutErrors, its disconnections are not.
    """
    cause = error.__cause__ if error.__cause__ is not None else error
    if isinstance(cause, TimeoutError) or isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
        return Reply(outcome=Outcome.TIMED_OUT, detail="The connection did not open or move in time.")
    if isinstance(error, httpx.ConnectError) or isinstance(cause, aiohttp.ClientConnectorError):
        return Reply(outcome=Outcome.NETWORK, detail="The provider cannot be reached.")
    if isinstance(cause, aiohttp.ClientResponseError):
        return Reply(outcome=Outcome.NETWORK, detail="The provider does not speak HTTP.")
    return Reply(outcome=Outcome.NETWORK, detail="The connection broke.")


class _TooLarge(Exception):
    """The body is over the bound."""


async def _body(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > BODY_BYTES:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}


def _stamped(reply: Reply, response: HttpResponse) -> Reply:
    """Return the reply with what is the same in all wire formats; texts that are passed on are kept short."""
    return replace(
        reply,
        http_status=response.status,
        simulated=_SIMULATED in response.headers,
        model=reply.model[:_NAME_CHARS],
        provider_request_id=reply.provider_request_id[:_NAME_CHARS],
    )


def _network(connections: int) -> AiohttpTransport:
    limits = httpx.Limits(max_connections=connections, keepalive_expiry=_KEEPALIVE_S)

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE_S, ssl=_tls())
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    return AiohttpTransport(verify=_tls(), limits=limits, client=session, trust_env=False)


def _client(transport: httpx.AsyncBaseTransport, connect_timeout_s: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        # The whole call is bounded by asyncio.timeout; reading has no limit of its own, since models think in silence.
        timeout=httpx.Timeout(None, connect=connect_timeout_s),
        headers={"user-agent": "pointsman", "accept": "application/json", "accept-encoding": "identity"},
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
    )


@cache
def _tls() -> SSLContext:
    """Return the one TLS context: it takes some 20 ms to build, and every provider uses the same."""
    return httpx.create_ssl_context(trust_env=False)
