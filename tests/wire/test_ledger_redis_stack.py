"""A whole stack over a Redis that comes and goes: requests are answered throughout, and say what is missing."""

from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.v1 import executor_pb2, executor_pb2_grpc, types_pb2
from pointsman_client import Client
from tests.fakes.hops import running
from tests.fakes.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.needs_redis


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


def sharing(settings: Settings, url: str) -> Settings:
    return replace(settings, ledger=replace(settings.ledger, url=url, timeout_s=1.0))


async def ledger_of(stack: Stack) -> str:
    async with grpc.aio.insecure_channel(stack.executor.address) as channel:
        stub = executor_pb2_grpc.ExecutorServiceStub(channel)
        return (await stub.ListCandidates(executor_pb2.ListCandidatesRequest(), timeout=5)).ledger


async def test_a_stack_says_where_its_ledger_is_and_answers_without_redis(
    settings: Settings, server: RedisServer
) -> None:
    async with (
        running(sharing(settings, server.url), clock=SystemClock()) as stack,
        Client(stack.router.address) as client,
    ):
        shared, first = await ledger_of(stack), await client.route("What is the capital of Peru?")
        await server.kill()
        second = await client.route("What is the capital of Chile?")
        away = await ledger_of(stack)
        await server.start()
        while await ledger_of(stack) != "redis":
            await SystemClock().sleep(0.05)
        third = await client.route("What is the capital of Cuba?")

    assert (shared, away) == ("redis", "redis-away")
    assert [list(each.response.degraded_reasons) for each in (first, second, third)] == [
        [],
        [types_pb2.DEGRADED_REASON_LEDGER_LOCAL_SHARE],
        [],
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "redis://127.0.0.1:port", "127.0.0.1:6379"])
async def test_a_url_that_names_no_redis_stops_the_start(settings: Settings, url: str) -> None:
    with pytest.raises(SettingsError, match=r"ledger\.url"):
        async with running(sharing(settings, url), clock=SystemClock()):
            pass
