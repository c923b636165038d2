"""Who listens at an address that a service of ours wants."""

import errno
import socket
from enum import StrEnum
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

from pointsman.rpc.channel import open_channel

_ANSWER_S: Final = 1.0
_MESSAGE_BYTES: Final = 4_194_304


class Holder(StrEnum):
    """Who has the port."""

    NOBODY = "nobody"
    POINTSMAN = "pointsman"
    STRANGER = "stranger"
    UNUSABLE = "unusable"
    """The address is not one of this machine."""


async def holder(address: str, service: str) -> Holder:
    """Return who listens at "host:port"; `service` is the full name of what wants to. Port 0 is never taken."""
    host, _, port = address.rpartition(":")
    try:
        # The same question that a start asks; the socket is closed before anybody could connect.
        socket.create_server((host.strip("[]"), int(port))).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return Holder.UNUSABLE
        return Holder.POINTSMAN if await _is_ours(address, service) else Holder.STRANGER
    return Holder.NOBODY


async def _is_ours(address: str, service: str) -> bool:
    async with open_channel(address, message_bytes=_MESSAGE_BYTES) as channel:
        ask = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await ask(health_pb2.HealthCheckRequest(service=service), timeout=_ANSWER_S)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
