"""Who listens at an address that a service of ours wants."""

import errno
import socket
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

from pointsman.cli.arguments import EXECUTOR
from pointsman.cli.invocation import program
from pointsman.config import Settings
from pointsman.domain.errors import SettingsError
from pointsman.rpc.channel import open_channel

ROOMS: Final[Mapping[str, str]] = {
    "router": "pointsman.v1.RouterService",
    "classifier": "pointsman.v1.ClassifierService",
    "executor": "pointsman.v1.ExecutorService",
}
"""The services, by the section of the settings that has their address."""

_READERS: Final[Mapping[str, str]] = {
    "router": "--address or $POINTSMAN_ROUTER of `route` and `explain`",
    "classifier": "router.classifier_address, where the Router is served alone",
    "executor": "router.executor_address, where the Router is served alone, "
    "and --address or $POINTSMAN_EXECUTOR of `pools` and `report`",
}
"""Where else the address of a service stands."""

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


@asynccontextmanager
async def holders_named(settings: Settings, rooms: Collection[str] = ROOMS.keys()) -> AsyncIterator[None]:
    """Add to the failure of a start who holds the port, and every setting that a new one concerns.

    `rooms` are the services that start here.
    """
    try:
        yield
    except SettingsError as error:
        address = error.metadata.get("address", "")
        # It has a cause where binding was tried; an address that was refused without trying has none.
        if error.__cause__ is None or not address:
            raise
        lines = [error.message, *_concerned(settings, rooms, address)]
        wanting = [service for room, service in ROOMS.items() if address_of(settings, room) == address]
        if any([await _is_ours(address, service) for service in wanting]):
            lines.append(f"a running Pointsman holds it; what that one can call: {how_to_ask(settings)}")
        raise SettingsError("\n".join(lines), trail=None, **error.metadata) from error


def _concerned(settings: Settings, rooms: Collection[str], address: str) -> Iterator[str]:
    """Yield the other addresses that are taken too, and who must learn of a new one in place of `address`."""
    others = {f"{room}.address": address_of(settings, room) for room in rooms}
    if taken := [f"{name} {at}" for name, at in others.items() if at != address and not _is_free(at)]:
        yield f"taken too: {', '.join(taken)}"
    for room, reader in _READERS.items():
        if address_of(settings, room) == address:
            yield f"with a new address for the {room} goes {reader}"


def _is_free(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_server((host.strip("[]"), int(port))).close()
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def how_to_ask(settings: Settings) -> str:
    """Return the command that asks the Pointsman that already runs where these settings say."""
    address = address_of(settings, "executor")
    return f"{program()} pools" + (f" --address {address}" if address != EXECUTOR else "")


def address_of(settings: Settings, room: str) -> str:
    """Return where one of the ROOMS listens."""
    address: str = getattr(settings, room).address
    return address


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
