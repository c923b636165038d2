"""The wiring: three services in one process, real channels between them."""

import socket
from dataclasses import replace

import psutil
import pytest
from grpc_health.v1 import health_pb2

from pointsman.cli.ports import Holder, holder
from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.rpc.channel import open_channel
from pointsman_client import Client
from tests.fakes.hops import running
from tests.fakes.ports import free_port

SERVICES = {
    "router": "pointsman.v1.RouterService",
    "classifier": "pointsman.v1.ClassifierService",
    "executor": "pointsman.v1.ExecutorService",
}


async def test_each_service_has_a_port_of_its_own_and_is_healthy(stack: Stack) -> None:
    ports = {address.rpartition(":")[2] for address in stack.addresses.values()}

    assert len(ports - {"0"}) == 3
    for room, address in stack.addresses.items():
        async with open_channel(address, message_bytes=1_000_000) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            answer = await check(health_pb2.HealthCheckRequest(service=SERVICES[room]), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_prompt_goes_through_all_three(stack: Stack) -> None:
    async with Client(stack.router.address) as client:
        answer = await client.route("Reverse a list in Python.")

    assert answer.simulated
    assert not answer.degraded
    assert answer.response.verdict.classifier_version


async def test_the_router_connects_to_its_peers_over_the_wire_alone(stack: Stack, *, over_the_wire: bool) -> None:
    async with Client(stack.router.address) as client:
        await client.route("hi")

    ports = {stack.classifier.port, stack.executor.port}
    sockets = psutil.Process().net_connections("tcp")
    connected = {each.raddr.port for each in sockets if each.status == psutil.CONN_ESTABLISHED} & ports
    assert connected == (ports if over_the_wire else set())


async def test_the_router_finds_its_peers_whatever_the_settings_say(settings: Settings) -> None:
    astray = replace(settings.router, classifier_address="127.0.0.1:1", executor_address="127.0.0.1:1")

    async with (
        running(replace(settings, router=astray), clock=SystemClock()) as stack,
        Client(stack.router.address) as client,
    ):
        answer = await client.route("hi")

    assert not answer.degraded


async def test_a_stopped_stack_leaves_its_ports(settings: Settings) -> None:
    async with running(settings, clock=SystemClock()) as stack:
        addresses = stack.addresses
        while_running = [await holder(address, SERVICES[room]) for room, address in addresses.items()]

    afterwards = [await holder(address, SERVICES[room]) for room, address in addresses.items()]
    assert while_running == [Holder.POINTSMAN] * 3
    assert afterwards == [Holder.NOBODY] * 3


async def test_what_was_started_is_stopped_when_the_rest_cannot_start(settings: Settings) -> None:
    free = f"127.0.0.1:{free_port()}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        crowded = replace(
            settings,
            executor=replace(settings.executor, address=free),
            router=replace(settings.router, address=address),
        )

        with pytest.raises(SettingsError, match="in use"):
            async with running(crowded, clock=SystemClock()):
                pass

    assert await holder(free, SERVICES["executor"]) is Holder.NOBODY


async def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    assert await holder("192.0.2.1:50051", SERVICES["router"]) is Holder.UNUSABLE
