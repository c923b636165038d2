"""The front door with sockets: the simulated world over HTTP on loopback."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from pointsman.domain.clock import Clock
from pointsman.simulator.exchange import ConnectionLost, Pieces, SimRequest, SimResponse
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.tally import Witness, unwitnessed

_HOST = "127.0.0.1"
_MAX_BODY_BYTES = 100 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@asynccontextmanager
async def serve(
    scenario: Scenario,
    *,
    clock: Clock,
    seed: int,
    port: int = 0,
    ollama_port: int = 0,
    witness: Witness = unwitnessed,
) -> AsyncIterator[Simulation]:
    """Serve the scenario until the block ends; port 0 lets the system choose.

    The five providers share one port under the paths of `base_urls`; Ollama has its own port, because it has no prefix.
    """
    simulation = Simulation(scenario, clock=clock, seed=seed, witness=witness)
    async with (
        _listen(simulation, port, prefix="") as origin,
        _listen(simulation, ollama_port, prefix="/ollama") as ollama,
    ):
        simulation.move_to(origin, ollama_url=ollama)
        yield simulation


@asynccontextmanager
async def _listen(simulation: Simulation, port: int, *, prefix: str) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(simulation, request, prefix)

    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", answer)
    # A caller that hangs up must be felt: it frees a slot, and it aborts a load of Ollama.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, _HOST, port)
        await site.start()
        yield f"http://{_HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _answer(simulation: Simulation, request: web.Request, prefix: str) -> web.StreamResponse:
    try:
        response = await simulation.handle(
            SimRequest(
                method=request.method,
                path=prefix + request.path,
                query=dict(request.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
    except ConnectionLost:
        return _reset(request)
    if isinstance(response.body, bytes):
        return web.Response(status=response.status, headers=response.headers, body=response.body)
    return await _stream(request, response, response.body)


async def _stream(request: web.Request, response: SimResponse, pieces: Pieces) -> web.StreamResponse:
    out = web.StreamResponse(status=response.status, headers=response.headers)
    try:
        await out.prepare(request)
        async for piece in pieces:
            await out.write(piece)
        await out.write_eof()
    except ConnectionLost:
        _reset(request)
    finally:
        await pieces.aclose()
    return out


def _reset(request: web.Request) -> web.StreamResponse:
    """Break the connection with a reset, so that the caller sees neither an answer nor an orderly end."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()
