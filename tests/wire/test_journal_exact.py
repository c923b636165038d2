"""The report over a whole stack says what the simulated providers counted: calls, tokens and dollars, to the last."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.rpc.channel import open_channel
from pointsman.simulator.faults import Fault
from pointsman.simulator.prompts import SAMPLE_PROMPTS
from pointsman.simulator.simulation import Simulation
from pointsman.v1 import executor_pb2, executor_pb2_grpc
from pointsman_client import Client
from tests.fakes.hops import running


@pytest.fixture
async def stack(settings: Settings) -> AsyncIterator[Stack]:
    """Yield the three real services over the simulated world."""
    async with running(settings, clock=SystemClock()) as stack:
        yield stack


async def report(stack: Stack) -> executor_pb2.ReportResponse:
    async with open_channel(stack.executor.address, message_bytes=1_000_000) as channel:
        stub = executor_pb2_grpc.ExecutorServiceStub(channel)
        request = executor_pb2.ReportRequest(group_by=executor_pb2.REPORT_BY_CANDIDATE, with_details=True)
        answer: executor_pb2.ReportResponse = await stub.Report(request, timeout=10)
        return answer


async def test_failures_limits_streams_and_callers_who_left_are_counted_as_the_providers_count_them(
    stack: Stack, simulation: Simulation
) -> None:
    simulation.script("anthropic", Fault.MINUTE_LIMIT, times=2)
    simulation.script("gemini", Fault.SERVER_ERROR, times=2)
    async with Client(stack.router.address) as client:
        for sample in SAMPLE_PROMPTS:
            images = [sample.image] if sample.image else ()
            await client.route(sample.text, images=images)
            async for _ in client.stream(sample.text, images=images):
                pass
        simulation.script("*", Fault.SILENCE)
        leaving = asyncio.create_task(client.route(SAMPLE_PROMPTS[0].text))
        while not simulation.tallies.total.in_flight:  # noqa: ASYNC110 - the providers are waited for
            await asyncio.sleep(0.01)  # noqa: TID251 - a real server is waited for
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        while simulation.tallies.total.in_flight:  # noqa: ASYNC110 - the providers are waited for
            await asyncio.sleep(0.01)  # noqa: TID251 - as said

    told, counted = await report(stack), simulation.tallies.total
    assert (told.total.attempts, told.total.wasted) == (counted.calls, counted.wasted)
    assert (told.total.requests, told.total.cancelled) == (2 * len(SAMPLE_PROMPTS) + 1, 1)
    assert told.total.usage.input_tokens == counted.input_tokens
    assert told.total.usage.output_tokens == counted.output_tokens
    assert Decimal(told.total.cost_usd_exact) == counted.cost_usd
    assert counted.wasted > 0
    assert "(nobody: the caller left)" in {row.key for row in told.rows}


async def test_the_report_says_what_the_providers_counted(stack: Stack, simulation: Simulation) -> None:
    async with Client(stack.router.address) as client, asyncio.TaskGroup() as tasks:
        for sample in SAMPLE_PROMPTS * 3:
            tasks.create_task(client.route(sample.text, images=[sample.image] if sample.image else ()))

    told, counted = await report(stack), simulation.tallies.total
    assert (told.total.requests, told.total.answered) == (3 * len(SAMPLE_PROMPTS), 3 * len(SAMPLE_PROMPTS))
    assert (told.total.attempts, told.total.wasted) == (counted.calls, counted.wasted)
    assert told.total.usage.input_tokens == counted.input_tokens
    assert told.total.usage.output_tokens == counted.output_tokens
    assert Decimal(told.total.cost_usd_exact) == counted.cost_usd
    assert sum(call.count for call in told.details.calls) == counted.calls
    assert sum(row.requests for row in told.rows) == told.total.requests
