"""One request, one trace: every hop of the real stack arrives at an OTLP receiver, with the right parents and kinds."""

from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pointsman.cli.simulated import over
from pointsman.cli.stack import Stack
from pointsman.config import load
from pointsman.domain.clock import SystemClock
from pointsman.simulator.scenarios import INSTANT
from pointsman.simulator.server import serve
from pointsman.telemetry.setup import configure
from pointsman.v1 import router_pb2, router_pb2_grpc, types_pb2
from tests.fakes.hops import running
from tests.fakes.otlp import Collector, collecting

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_SPAN_ID = "00f067aa0ba902b7"
PATIENCE_S = 20.0
"""Three answers of the small model that are late by a busy machine would silence it for fifteen seconds."""


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """A collector that listens."""
    async with collecting() as listening:
        yield listening


@pytest.fixture
async def stack(collector: Collector) -> AsyncIterator[Stack]:
    """The three services over simulated providers, the small model asked for every verdict, spans sent away."""
    clock = SystemClock()
    async with serve(INSTANT, clock=clock, seed=1) as simulation:
        world = over(load(environ={}), INSTANT, simulation.base_urls)
        settings = replace(
            world,
            router=replace(world.router, address="127.0.0.1:0", classifier_timeout_s=PATIENCE_S),
            classifier=replace(
                world.classifier,
                address="127.0.0.1:0",
                mode="ollama",
                cache_entries=0,
                ollama=replace(world.classifier.ollama, timeout_s=PATIENCE_S),
            ),
            executor=replace(world.executor, address="127.0.0.1:0"),
        )
        telemetry = replace(settings.telemetry, otlp_endpoint=collector.endpoint, log_level="error")
        with configure(telemetry, service="pointsman"):
            async with running(settings, clock=clock) as services:
                yield services


async def route(stack: Stack) -> router_pb2.RouteResponse:
    """Route as a caller who traces, once the small model is loaded."""
    metadata = (("traceparent", f"00-{TRACE_ID}-{CALLER_SPAN_ID}-01"),)
    async with grpc.aio.insecure_channel(stack.router.address) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        while True:
            warm_up = await stub.Explain(router_pb2.ExplainRequest(text="Is the model there?"), timeout=30)
            if warm_up.verdict.model_hop == types_pb2.MODEL_HOP_ANSWERED:
                break
        return await stub.Route(router_pb2.RouteRequest(text="2+2는?"), timeout=30, metadata=metadata)


async def test_one_request_is_one_trace_over_all_hops(stack: Stack, collector: Collector) -> None:
    answer = await route(stack)

    spans = await spans_of(collector, TRACE_ID, count=8)
    by_id = {span.span_id.hex(): span for span in spans}
    tree = {(span.name, span.kind): parent_of(span, by_id) for span in spans}
    assert answer.trace_id == TRACE_ID
    assert tree == {
        ("pointsman.v1.RouterService/Route", Span.SPAN_KIND_SERVER): CALLER_SPAN_ID,
        ("pointsman.v1.ClassifierService/Classify", Span.SPAN_KIND_CLIENT): "pointsman.v1.RouterService/Route",
        ("pointsman.v1.ClassifierService/Classify", Span.SPAN_KIND_SERVER): "pointsman.v1.ClassifierService/Classify",
        ("pointsman.classify", Span.SPAN_KIND_INTERNAL): "pointsman.v1.ClassifierService/Classify",
        ("text_completion qwen2.5:1.5b-instruct", Span.SPAN_KIND_CLIENT): "pointsman.classify",
        ("pointsman.v1.ExecutorService/Execute", Span.SPAN_KIND_CLIENT): "pointsman.v1.RouterService/Route",
        ("pointsman.v1.ExecutorService/Execute", Span.SPAN_KIND_SERVER): "pointsman.v1.ExecutorService/Execute",
        (f"chat {answer.model}", Span.SPAN_KIND_CLIENT): "pointsman.v1.ExecutorService/Execute",
    }


async def test_no_span_holds_what_was_asked_or_answered(stack: Stack, collector: Collector) -> None:
    answer = await route(stack)

    spans = await spans_of(collector, TRACE_ID, count=8)
    assert not any("2+2는?" in str(span) or answer.answer.text[:20] in str(span) for span in spans)


async def spans_of(collector: Collector, trace_id: str, *, count: int) -> list[Span]:
    """Return the spans of a trace once there are `count` of them."""
    seen = 0
    while True:
        spans = [span for span in await collector.wait_for(seen + 1) if span.trace_id.hex() == trace_id]
        if len(spans) >= count:
            return spans
        seen = len(collector.spans)


def parent_of(span: Span, by_id: dict[str, Span]) -> str:
    """Return the name of the parent span, or its id where the parent is the caller's."""
    parent_id = span.parent_span_id.hex()
    return by_id[parent_id].name if parent_id in by_id else parent_id
