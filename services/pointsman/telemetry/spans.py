"""Spans that end exactly once and tell no secrets: no exception text, no prompt, no answer.

Not the contrib instrumentation: its aio interceptors break cancellation (open-telemetry/opentelemetry-python-
contrib#3271, 2026-11).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import uuid4

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pointsman.domain.errors import PointsmanError
from pointsman.telemetry import names

__all__ = [
    "Span",
    "SpanKind",
    "current_trace_id",
    "mark",
    "note",
    "open_span",
    "outgoing_metadata",
    "record_with",
    "serve_span",
    "span",
]

Attribute = str | bool | int | float | Sequence[str]

_W3C = TraceContextTextMapPropagator()
"""W3C Trace Context alone: the caller's baggage is not passed on."""


class _Recorder:
    """Who makes the spans: the process's tracer until `record_with` names another."""

    def __init__(self) -> None:
        self.tracer = trace.get_tracer(names.TRACER)


_recorder = _Recorder()


def record_with(tracer: trace.Tracer | None) -> None:
    """Make all spans with this tracer from now on; None goes back to the process's own (by default it records none).

    Ours is kept apart from OpenTelemetry's process-wide provider, which can be set only once: tests, rehearsals and
    `up` start and stop telemetry more often than that.
    """
    _recorder.tracer = tracer or trace.get_tracer(names.TRACER)


class Span:
    """One span under way. Ends once; what is set later is lost."""

    __slots__ = ("_ended", "_failed", "_span")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._ended = False
        self._failed = False

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty when there is no trace."""
        return _hex_trace_id(self._span)

    @property
    def context(self) -> otel_context.Context:
        """The current context with this span as its innermost."""
        return trace.set_span_in_context(self._span)

    def set(self, name: str, value: Attribute | None) -> None:
        """Set an attribute; None sets nothing."""
        if value is not None and self._span.is_recording():
            self._span.set_attribute(name, value)

    @property
    def is_recording(self) -> bool:
        """False when nobody will see the span: then what is costly to say need not be worked out."""
        return self._span.is_recording()

    def fail(self, error_type: str) -> None:
        """Mark the span as failed.

        `error_type` is one of few words, such as an outcome or a status code, never a text.
        """
        self._failed = True
        if self._span.is_recording():
            self._span.set_attribute(names.ERROR_TYPE, error_type)
            self._span.set_status(Status(StatusCode.ERROR))

    def fail_with(self, error: BaseException) -> None:
        """Mark the span after what was raised, by reason or type and without its text; being cancelled is no error."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.set(names.CANCELLED, value=True)
        elif not self._failed:
            self.fail(error.reason if isinstance(error, PointsmanError) else type(error).__qualname__)

    def end(self) -> None:
        """End the span; a second call does nothing."""
        if not self._ended:
            self._ended = True
            self._span.end()


@contextmanager
def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Attribute] | None = None
) -> Iterator[Span]:
    """Wrap a piece of work in a child span of the current one. An exception marks it as failed and goes on."""
    opened = open_span(name, kind=kind, attributes=attributes)
    inner = opened.context
    token = otel_context.attach(inner)
    try:
        yield opened
    except BaseException as error:
        opened.fail_with(error)
        raise
    finally:
        # A generator that is closed from elsewhere runs this in another context, where there is nothing to detach.
        if otel_context.get_current() is inner:
            otel_context.detach(token)
        opened.end()


def open_span(name: str, *, kind: SpanKind, attributes: Mapping[str, Attribute] | None = None) -> Span:
    """Start a child span of the current one without making it current; the caller ends it.

    For streams, which outlive a block.
    """
    above = trace.get_current_span().get_span_context()
    if _is_left_out(above):
        return Span(NonRecordingSpan(above))
    return Span(_recorder.tracer.start_span(name, kind=kind, attributes=attributes))


def serve_span(name: str, metadata: Mapping[str, str], *, attributes: Mapping[str, Attribute]) -> Span:
    """Start the SERVER span of a call under the caller's span, and make it current for the rest of the call's task.

    It is never detached: each call has a task and so a context of its own. Where nothing is recorded, the call still
    gets a trace id that is not sampled, so that the log lines of all hops and the response can be brought together.
    """
    parent = _W3C.extract(metadata) if metadata else None
    above = trace.get_current_span(parent).get_span_context() if parent is not None else trace.INVALID_SPAN_CONTEXT
    made: trace.Span = (
        NonRecordingSpan(above)
        if _is_left_out(above)
        else _recorder.tracer.start_span(name, context=parent, kind=SpanKind.SERVER, attributes=attributes)
    )
    if not made.get_span_context().is_valid:
        made = NonRecordingSpan(_unrecorded())
    opened = Span(made)
    otel_context.attach(opened.context)
    return opened


def outgoing_metadata(under: Span | None = None) -> tuple[tuple[str, str], ...]:
    """Return the headers that let the other side go on with this trace (W3C Trace Context), the current span's if None.

    The caller's `tracestate` goes along. Outside of any trace there are none.
    """
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, under.context if under else None)
    return tuple(carrier.items())


def mark(name: str, value: Attribute) -> None:
    """Set an attribute of the current span."""
    trace.get_current_span().set_attribute(name, value)


def note(event: str, attributes: Mapping[str, Attribute | None]) -> None:
    """Put an event on the current span, stamped now; attributes that are None are left out."""
    current = trace.get_current_span()
    if current.is_recording():
        current.add_event(event, {name: value for name, value in attributes.items() if value is not None})


def current_trace_id() -> str:
    """Return the 32 hexadecimal digits of the current trace; empty when there is none."""
    return _hex_trace_id(trace.get_current_span())


def _hex_trace_id(span: trace.Span) -> str:
    context = span.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def _is_left_out(above: SpanContext) -> bool:
    """Return whether the root of the trace was not sampled: then nobody below it is, and no span need be built."""
    return above.is_valid and not above.trace_flags.sampled


def _unrecorded() -> SpanContext:
    return SpanContext(
        trace_id=uuid4().int, span_id=uuid4().int >> 64, is_remote=False, trace_flags=TraceFlags(TraceFlags.DEFAULT)
    )
