"""A recorder of spans: the SDK's own memory exporter behind our tracer, for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider  # noqa: TID251  # the fake collector is made of it
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: TID251  # as above
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: TID251  # as above

from pointsman.telemetry import spans


class Beginnings(SpanProcessor):
    """Counts the spans that begin."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.count += 1


class SpanRecorder:
    """The spans that ended, in the order in which they ended."""

    def __init__(self, exporter: InMemorySpanExporter, beginnings: Beginnings, tracer: trace.Tracer) -> None:
        self._exporter = exporter
        self._beginnings = beginnings
        self.tracer = tracer

    @property
    def begun(self) -> int:
        """How many have begun."""
        return self._beginnings.count

    @property
    def ended(self) -> tuple[ReadableSpan, ...]:
        """All of them."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of one name."""
        return [span for span in self.ended if span.name == name]


@contextmanager
def recorded_spans() -> Iterator[SpanRecorder]:
    """Record every span that ends within the block."""
    exporter, beginnings = InMemorySpanExporter(), Beginnings()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(beginnings)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")
    spans.record_with(tracer)
    try:
        yield SpanRecorder(exporter, beginnings, tracer)
    finally:
        spans.record_with(None)
        provider.shutdown()
