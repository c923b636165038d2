"""What surrounds a call: one span, one line, and a status that tells nothing it should not."""

import asyncio

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed
from opentelemetry.trace import SpanKind, StatusCode

from pointsman.domain.errors import NoAnswer
from pointsman.domain.trail import Skip, SkipReason, Trail
from pointsman.rpc.channel import open_channel
from pointsman.telemetry import facts
from pointsman.v1 import classifier_pb2 as pb
from tests.fakes.patience import within
from tests.fakes.serving import (
    CLASSIFY,
    MESSAGE_BYTES,
    Context,
    FakeClassifier,
    channel_to,
    classifier_stub,
    lines_of,
    plain,
    serving,
)
from tests.fakes.spans import recorded_spans

CANARY = "sk-canary0123456789abcdef"


async def test_a_call_that_ends_well_leaves_one_span_and_one_line() -> None:
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with serving(FakeClassifier()) as server, classifier_stub(server) as stub:
            await stub.Classify(pb.ClassifyRequest(text="hi"), timeout=5)

    (span,) = recorder.named(CLASSIFY)
    assert span.kind is SpanKind.SERVER
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": CLASSIFY,
        "rpc.response.status_code": "OK",
    }
    (line,) = lines_of(captured, CLASSIFY)
    assert line["event"] == "call.ended"
    assert line["code"] == "OK"
    assert line["log_level"] == "info"
    assert len(line["trace_id"]) == 32


async def test_an_unexpected_exception_tells_the_caller_nothing_but_a_trace_id() -> None:
    async def explode(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        raise ValueError(CANARY)

    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with serving(FakeClassifier(explode)) as server, classifier_stub(server) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Classify(pb.ClassifyRequest(text="hi"), timeout=5)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert CANARY not in str(caught.value)
    assert CANARY not in str(caught.value.trailing_metadata())
    (span,) = recorder.named(CLASSIFY)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "INTERNAL"
    assert CANARY not in span.to_json()
    (line,) = lines_of(captured, CLASSIFY)
    assert line["log_level"] == "error"
    assert isinstance(line["exc_info"], ValueError)
    details = dict(caught.value.trailing_metadata() or ())
    status = Status.FromString(details["grpc-status-details-bin"])
    asked = error_details_pb2.RequestInfo()
    assert any(detail.Unpack(asked) for detail in status.details)
    assert asked.request_id == line["trace_id"]


async def test_a_handler_that_aborts_by_itself_keeps_its_status() -> None:
    async def refuse(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with serving(FakeClassifier(refuse)) as server, classifier_stub(server) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Classify(pb.ClassifyRequest(text="hi"), timeout=5)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "no such thing"
    (span,) = recorder.named(CLASSIFY)
    assert (span.attributes or {})["rpc.response.status_code"] == "NOT_FOUND"
    assert span.status.status_code is StatusCode.UNSET
    (line,) = lines_of(captured, CLASSIFY)
    assert line["code"] == "NOT_FOUND"


async def test_what_a_handler_binds_stands_in_the_line_of_its_own_call_only() -> None:
    async def bind(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        if request.request_id:
            facts.bind(request_id=request.request_id)
        raise NoAnswer("nobody answered")

    async with serving(FakeClassifier(bind)) as server, classifier_stub(server) as stub:
        seen = []
        for request_id in ("r-1", ""):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Classify(pb.ClassifyRequest(text="hi", request_id=request_id), timeout=5)
            seen.append(_error_info(caught.value))

    assert seen[0].reason == "NO_ANSWER"
    assert seen[0].metadata["request_id"] == "r-1"
    assert len(seen[0].metadata["trace_id"]) == 32
    assert "request_id" not in seen[1].metadata


@pytest.mark.wire_only
@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param(b"\xff\xff\xff\xff", id="no message at all"),
        pytest.param(b"\x0a\x02\xc3\x28", id="text that is not UTF-8"),
    ],
)
async def test_bytes_that_do_not_parse_are_the_callers_fault(malformed: bytes) -> None:
    with structlog.testing.capture_logs() as captured:
        async with (
            serving(classifier := FakeClassifier()) as server,
            open_channel(server.address, message_bytes=MESSAGE_BYTES) as channel,
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{CLASSIFY}", plain, plain)(malformed, timeout=5)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert _error_info(caught.value).reason == "REQUEST_MALFORMED"
    assert classifier.asked == []
    (line,) = lines_of(captured, CLASSIFY)
    assert line["reason"] == "REQUEST_MALFORMED"


async def test_the_longest_error_that_there_can_be_arrives_every_time() -> None:
    """Metadata over gRPC's soft limit is dropped at random, and the call with it."""
    skips = [Skip(candidate=f"provider/model-{n}", reason=SkipReason.COOLING, detail="쉽니다 " * 50) for n in range(90)]

    async def fail(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        facts.bind(request_id="r" * 128)
        raise NoAnswer("모두 실패했습니다 " * 500, trail=Trail([*skips]), category="가" * 400)

    async with serving(FakeClassifier(fail)) as server, classifier_stub(server) as stub:
        for _ in range(50):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Classify(pb.ClassifyRequest(text="hi"), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert _error_info(caught.value).reason == "NO_ANSWER"


async def test_an_unknown_method_is_unimplemented() -> None:
    async with serving(FakeClassifier()) as server, channel_to(server) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/pointsman.v1.ClassifierService/Guess", plain, plain)(b"", timeout=5)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_that_is_already_past_never_reaches_the_handler() -> None:
    async with serving(classifier := FakeClassifier()) as server, classifier_stub(server) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Classify(pb.ClassifyRequest(text="hi"), timeout=-1)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert classifier.asked == []


async def test_a_deadline_that_passes_cancels_the_handler_and_is_named_so() -> None:
    cancelled = asyncio.Event()

    async def wait(request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return pb.ClassifyResponse()

    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with serving(FakeClassifier(wait)) as server, classifier_stub(server) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Classify(pb.ClassifyRequest(text="hi"), timeout=0.1)
            async with within(1):
                await cancelled.wait()

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    (span,) = recorder.named(CLASSIFY)
    assert (span.attributes or {})["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    (line,) = lines_of(captured, CLASSIFY)
    assert line["code"] == "DEADLINE_EXCEEDED"
    assert line["log_level"] == "warning"


def _error_info(error: grpc.aio.AioRpcError) -> "error_details_pb2.ErrorInfo":
    info = error_details_pb2.ErrorInfo()
    status = Status.FromString(dict(error.trailing_metadata() or ())["grpc-status-details-bin"])
    assert any(detail.Unpack(info) for detail in status.details)
    return info
