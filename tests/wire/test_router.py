"""The Router between real servers: what it passes on, what it absorbs, how it shares time."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2 as details_pb  # type: ignore[import-untyped]  # no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed

from pointsman.config.settings import LimitsSettings
from pointsman.domain.errors import InvalidRequest, NoAnswer, Violation
from pointsman.rpc.channel import open_channel
from pointsman.telemetry import facts
from pointsman.v1 import classifier_pb2 as classifier_pb
from pointsman.v1 import executor_pb2 as executor_pb
from pointsman.v1 import router_pb2, router_pb2_grpc
from pointsman.v1 import types_pb2 as pb
from tests.fakes.patience import within
from tests.fakes.serving import MESSAGE_BYTES, Context, FakeClassifier, FakeExecutor, lines_of, routing

ROUTE = "pointsman.v1.RouterService/Route"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20 + b"IEND\xaeB`\x82"
IMAGE = pb.Message(
    role=pb.ROLE_USER,
    parts=[pb.Part(text="what is it?"), pb.Part(image=pb.ImageBytes(data=PNG, mime_type="image/png"))],
)
CATEGORY_LATE = ("reasoning", pb.DECIDED_BY_DEFAULT)


async def route(
    address: str, request: router_pb2.RouteRequest | None = None, timeout_s: float | None = 10
) -> router_pb2.RouteResponse:
    async with open_channel(address, message_bytes=MESSAGE_BYTES) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        return await stub.Route(request or router_pb2.RouteRequest(text="2+2는?"), timeout=timeout_s)


async def hang(request: object, context: Context) -> classifier_pb.ClassifyResponse:
    await asyncio.Event().wait()
    return classifier_pb.ClassifyResponse()


async def explode(request: object, context: Context) -> classifier_pb.ClassifyResponse:
    raise KeyError


async def refuse(request: object, context: Context) -> classifier_pb.ClassifyResponse:
    raise InvalidRequest(Violation(field="text", reason="PROMPT_EMPTY", message="empty; say something"))


async def rule_on_cooking(request: object, context: Context) -> classifier_pb.ClassifyResponse:
    return classifier_pb.ClassifyResponse(verdict=pb.Verdict(category="cooking", confidence=1.0))


async def test_an_answer_carries_all_that_both_services_said() -> None:
    async def doubt(request: object, context: Context) -> classifier_pb.ClassifyResponse:
        verdict = pb.Verdict(category="coding", confidence=0.6, decided_by=pb.DECIDED_BY_EMBEDDED)
        return classifier_pb.ClassifyResponse(
            verdict=verdict, degraded_reasons=[pb.DEGRADED_REASON_MODEL_HOP_DOWN, pb.DEGRADED_REASON_LEDGER_LOCAL_SHARE]
        )

    async def execute(request: executor_pb.ExecuteRequest, context: Context) -> executor_pb.ExecuteResponse:
        return executor_pb.ExecuteResponse(
            answer=pb.Answer(text="4", finish_reason=pb.FINISH_REASON_STOP),
            candidate="local/qwen",
            model="qwen2.5",
            trail=pb.Trail(steps=[pb.TrailStep(attempt=pb.Attempt(candidate="local/qwen", fallback=True))]),
            usage=pb.Usage(input_tokens=3, output_tokens=1),
            cost_usd=0.0,
            local=True,
            simulated=True,
            degraded_reasons=[pb.DEGRADED_REASON_LOCAL_FALLBACK, pb.DEGRADED_REASON_LEDGER_LOCAL_SHARE],
        )

    classifier, executor = FakeClassifier(doubt), FakeExecutor(execute)
    async with routing(classifier, executor) as router:
        answer = await route(router.address, router_pb2.RouteRequest(text="2+2는?", request_id="r-1"))

    assert answer.answer.text == "4"
    assert (answer.verdict.category, answer.candidate, answer.model) == ("coding", "local/qwen", "qwen2.5")
    assert answer.trail.steps[0].attempt.fallback
    assert answer.HasField("cost_usd")
    assert (answer.local, answer.simulated, answer.degraded) == (True, True, True)
    assert list(answer.degraded_reasons) == [
        pb.DEGRADED_REASON_MODEL_HOP_DOWN,
        pb.DEGRADED_REASON_LEDGER_LOCAL_SHARE,
        pb.DEGRADED_REASON_LOCAL_FALLBACK,
    ]
    assert answer.request_id == "r-1"
    assert len(answer.trace_id) == 32
    assert [asked.request_id for asked in classifier.asked] == ["r-1"]
    (asked,) = executor.asked
    assert (asked.category, asked.request_id, asked.verdict.category) == ("coding", "r-1", "coding")


async def test_a_request_without_an_id_gets_one_and_all_hops_know_it() -> None:
    classifier, executor = FakeClassifier(), FakeExecutor()

    async with routing(classifier, executor) as router:
        answer = await route(router.address)

    assert len(answer.request_id) == 32
    assert classifier.asked[0].request_id == executor.asked[0].request_id == answer.request_id
    assert not answer.degraded
    assert not answer.HasField("cost_usd")


async def test_a_category_of_the_callers_skips_the_classifier() -> None:
    classifier, executor = FakeClassifier(), FakeExecutor()

    async with routing(classifier, executor) as router:
        request = router_pb2.RouteRequest(text="hi", options=pb.Options(category="review"))
        answer = await route(router.address, request)

    assert classifier.asked == []
    assert (answer.verdict.category, answer.verdict.decided_by) == ("review", pb.DECIDED_BY_CALLER)
    assert executor.asked[0].category == "review"


async def test_image_bytes_go_to_the_executor_and_not_to_the_classifier() -> None:
    classifier, executor = FakeClassifier(), FakeExecutor()

    async with routing(classifier, executor) as router:
        await route(router.address, router_pb2.RouteRequest(messages=[IMAGE]))

    (asked,) = classifier.asked
    assert (asked.text, asked.has_image) == ("what is it?", True)
    assert PNG not in asked.SerializeToString()
    assert executor.asked[0].messages[0].parts[1].image.data == PNG


@pytest.mark.parametrize(
    "classifier, reason, logged",
    [
        pytest.param(None, pb.DEGRADED_REASON_CLASSIFIER_DOWN, False, id="down"),
        pytest.param(FakeClassifier(hang), pb.DEGRADED_REASON_CLASSIFIER_LATE, False, id="late"),
        pytest.param(FakeClassifier(explode), pb.DEGRADED_REASON_CLASSIFIER_DOWN, True, id="broken"),
        pytest.param(FakeClassifier(refuse), pb.DEGRADED_REASON_CLASSIFIER_DOWN, True, id="refusing"),
        pytest.param(FakeClassifier(rule_on_cooking), pb.DEGRADED_REASON_CLASSIFIER_DOWN, True, id="ruling oddly"),
    ],
)
async def test_a_missing_verdict_is_stood_in_for(
    classifier: FakeClassifier | None, reason: pb.DegradedReason.ValueType, *, logged: bool
) -> None:
    executor = FakeExecutor()

    with structlog.testing.capture_logs() as captured:
        async with routing(classifier, executor, classifier_timeout_s=0.1) as router:
            answer = await route(router.address)
            sighted = await route(router.address, router_pb2.RouteRequest(messages=[IMAGE]))

    assert (answer.verdict.category, answer.verdict.decided_by) == ("reasoning", pb.DECIDED_BY_DEFAULT)
    assert (sighted.verdict.category, sighted.verdict.decided_by) == ("vision", pb.DECIDED_BY_RULE)
    assert list(answer.degraded_reasons) == list(sighted.degraded_reasons) == [reason]
    assert [asked.category for asked in executor.asked] == ["reasoning", "vision"]
    absorbed = [line for line in captured if line["event"] == "classifier.absorbed"]
    assert len(absorbed) == (2 if logged else 0)


async def test_a_missing_executor_is_said_at_once_with_the_verdict() -> None:
    async with routing(FakeClassifier(), None) as router:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with within(2):
                await route(router.address)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details_of(caught.value)[0].reason == "EXECUTOR_DOWN"
    assert details_of(caught.value)[1].category == "coding"


async def test_an_error_of_the_executors_passes_with_the_verdict_and_the_ids() -> None:
    async def fail(request: object, context: Context) -> executor_pb.ExecuteResponse:
        raise NoAnswer("all failed", category="coding")

    async with routing(FakeClassifier(), FakeExecutor(fail)) as router:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await route(router.address, router_pb2.RouteRequest(text="hi", request_id="r-1"))

    info, verdict = details_of(caught.value)
    assert (caught.value.code(), info.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_ANSWER")
    assert caught.value.details() == "all failed"
    assert info.metadata["request_id"] == "r-1"
    assert len(info.metadata["trace_id"]) == 32
    assert (verdict.category, verdict.decided_by) == ("coding", pb.DECIDED_BY_EMBEDDED)


async def test_an_exception_of_the_executors_is_internal_here_too() -> None:
    async def fail(request: object, context: Context) -> executor_pb.ExecuteResponse:
        raise ValueError("sk-canary0123456789abcdef")

    async with routing(FakeClassifier(), FakeExecutor(fail)) as router:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await route(router.address)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "canary" not in repr(caught.value) + repr(caught.value.trailing_metadata())


@pytest.mark.parametrize(
    "timeout_s, least_s, most_s",
    [
        pytest.param(5.0, 4.0, 4.0 + 0.96, id="the caller's, less a reserve"),
        pytest.param(None, 59.0, 60.0, id="the configured one for a caller without"),
    ],
)
async def test_the_executor_gets_what_is_left_of_the_deadline(
    timeout_s: float | None, least_s: float, most_s: float
) -> None:
    executor = FakeExecutor()

    async with routing(FakeClassifier(), executor, default_deadline_s=60.0) as router:
        await route(router.address, timeout_s=timeout_s)

    (remaining_s,) = executor.remaining_s
    assert remaining_s is not None
    assert least_s <= remaining_s <= most_s


async def test_a_deadline_too_short_for_a_model_is_out_of_time_before_any_call() -> None:
    executor = FakeExecutor()

    async with routing(FakeClassifier(), executor, reply_reserve_s=30.0) as router:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await route(router.address, timeout_s=5)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert details_of(caught.value)[0].reason == "OUT_OF_TIME"
    assert executor.asked == []


async def test_a_bad_request_reaches_nobody_and_has_an_id() -> None:
    classifier, executor = FakeClassifier(), FakeExecutor()

    with structlog.testing.capture_logs() as captured:
        async with routing(classifier, executor) as router:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await route(router.address, router_pb2.RouteRequest(text=" "))

    info = details_of(caught.value)[0]
    assert (caught.value.code(), info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PROMPT_EMPTY")
    assert len(info.metadata["request_id"]) == 32
    assert (classifier.asked, executor.asked) == ([], [])
    (line,) = lines_of(captured, ROUTE)
    assert line["reason"] == "PROMPT_EMPTY"


async def test_a_message_at_the_routers_limit_still_fits_on_its_way_on() -> None:
    limits = LimitsSettings(message_bytes=MESSAGE_BYTES, text_bytes=MESSAGE_BYTES)
    text = "a" * (MESSAGE_BYTES - 65_536 - 64)

    async with routing(FakeClassifier(), executor := FakeExecutor(), limits=limits) as router:
        await route(router.address, router_pb2.RouteRequest(text=text))

    assert executor.asked[0].text == text


async def test_explain_shows_the_plan_and_runs_nothing() -> None:
    async def fail(request: object, context: Context) -> executor_pb.ExecuteResponse:
        raise AssertionError

    async with (
        routing(None, FakeExecutor(fail)) as router,
        open_channel(router.address, message_bytes=MESSAGE_BYTES) as channel,
    ):
        request = router_pb2.ExplainRequest(text="hi", request_id="r-1")
        explained = await router_pb2_grpc.RouterServiceStub(channel).Explain(request, timeout=5)

    assert (explained.verdict.category, explained.plan.category) == ("reasoning", "reasoning")
    assert [planned.candidate for planned in explained.plan.ready] == ["openai/gpt-4"]
    assert list(explained.degraded_reasons) == [pb.DEGRADED_REASON_CLASSIFIER_DOWN]
    assert (explained.request_id, len(explained.trace_id)) == ("r-1", 32)


async def three_events(
    request: executor_pb.StreamExecuteRequest, context: Context
) -> AsyncIterator[executor_pb.StreamExecuteResponse]:
    yield executor_pb.StreamExecuteResponse(start=executor_pb.StreamStart(candidate="openai/gpt-4"))
    yield executor_pb.StreamExecuteResponse(delta=executor_pb.StreamDelta(text="4"))
    end = executor_pb.StreamEnd(
        finish_reason=pb.FINISH_REASON_STOP, degraded_reasons=[pb.DEGRADED_REASON_LOCAL_FALLBACK]
    )
    yield executor_pb.StreamExecuteResponse(end=end)


async def test_a_stream_is_relayed_with_the_verdict_at_its_start() -> None:
    async with (
        routing(None, FakeExecutor(stream=three_events)) as router,
        open_channel(router.address, message_bytes=MESSAGE_BYTES) as channel,
    ):
        request = router_pb2.StreamRouteRequest(text="2+2?", request_id="r-1")
        rpc = router_pb2_grpc.RouterServiceStub(channel).StreamRoute(request, timeout=5)
        start, delta, end = [event async for event in rpc]

    assert (start.start.verdict.category, start.start.chosen.candidate) == ("reasoning", "openai/gpt-4")
    assert (start.start.request_id, len(start.start.trace_id)) == ("r-1", 32)
    assert delta.delta.text == "4"
    assert list(end.end.degraded_reasons) == [pb.DEGRADED_REASON_CLASSIFIER_DOWN, pb.DEGRADED_REASON_LOCAL_FALLBACK]


async def test_a_stream_that_the_caller_leaves_is_given_up_at_the_executor() -> None:
    stopped = asyncio.Event()

    async def endless(request: object, context: Context) -> AsyncIterator[executor_pb.StreamExecuteResponse]:
        try:
            while True:
                yield executor_pb.StreamExecuteResponse(delta=executor_pb.StreamDelta(text="a"))
        finally:
            stopped.set()

    async with (
        routing(FakeClassifier(), FakeExecutor(stream=endless)) as router,
        open_channel(router.address, message_bytes=MESSAGE_BYTES) as channel,
    ):
        request = router_pb2.StreamRouteRequest(text="go on")
        rpc = router_pb2_grpc.RouterServiceStub(channel).StreamRoute(request, timeout=30)
        await anext(aiter(rpc))
        rpc.cancel()
        async with within(1):
            await stopped.wait()


@pytest.mark.parametrize("phase", ["classify", "execute"])
async def test_a_cancelled_route_is_given_up_wherever_it_is(phase: str) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: object, context: Context) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    classifier = FakeClassifier(wait if phase == "classify" else None)  # type: ignore[arg-type]  # never answers
    executor = FakeExecutor(wait if phase == "execute" else None)  # type: ignore[arg-type]  # never answers
    async with routing(classifier, executor, classifier_timeout_s=30.0) as router:
        task = asyncio.ensure_future(route(router.address, timeout_s=60))
        await begun.wait()
        task.cancel()
        async with within(0.1):
            await cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_line_of_a_route_tells_its_whole_story() -> None:
    with structlog.testing.capture_logs(processors=[facts.merge]) as captured:
        async with routing(FakeClassifier(), FakeExecutor()) as router:
            answer = await route(router.address)

    (line,) = lines_of(captured, ROUTE)
    assert all(line.pop(name) > 0 for name in ("duration_s", "classify_s", "execute_s"))
    assert line == {
        "event": "call.ended",
        "log_level": "info",
        "method": ROUTE,
        "code": "OK",
        "trace_id": answer.trace_id,
        "request_id": answer.request_id,
        "category": "coding",
        "decided_by": "embedded",
        "confidence": 0.9,
        "candidate": "openai/gpt-4",
        "outcome": None,
        "attempts": 0,
        "wasted": 0,
        "skips": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": None,
        "degraded": [],
    }


def details_of(error: grpc.aio.AioRpcError) -> "tuple[details_pb.ErrorInfo, pb.Verdict]":
    """Return the ErrorInfo, and the verdict or an empty one."""
    info, verdict = details_pb.ErrorInfo(), pb.Verdict()
    status = Status.FromString(dict(error.trailing_metadata() or ())["grpc-status-details-bin"])
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(verdict)
    return info, verdict
