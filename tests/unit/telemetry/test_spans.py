import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from pointsman.domain.errors import OutOfTime
from pointsman.telemetry.spans import current_trace_id, open_span, outgoing_metadata, serve_span, span
from tests.fakes.spans import recorded_spans

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_span_within_a_span_is_its_child() -> None:
    with recorded_spans() as recorder, span("outer"), span("inner", kind=SpanKind.CLIENT, attributes={"a": 1}):
        pass

    inner, outer = recorder.ended
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert (inner.kind, dict(inner.attributes or {})) == (SpanKind.CLIENT, {"a": 1})
    assert outer.parent is None


@pytest.mark.parametrize(
    "error, error_type",
    [
        pytest.param(OutOfTime("sk-secret"), "OUT_OF_TIME", id="a domain error by its reason"),
        pytest.param(KeyError("sk-secret"), "KeyError", id="another by its type"),
    ],
)
def test_an_exception_fails_its_span_and_leaves_no_text_there(error: Exception, error_type: str) -> None:
    with recorded_spans() as recorder, pytest.raises(type(error)), span("work"):
        raise error

    (ended,) = recorder.ended
    assert ended.status.status_code is StatusCode.ERROR
    assert (ended.attributes or {})["error.type"] == error_type
    assert ended.events == ()
    assert "sk-secret" not in ended.to_json()


def test_a_failure_that_was_named_keeps_its_name() -> None:
    with recorded_spans() as recorder, contextlib.suppress(OutOfTime), span("work") as work:
        work.fail("rate_limited")
        raise OutOfTime("late")

    assert (recorder.ended[0].attributes or {})["error.type"] == "rate_limited"


def test_being_cancelled_is_marked_and_is_no_error() -> None:
    with recorded_spans() as recorder, pytest.raises(asyncio.CancelledError), span("work"):
        raise asyncio.CancelledError

    (ended,) = recorder.ended
    assert ended.status.status_code is StatusCode.UNSET
    assert (ended.attributes or {})["pointsman.cancelled"] is True


def test_a_span_ends_once() -> None:
    with recorded_spans() as recorder:
        work = open_span("work", kind=SpanKind.INTERNAL)
        work.end()
        work.end()

    assert len(recorder.ended) == 1


async def test_a_generator_closed_from_elsewhere_ends_its_span_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> AsyncIterator[int]:
        with span("work"):
            while True:
                yield 1

    with recorded_spans() as recorder:
        generator = work()
        await asyncio.create_task(anext(generator), context=contextvars.Context())  # type: ignore[arg-type]  # a coroutine
        with span("other"):
            await generator.aclose()  # type: ignore[attr-defined]  # it is a generator
            assert current_trace_id()

    assert [ended.name for ended in recorder.ended] == ["work", "other"]
    assert caplog.records == []


def test_a_served_call_goes_on_with_its_callers_trace() -> None:
    with recorded_spans() as recorder:
        served = contextvars.Context().run(serve_span, "call", {"traceparent": TRACEPARENT}, attributes={})
        served.end()

    (ended,) = recorder.ended
    assert ended.kind is SpanKind.SERVER
    assert ended.parent is not None
    assert trace.format_span_id(ended.parent.span_id) == "b7ad6b7169203331"
    assert served.trace_id == "0af7651916cd43dd8448eb211c80319c"


def test_baggage_of_the_caller_is_not_passed_on() -> None:
    with recorded_spans():
        sent = contextvars.Context().run(
            lambda: outgoing_metadata(serve_span("call", {"traceparent": TRACEPARENT, "baggage": "a=b"}, attributes={}))
        )

    assert [key for key, _ in sent] == ["traceparent"]


def test_without_a_recorder_a_call_still_has_a_trace_id_and_passes_it_on() -> None:
    def serve_and_call() -> tuple[str, str, dict[str, str]]:
        served = serve_span("call", {}, attributes={})
        return served.trace_id, current_trace_id(), dict(outgoing_metadata(open_span("next", kind=SpanKind.CLIENT)))

    served, current, sent = contextvars.Context().run(serve_and_call)

    assert len(served) == 32
    assert current == served
    assert sent["traceparent"].split("-")[1] == served
    assert sent["traceparent"].endswith("-00")  # not sampled


def test_outside_of_any_call_there_is_no_trace_id() -> None:
    assert contextvars.Context().run(current_trace_id) == ""


def test_below_a_root_that_is_not_sampled_no_span_is_begun_and_the_trace_goes_on() -> None:
    def serve_and_call() -> dict[str, str]:
        serve_span("call", {"traceparent": TRACEPARENT[:-1] + "0", "tracestate": "a=1"}, attributes={})
        with span("work") as work:
            return dict(outgoing_metadata(work))

    with recorded_spans() as recorder:
        sent = contextvars.Context().run(serve_and_call)

    assert recorder.begun == 0
    assert sent == {"traceparent": TRACEPARENT[:-1] + "0", "tracestate": "a=1"}
