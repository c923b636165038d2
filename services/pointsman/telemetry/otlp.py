"""Spans and metrics by OTLP: the SDK of OpenTelemetry, started where an endpoint is set, and imported only there.

It and its exporter take 15 MB and a quarter of a second of CPU, which a process that sends nothing is spared.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Final
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from pointsman.config.settings import TelemetrySettings
from pointsman.telemetry import instruments, names, spans
from pointsman.telemetry.metrics import REGISTER
from pointsman.telemetry.push import pushing
from pointsman.telemetry.relay import Relay, relayed

_EXPORT_TIMEOUT_S: Final = 5.0
_QUEUED_SPANS: Final = 16_384
_EXPORT_DELAY_MS: Final = 1_000


def send(settings: TelemetrySettings, service: str, undo: ExitStack) -> TracerProvider:
    """Start sending spans and metrics of the process named `service`; `undo` ends it."""
    relay = undo.enter_context(_relayed_sdk_log())
    resource = Resource.create(
        {
            names.SERVICE_NAME: service,
            names.SERVICE_VERSION: version("pointsman"),
            names.SERVICE_INSTANCE_ID: str(uuid4()),
        }
    )
    insecure = not settings.otlp_endpoint.startswith("https://")
    metrics = OTLPMetricExporter(endpoint=settings.otlp_endpoint, insecure=insecure, timeout=_EXPORT_TIMEOUT_S)
    undo.enter_context(pushing(metrics, REGISTER, resource, interval_s=settings.metrics_interval_s))
    provider = _open_provider(settings, resource, undo)
    undo.callback(relay.setLevel, logging.CRITICAL)  # the SDK warns of being stopped twice, which is how it is stopped
    spans.record_with(provider.get_tracer(names.TRACER, version("pointsman")))
    undo.callback(spans.record_with, None)
    return provider


class _CountingExporter(OTLPSpanExporter):
    """Counts the spans that the collector did not take."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, and count those that did not arrive."""
        outcome = super().export(spans)
        if outcome is not SpanExportResult.SUCCESS:
            instruments.SPANS_DROPPED.add(len(spans))
        return outcome


def _open_provider(settings: TelemetrySettings, resource: Resource, undo: ExitStack) -> TracerProvider:
    exporter = _CountingExporter(
        endpoint=settings.otlp_endpoint,
        insecure=not settings.otlp_endpoint.startswith("https://"),
        timeout=_EXPORT_TIMEOUT_S,
    )
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=resource,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=_QUEUED_SPANS, schedule_delay_millis=_EXPORT_DELAY_MS)
    )
    undo.callback(provider.shutdown)
    # Undone first: an export that waits for a dead collector then gives up, and the provider's own stop is quick.
    undo.callback(exporter.shutdown)
    return provider


@contextmanager
def _relayed_sdk_log() -> Iterator[logging.Handler]:
    """Turn what the SDK logs, such as a collector that does not answer, into our lines."""
    log, relay = logging.getLogger("opentelemetry"), Relay(names.EVENT_SPANS_UNDELIVERED)
    propagated = log.propagate
    log.propagate = False
    try:
        with relayed(log, relay):
            yield relay
    finally:
        log.propagate = propagated


def flush(provider: TracerProvider, timeout_s: float) -> bool:
    """Hand over the spans that wait, and tell whether that was done in time. Blocks; not for a running loop."""
    # The SDK's own flush takes no notice of its timeout (opentelemetry-sdk 1.45.2, 2026-11).
    thread = threading.Thread(target=provider.force_flush, name="flush of spans", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()
