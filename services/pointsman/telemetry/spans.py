"""Spans that end exactly once and tell no secrets: no exception text, no prompt, no answer.

Not the contrib instrumentation: its aio interceptors break cancellation (open-telemetry/opentelemetry-python-
contrib#3271, 2026-11). And not OpenTelemetry's own context, which takes ten times as long to say what is current: a
call asks that a dozen times. Spans that nobody records are two strings that are handed on.
"""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from pointsman.domain.errors import PointsmanError
from pointsman.telemetry import names

__all__ = [
    "Span",
    "SpanKind",
    "current",
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

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
"""The headers of W3C Trace Context, level 1. The caller's baggage is not passed on."""

_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?P<span_id>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)

_TRACE_ID_DIGITS: Final = 32
_IDS_BYTES: Final = 24
"""Random bytes of a trace id and a span id together: one call of the kernel for both."""


_PARENTS: Final = 64
"""Callers' headers that are remembered: a request asks the Classifier and the Executor under the same span, where
nobody records. To read them takes as long as a task takes to make."""


class _Recorder:
    """Who makes the spans; nobody until `record_with` names a tracer."""

    def __init__(self) -> None:
        self.tracer: trace.Tracer | None = None


_recorder = _Recorder()


def record_with(tracer: trace.Tracer | None) -> None:
    """Make all spans with this tracer from now on; with None nobody records any.

    Not OpenTelemetry's process-wide provider, which can be set only once: tests, rehearsals and `up` start and stop
    telemetry more often than that.
    """
    _recorder.tracer = tracer


class Span:
    """One span under way, or its place in a trace that nobody records. Ends once; what is set later is lost."""

    __slots__ = ("_ended", "_failed", "_recorded", "is_sampled", "span_id", "trace_id", "tracestate")

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        *,
        is_sampled: bool = False,
        tracestate: str = "",
        recorded: trace.Span | None = None,
    ) -> None:
        """Take the ids as they are written, 32 and 16 hexadecimal digits; both are empty outside of any trace."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.is_sampled = is_sampled
        self.tracestate = tracestate
        self._recorded = recorded
        self._ended = False
        self._failed = False

    @property
    def is_recording(self) -> bool:
        """False when nobody will see the span: then what is costly to say need not be worked out."""
        return self._recorded is not None

    def set(self, name: str, value: Attribute | None) -> None:
        """Set an attribute; None sets nothing."""
        if value is not None and self._recorded is not None:
            self._recorded.set_attribute(name, value)

    def note(self, event: str, attributes: Mapping[str, Attribute | None]) -> None:
        """Put an event on the span, stamped now; attributes that are None are left out."""
        if self._recorded is not None:
            self._recorded.add_event(event, {name: each for name, each in attributes.items() if each is not None})

    def fail(self, error_type: str) -> None:
        """Mark the span as failed.

        `error_type` is one of few words, such as an outcome or a status code, never a text.
        """
        if self._recorded is not None:
            self._failed = True
            self._recorded.set_attribute(names.ERROR_TYPE, error_type)
            self._recorded.set_status(Status(StatusCode.ERROR))

    def fail_with(self, error: BaseException) -> None:
        """Mark the span after what was raised, by reason or type and without its text; being cancelled is no error."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.set(names.CANCELLED, value=True)
        elif not self._failed:
            self.fail(error.reason if isinstance(error, PointsmanError) else type(error).__qualname__)

    def end(self) -> None:
        """End the span; a second call does nothing."""
        if self._recorded is not None and not self._ended:
            self._ended = True
            self._recorded.end()

    def context(self) -> Context:
        """Return OpenTelemetry's context of what begins below this span."""
        return trace.set_span_in_context(self._recorded or NonRecordingSpan(self._place()), Context())

    def _place(self) -> SpanContext:
        return SpanContext(
            trace_id=int(self.trace_id, 16),
            span_id=int(self.span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if self.is_sampled else TraceFlags.DEFAULT),
            trace_state=TraceState.from_header([self.tracestate]) if self.tracestate else None,
        )


_NOWHERE: Final = Span("", "")
"""What is current outside of any trace."""

_current: ContextVar[Span] = ContextVar("span", default=_NOWHERE)


def current() -> Span:
    """Return the innermost span around the caller; one without ids where there is no trace."""
    return _current.get()


def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Attribute] | None = None
) -> AbstractContextManager[Span]:
    """Wrap a piece of work in a child span of the current one. An exception marks it as failed and goes on."""
    opened = open_span(name, kind=kind, attributes=attributes)
    return _Within(opened) if opened.is_recording else nullcontext(opened)


class _Within:
    """A block whose current span is this one, and ends with it. Not a generator, which costs twice as much."""

    __slots__ = ("_before", "_span")

    def __init__(self, opened: Span) -> None:
        self._span = opened

    def __enter__(self) -> Span:
        self._before = _current.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._span.fail_with(error)
        # A generator that is closed from elsewhere runs this in another context, where there is nothing to put back.
        if _current.get() is self._span:
            _current.reset(self._before)
        self._span.end()


def open_span(name: str, *, kind: SpanKind, attributes: Mapping[str, Attribute] | None = None) -> Span:
    """Start a child span of the current one without making it current; the caller ends it.

    For streams, which outlive a block.
    """
    above = _current.get()
    if _recorder.tracer is None or _is_left_out(above):
        return above
    within = above.context() if above.trace_id else Context()
    return _recording(_recorder.tracer.start_span(name, context=within, kind=kind, attributes=attributes))


def serve_span(name: str, metadata: Mapping[str, str], *, attributes: Mapping[str, Attribute]) -> Span:
    """Start the SERVER span of a call under the caller's span, and make it current for the rest of the call's task.

    It is never taken back: each call has a task and so a context of its own. Where nothing is recorded, the call still
    gets a trace id that is not sampled, so that the log lines of all hops and the response can be brought together.
    """
    opened = above = _callers(metadata) or _current.get()
    if _recorder.tracer is not None and not _is_left_out(above):
        within = above.context() if above.trace_id else Context()
        started = _recorder.tracer.start_span(name, context=within, kind=SpanKind.SERVER, attributes=attributes)
        opened = _recording(started)
    if not opened.trace_id:
        ids = os.urandom(_IDS_BYTES).hex()
        opened = Span(ids[:_TRACE_ID_DIGITS], ids[_TRACE_ID_DIGITS:])
    _current.set(opened)
    return opened


def outgoing_metadata(under: Span | None = None) -> tuple[tuple[str, str], ...]:
    """Return the headers that let the other side go on with this trace (W3C Trace Context), the current span's if None.

    The caller's `tracestate` goes along. Outside of any trace there are none.
    """
    innermost = under or _current.get()
    if not innermost.trace_id:
        return ()
    flags = "01" if innermost.is_sampled else "00"
    parent = (TRACEPARENT, f"00-{innermost.trace_id}-{innermost.span_id}-{flags}")
    return (parent, (TRACESTATE, innermost.tracestate)) if innermost.tracestate else (parent,)


def mark(name: str, value: Attribute) -> None:
    """Set an attribute of the current span."""
    _current.get().set(name, value)


def note(event: str, attributes: Mapping[str, Attribute | None]) -> None:
    """Put an event on the current span, stamped now; attributes that are None are left out."""
    _current.get().note(event, attributes)


def current_trace_id() -> str:
    """Return the 32 hexadecimal digits of the current trace; empty when there is none."""
    return _current.get().trace_id


def _callers(metadata: Mapping[str, str]) -> Span | None:
    """Return the caller's span as the metadata names it; None when it names none, or not as it should."""
    traceparent = metadata.get(TRACEPARENT)
    return _told(traceparent, metadata.get(TRACESTATE)) if traceparent else None


@lru_cache(maxsize=_PARENTS)
def _told(traceparent: str, tracestate: str | None) -> Span | None:
    """Return the span of these headers; nothing changes it, for it is not recorded here, so calls may share it."""
    told = _TRACEPARENT.fullmatch(traceparent)
    if told is None:
        return None
    version, trace_id, span_id, flags, more = told.groups()
    if version == "00" and more:
        return None
    return Span(
        trace_id,
        span_id,
        is_sampled=bool(int(flags, 16) & TraceFlags.SAMPLED),
        tracestate=TraceState.from_header([tracestate]).to_header() if tracestate else "",
    )


def _recording(started: trace.Span) -> Span:
    """Return our span around one that a tracer has started, or the place of one that its sampler has left out."""
    place = started.get_span_context()
    return Span(
        trace.format_trace_id(place.trace_id),
        trace.format_span_id(place.span_id),
        is_sampled=place.trace_flags.sampled,
        tracestate=place.trace_state.to_header() if place.trace_state else "",
        recorded=started if started.is_recording() else None,
    )


def _is_left_out(above: Span) -> bool:
    """Return whether the root of the trace was not sampled: then nobody below it is, and no span need be built."""
    return bool(above.trace_id) and not above.is_sampled
