"""The one line of a call: Router, Executor and Classifier each tell the whole story, of failed calls too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog

from pointsman.cli.stack import Stack
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from pointsman.telemetry import facts
from pointsman.v1 import router_pb2, router_pb2_grpc, types_pb2
from tests.fakes.http_server import FakeHttpServer, Fate, json_reply
from tests.fakes.serving import lines_of
from tests.fakes.streaming import CASES, SUBJECT, playing, routed, settings_of

ROUTE = "pointsman.v1.RouterService/Route"
STREAM_ROUTE = "pointsman.v1.RouterService/StreamRoute"
EXECUTE = "pointsman.v1.ExecutorService/Execute"
STREAM_EXECUTE = "pointsman.v1.ExecutorService/StreamExecute"
CLASSIFY = "pointsman.v1.ClassifierService/Classify"
SHARED = ("outcome", "attempts", "wasted", "skips", "input_tokens", "output_tokens", "cost_usd", "degraded")
"""What Router and Executor tell in the same words."""

OPENAI = CASES[0]
LIMITED = json_reply({"error": {"message": "Rate limit reached."}}, status=429, headers={"retry-after": "60"})


@asynccontextmanager
async def captured_lines() -> AsyncIterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs(processors=[facts.merge]) as captured:
        yield captured


async def route(address: str, *, category: str = "") -> router_pb2.RouteResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        request = router_pb2.RouteRequest(text="2+2는?", options=types_pb2.Options(category=category))
        return await router_pb2_grpc.RouterServiceStub(channel).Route(request, timeout=5)


async def stream(stub: "router_pb2_grpc.RouterServiceAsyncStub") -> None:
    request = router_pb2.StreamRouteRequest(text="?", options=types_pb2.Options(category="quick"))
    async for _ in stub.StreamRoute(request, timeout=5):
        pass


def the_line(captured: list[structlog.typing.EventDict], method: str) -> dict[str, Any]:
    (line,) = lines_of(captured, method)
    return dict(line)


async def test_an_answer_is_told_alike_by_router_and_executor(stack: Stack, simulation: Simulation) -> None:
    simulation.script("gemini-3.8-flash", Fault.MINUTE_LIMIT)

    async with captured_lines() as captured:
        answer = await route(stack.router.address)

    routed_line, executed = the_line(captured, ROUTE), the_line(captured, EXECUTE)
    assert {name: routed_line[name] for name in SHARED} == {
        "outcome": "answered",
        "attempts": 2,
        "wasted": 1,
        "skips": sum(step.HasField("skip") for step in answer.trail.steps),
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
        "cost_usd": answer.cost_usd,
        "degraded": [],
    }
    assert {name: executed[name] for name in SHARED} == {name: routed_line[name] for name in SHARED}
    assert routed_line["candidate"] == executed["candidate"] == answer.candidate
    assert answer.usage.output_tokens > 0
    assert answer.cost_usd > 0


async def test_the_router_tells_how_long_each_hop_took(stack: Stack) -> None:
    async with captured_lines() as captured:
        await route(stack.router.address)

    line = the_line(captured, ROUTE)
    assert line["classify_s"] > 0
    assert line["execute_s"] > 0
    assert line["classify_s"] + line["execute_s"] <= line["duration_s"]


async def test_a_classifier_that_was_not_asked_took_no_time(stack: Stack) -> None:
    async with captured_lines() as captured:
        await route(stack.router.address, category="quick")

    assert the_line(captured, ROUTE)["classify_s"] is None


async def test_the_classifier_tells_of_the_small_model_and_of_its_memory(stack: Stack) -> None:
    async with captured_lines() as captured:
        await route(stack.router.address)
        await route(stack.router.address)

    first, second = lines_of(captured, CLASSIFY)
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["model_duration_s"] is None
    assert first["degraded"] == []


async def test_a_request_that_fails_tells_what_was_tried_and_why_it_failed() -> None:
    subject = FakeHttpServer()
    subject.play(LIMITED)
    async with captured_lines() as captured, playing(subject), routed(settings_of(OPENAI, subject.url)) as stack:
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError):
                await route(stack.router_address, category="quick")

    for method in (ROUTE, EXECUTE):
        tried, skipped = lines_of(captured, method)
        assert (tried["code"], tried["reason"]) == ("RESOURCE_EXHAUSTED", "POOL_EXHAUSTED")
        assert (tried["outcome"], tried["attempts"], tried["wasted"], tried["skips"]) == ("rate_limited", 1, 1, 0)
        assert (skipped["outcome"], skipped["attempts"], skipped["wasted"], skipped["skips"]) == (None, 0, 0, 1)
    assert all(line["execute_s"] > 0 for line in lines_of(captured, ROUTE))


async def test_a_stream_that_breaks_off_is_told_as_partial_with_what_it_used() -> None:
    subject = FakeHttpServer()
    subject.play(OPENAI.reply(OPENAI.begun, fate=Fate.TRUNCATE))
    async with captured_lines() as captured, playing(subject), routed(settings_of(OPENAI, subject.url)) as stack:
        await stream(stack.router)

    for method in (STREAM_ROUTE, STREAM_EXECUTE):
        line = the_line(captured, method)
        assert (line["partial"], line["outcome"], line["candidate"]) == (True, "network", SUBJECT)
        assert line["output_tokens"] == OPENAI.so_far.output_tokens
