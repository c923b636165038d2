"""Spans on their way out: to a real collector, and to one that is dead and slows nothing."""

import asyncio
import io
import json

import pytest
import structlog

from pointsman.config.settings import TelemetrySettings
from pointsman.rpc.channel import call
from pointsman.telemetry.setup import configure
from pointsman.telemetry.spans import SpanKind, span
from pointsman.v1 import classifier_pb2 as pb
from tests.fakes.otlp import collecting
from tests.fakes.patience import within
from tests.fakes.serving import CLASSIFY, FakeClassifier, classifier_stub, serving

DEAD = "http://127.0.0.1:1"


async def classify_once() -> None:
    async with serving(FakeClassifier()) as server, classifier_stub(server) as stub:
        with span("test.root", kind=SpanKind.CLIENT):
            await call(stub.Classify, pb.ClassifyRequest(text="hi"), method=CLASSIFY, target="x:1", timeout_s=5)


async def test_a_collector_gets_one_trace_with_the_right_parents() -> None:
    async with collecting() as collector:
        telemetry = configure(TelemetrySettings(otlp_endpoint=collector.endpoint), service="test", sink=io.BytesIO())
        await classify_once()
        assert await asyncio.to_thread(telemetry.flush, 5.0)
        await asyncio.to_thread(telemetry.close)
        spans = {(span.name, int(span.kind)): span for span in await asyncio.wait_for(collector.wait_for(3), 5)}

    root = spans["test.root", 3]
    client, server = spans[CLASSIFY, 3], spans[CLASSIFY, 2]
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert (client.parent_span_id, server.parent_span_id) == (root.span_id, client.span_id)
    assert collector.services == {"test"}


async def test_a_span_that_is_not_sampled_is_not_sent() -> None:
    async with collecting() as collector:
        settings = TelemetrySettings(otlp_endpoint=collector.endpoint, sample_ratio=0.0)
        with configure(settings, service="test", sink=io.BytesIO()):
            await classify_once()

    assert collector.spans == []


@pytest.mark.one_way  # the exporter is the process's, and its end takes three seconds
async def test_a_dead_collector_slows_neither_the_calls_nor_the_end() -> None:
    sink = io.BytesIO()
    telemetry = configure(TelemetrySettings(otlp_endpoint=DEAD), service="test", sink=sink)
    async with serving(FakeClassifier()) as server, classifier_stub(server) as stub, within(2):
        for _ in range(100):
            await call(stub.Classify, pb.ClassifyRequest(text="hi"), method=CLASSIFY, target="x:1", timeout_s=5)

    async with within(4):
        await asyncio.to_thread(telemetry.close)

    events = {json.loads(line)["event"] for line in sink.getvalue().splitlines()}
    assert "spans.undelivered" in events


async def test_closing_twice_is_closing_once_and_gives_the_logs_back() -> None:
    before = structlog.get_config()
    telemetry = configure(TelemetrySettings(otlp_endpoint=DEAD), service="test", sink=io.BytesIO())

    telemetry.close()
    telemetry.close()

    assert structlog.get_config() == before
