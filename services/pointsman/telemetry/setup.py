"""Where spans, metrics and log lines go; configured once, where a process starts.

With `push.py` the only importer of the OpenTelemetry SDK. Without `otlp_endpoint` there is no SDK: a call then costs no
span, and still has a trace id for its log lines and its response (see `spans.serve_span`). Without it and without an
address for Prometheus nothing is counted.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import IO, Any, Final, Self, cast
from uuid import uuid4

import orjson
import structlog
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from structlog.typing import EventDict, Processor, WrappedLogger

from pointsman.config.settings import TelemetrySettings
from pointsman.telemetry import instruments, names, spans
from pointsman.telemetry.console import for_people
from pointsman.telemetry.masks import masked_bytes, masked_fields, masked_text
from pointsman.telemetry.metrics import REGISTER, Reading
from pointsman.telemetry.page import serving
from pointsman.telemetry.push import pushing

_EXPORT_TIMEOUT_S: Final = 5.0
_CLOSE_TIMEOUT_S: Final = 2.0
_QUEUED_SPANS: Final = 16_384
_EXPORT_DELAY_MS: Final = 1_000


class Telemetry:
    """What `configure` started. Close it last, after the servers; log lines then go where they went before."""

    def __init__(self, provider: TracerProvider | None, undo: ExitStack) -> None:
        self._provider = provider
        self._undo = undo

    def flush(self, timeout_s: float = _CLOSE_TIMEOUT_S) -> bool:
        """Hand over the spans that wait, and tell whether that was done in time. Blocks; not for a running loop."""
        if self._provider is None:
            return True
        # The SDK's own flush takes no notice of its timeout (opentelemetry-sdk 1.45.2, 2026-11).
        thread = threading.Thread(target=self._provider.force_flush, name="flush of spans", daemon=True)
        thread.start()
        thread.join(timeout_s)
        return not thread.is_alive()

    def close(self) -> None:
        """Flush and stop. Takes a few seconds at most, whatever became of the collector; a second call does nothing."""
        self.flush()
        self._provider = None
        self._undo.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close."""
        self.close()


def configure(
    settings: TelemetrySettings, *, service: str, metrics_at: str = "", sink: IO[bytes] | None = None
) -> Telemetry:
    """Send spans, metrics and log lines where the settings say.

    `service` names the process, such as "pointsman-router"; `metrics_at` is the key of `[telemetry.metrics]` that says
    where it shows its metrics, empty for one that shows none. Lines go to standard error, or to `sink`: standard output
    belongs to what a command prints. Raises SettingsError for an address of metrics that cannot be used.
    """
    with ExitStack() as undo:
        undo.callback(structlog.configure, **structlog.get_config())
        writer = _configure_logs(settings, sink or sys.stderr.buffer)
        undo.enter_context(_relayed(logging.getLogger(), _Relay(names.EVENT_LIBRARY_WARNED)))
        address: str = getattr(settings.metrics, metrics_at) if metrics_at else ""
        if address or settings.otlp_endpoint:
            undo.enter_context(REGISTER.recording())
            undo.callback(REGISTER.observe(lambda: _own_losses(writer)))
        if address:
            url = undo.enter_context(serving(address, f"telemetry.metrics.{metrics_at}", REGISTER))
            structlog.get_logger().info(names.EVENT_METRICS_SHOWN, url=url)
        provider = _send_by_otlp(settings, service, undo) if settings.otlp_endpoint else None
        return Telemetry(provider, undo.pop_all())


def _own_losses(writer: "LineWriter") -> tuple[Reading, ...]:
    return (instruments.LOG_LINES_LOST.at(writer.lost),)


def _send_by_otlp(settings: TelemetrySettings, service: str, undo: ExitStack) -> TracerProvider:
    """Start sending; `undo` ends it."""
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
    log, relay = logging.getLogger("opentelemetry"), _Relay(names.EVENT_SPANS_UNDELIVERED)
    propagated = log.propagate
    log.propagate = False
    try:
        with _relayed(log, relay):
            yield relay
    finally:
        log.propagate = propagated


@contextmanager
def _relayed(log: logging.Logger, relay: logging.Handler) -> Iterator[None]:
    log.addHandler(relay)
    try:
        yield
    finally:
        log.removeHandler(relay)


class _Relay(logging.Handler):
    """Writes warnings and worse of the standard library's logging as events of ours.

    What libraries say below that (httpx: a line a request) is told better by the line of the call.
    """

    def __init__(self, event: str) -> None:
        super().__init__(logging.WARNING)
        self._event = event

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as an event."""
        detail = record.getMessage()
        write = structlog.get_logger().error if record.levelno >= logging.ERROR else structlog.get_logger().warning
        write(self._event_of(detail), library=record.name, detail=detail, exc_info=record.exc_info)

    def _event_of(self, detail: str) -> str:
        # The SDK names what it was sending in the sentence alone, and all its exporters share one logger.
        is_of_metrics = self._event == names.EVENT_SPANS_UNDELIVERED and "metrics to " in detail
        return names.EVENT_METRICS_UNDELIVERED if is_of_metrics else self._event


class LineWriter:
    """Writes finished lines to a sink. One that is full or gone loses lines and stops nothing; `lost` counts them."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self.lost = 0

    def msg(self, line: bytes | str) -> None:
        """Write one line."""
        encoded = line.encode(errors="backslashreplace") if isinstance(line, str) else line
        try:
            self._sink.write(encoded + b"\n")
            self._sink.flush()
        except (OSError, ValueError):  # no space, a broken pipe; ValueError: the sink was closed
            self.lost += 1

    debug = info = warning = error = critical = msg


def _configure_logs(settings: TelemetrySettings, sink: IO[bytes]) -> LineWriter:
    """Log to the sink; return what writes there."""
    writer = LineWriter(sink)
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sink.isatty())
    render: Callable[..., Any] = (
        structlog.processors.JSONRenderer(serializer=orjson.dumps, default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sink.isatty(),
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,  # not the default, which prints local variables
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_trace_ids,
            *([structlog.processors.format_exc_info] if as_json else []),
            mask_secret_fields,
            *([] if as_json else [for_people]),
            render,
            cast("Processor", mask_secret_values),  # takes the finished line, which the type has no word for
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    return writer


def add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the current span, where there is one and the event does not name them."""
    within = spans.current()
    if within.trace_id:
        event.setdefault("trace_id", within.trace_id)
        event.setdefault("span_id", within.span_id)
    return event


def mask_secret_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide the values of fields whose names speak of keys, at any depth."""
    return masked_fields(event)


def mask_secret_values(_logger: WrappedLogger, _method: str, line: bytes | str) -> bytes | str:
    """Hide what looks like a key anywhere in the finished line, tracebacks included: the last net, not the first."""
    return masked_text(line) if isinstance(line, str) else masked_bytes(line)
