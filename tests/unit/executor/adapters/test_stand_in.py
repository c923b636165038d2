"""A transport of httpx in place of the network."""

import asyncio
import gzip
import math

import httpx
import pytest

from pointsman.executor.adapters.base import HttpRequest
from pointsman.executor.adapters.stand_in import StandIn

POST = HttpRequest(path="/chat?alt=sse", headers=(("x-key", "k"),), body=b"{}")


class Transport(httpx.AsyncBaseTransport):
    """Answers all requests alike, and keeps them."""

    def __init__(self, response: httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        self._response = response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._response


def carried(
    request: HttpRequest, response: httpx.Response, *, connect_s: float = math.inf
) -> tuple[httpx.Request, int, dict[str, str], list[bytes]]:
    """Return what the transport was asked, and status, headers and pieces of its answer."""

    async def main() -> tuple[int, dict[str, str], list[bytes]]:
        carrier = StandIn(transport, base_url="http://provider/v1/", connect_timeout_s=5.0)
        arriving = await carrier.send(request, connect_s=connect_s, more=(("traceparent", "00"),))
        pieces = [await arriving.piece() for _ in range(2)]
        await arriving.close()
        return arriving.status, dict(arriving.headers), pieces

    transport = Transport(response)
    status, headers, pieces = asyncio.run(main())
    return transport.requests[0], status, headers, pieces


def test_a_request_comes_as_it_was_meant() -> None:
    asked, *_ = carried(POST, httpx.Response(200))

    assert (asked.method, str(asked.url), asked.content) == ("POST", "http://provider/v1/chat?alt=sse", b"{}")
    assert (asked.headers["user-agent"], asked.headers["x-key"], asked.headers["traceparent"]) == (
        "pointsman",
        "k",
        "00",
    )


def test_a_request_without_a_body_is_a_get() -> None:
    asked, *_ = carried(HttpRequest(path="/models"), httpx.Response(200))

    assert (asked.method, asked.content) == ("GET", b"")


@pytest.mark.parametrize("connect_s, limit_s", [(0.5, 0.5), (math.inf, 5.0)], ids=["its own", "anybody's"])
def test_connecting_alone_is_bounded(connect_s: float, limit_s: float) -> None:
    asked, *_ = carried(POST, httpx.Response(200), connect_s=connect_s)

    assert asked.extensions["timeout"] == {"connect": limit_s, "read": None, "write": None, "pool": None}


def test_an_answer_is_handed_on() -> None:
    response = httpx.Response(429, headers={"Retry-After": "3"}, content=b"later")

    _, status, headers, pieces = carried(POST, response)

    assert (status, headers["retry-after"], pieces) == (429, "3", [b"later", b""])


def test_a_packed_body_is_unpacked() -> None:
    packed = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(b"text")))

    *_, pieces = carried(POST, packed)

    assert b"".join(pieces) == b"text"
