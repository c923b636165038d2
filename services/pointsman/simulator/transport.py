"""The front door without sockets: an httpx transport that hands requests to the simulated world in this process."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from pointsman.simulator.exchange import ConnectionLost, ConnectionRefused, Pieces, SimRequest, SimResponse
from pointsman.simulator.simulation import Simulation


class SimulatorTransport(httpx.AsyncBaseTransport):
    """Give it to `httpx.AsyncClient(transport=…)` and use the `base_urls` of the simulation.

    The read timeout of the request holds for the wait for the headers and for each piece of the body. Time is the
    loop's, so on a virtual loop all of it is virtual.
    """

    def __init__(self, simulation: Simulation) -> None:
        """Stand before that world."""
        self._simulation = simulation

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        read_s = request.extensions.get("timeout", {}).get("read")
        asked = SimRequest(
            method=request.method,
            path=request.url.path,
            query=dict(request.url.params),
            headers=dict(request.headers),
            body=await request.aread(),
        )
        try:
            async with asyncio.timeout(read_s):
                answered = await self._simulation.handle(asked)
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error
        except ConnectionRefused as error:
            raise httpx.ConnectError("connection refused", request=request) from error
        except ConnectionLost as error:
            raise httpx.ReadError("connection reset", request=request) from error
        return _response(answered, read_s)


class _Body(httpx.AsyncByteStream):
    """A body in pieces, each within the read timeout."""

    def __init__(self, pieces: Pieces, read_s: float | None) -> None:
        self._pieces = pieces
        self._read_s = read_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._read_s):
                    piece = await anext(self._pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise httpx.ReadTimeout("the body stalls") from error
            except ConnectionLost as error:
                raise httpx.ReadError("connection reset") from error
            yield piece

    async def aclose(self) -> None:
        await self._pieces.aclose()


def _response(answered: SimResponse, read_s: float | None) -> httpx.Response:
    if isinstance(answered.body, bytes):
        return httpx.Response(answered.status, headers=answered.headers, content=answered.body)
    return httpx.Response(answered.status, headers=answered.headers, stream=_Body(answered.body, read_s))
