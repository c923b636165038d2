"""Somebody who watches the health of a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from grpc_health.v1 import health_pb2

Status = health_pb2.HealthCheckResponse
SERVING, NOT_SERVING = Status.SERVING, Status.NOT_SERVING


class HealthWatch:
    """One watch, from its first news on."""

    def __init__(self, channel: grpc.aio.Channel, service: str) -> None:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch", health_pb2.HealthCheckRequest.SerializeToString, Status.FromString
        )
        self._call = watch(health_pb2.HealthCheckRequest(service=service))

    async def hear(self) -> int:
        """Return what is told next."""
        told = await self._call.read()
        assert isinstance(told, Status), "the watch is over"
        return told.status

    async def end(self) -> grpc.StatusCode:
        """Wait for the end, and return how it ended."""
        with suppress(grpc.aio.AioRpcError):  # its code is what is asked for
            while isinstance(await self._call.read(), Status):
                pass
        return await self._call.code()

    def leave(self) -> None:
        self._call.cancel()


@asynccontextmanager
async def health(address: str, of: str = "") -> AsyncIterator[HealthWatch]:
    """Watch over a channel of its own."""
    async with grpc.aio.insecure_channel(address) as channel:
        watch = HealthWatch(channel, of)
        yield watch
        watch.leave()


async def status(address: str, of: str = "") -> int:
    """Return what a service says of itself now."""
    async with health(address, of) as watch:
        return await watch.hear()
