"""The whole tree of spans of one request, for each way in which it can go: Router, Executor, every attempt, every skip.

A line is a span: kind, name, how it ended. What it is indented under is its parent; a line with "!" is an event on it.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan  # noqa: TID251  # what the fake collector keeps
from opentelemetry.trace import StatusCode

from pointsman.config.settings import ExecutorSettings
from pointsman.v1 import router_pb2, types_pb2
from tests.fakes.http_server import FakeHttpServer, Fate, ScriptedReply, json_reply
from tests.fakes.patience import within
from tests.fakes.spans import SpanRecorder, recorded_spans
from tests.fakes.streaming import CASES, EXECUTOR, UNHURRIED, Routed, playing, routed, settings_of

OPENAI = CASES[0]
ANSWER = OPENAI.reply(OPENAI.whole)
LIMITED = json_reply({"error": {"message": "Rate limit reached."}}, status=429, headers={"retry-after": "60"})
ROUTED = ["SERVER RouterService/StreamRoute: OK"]
EXECUTED = [
    *ROUTED,
    "  CLIENT ExecutorService/StreamExecute: OK",
    "    SERVER ExecutorService/StreamExecute: OK",
]
ANSWERED = "      CLIENT chat gpt-6.2-sol: answered"


@asynccontextmanager
async def scene(
    *script: ScriptedReply,
    has_backup: bool = False,
    is_fallback: bool = False,
    executor: ExecutorSettings = EXECUTOR,
) -> AsyncIterator[tuple[Routed, FakeHttpServer]]:
    """Run Router and Executor before a subject that plays the script; the backup answers, or fails for a fallback."""
    subject, backup = FakeHttpServer(), FakeHttpServer()
    subject.play(*script)
    backup.play(OPENAI.reply(b"", status=503) if is_fallback else ANSWER)
    async with playing(subject, backup):
        backup_url = backup.url if has_backup or is_fallback else ""
        settings = settings_of(OPENAI, subject.url, backup_url=backup_url, is_fallback=is_fallback, executor=executor)
        async with routed(settings) as stack:
            yield stack, subject


async def ask(stack: Routed, *, timeout_s: float = 5.0, category: str = "quick") -> None:
    """Take one stream to its end, whatever that is."""
    request = router_pb2.StreamRouteRequest(text="?", options=types_pb2.Options(category=category))
    with suppress(grpc.aio.AioRpcError):
        async for _ in stack.router.StreamRoute(request, timeout=timeout_s):
            pass


def trees(recorder: SpanRecorder) -> list[list[str]]:
    """Return each trace of a stream as lines. Every span that was begun has ended, once."""
    ended = [span for span in recorder.ended if span.context]
    ids = [span.context.span_id for span in ended if span.context]
    assert len(set(ids)) == len(ids) == recorder.begun
    ordered = sorted(ended, key=lambda span: span.start_time or 0)
    roots = [span for span in ordered if span.parent is None and span.name.endswith("StreamRoute")]
    return [[*lines_under(root, ordered, "")] for root in roots]


def lines_under(span: ReadableSpan, spans: Sequence[ReadableSpan], indent: str) -> list[str]:
    about = dict(span.attributes or {})
    ending = about.get("pointsman.outcome", about.get("rpc.response.status_code"))
    line = f"{indent}{span.kind.name} {span.name.removeprefix('pointsman.v1.')}: {ending}"
    if span.status.status_code is StatusCode.ERROR:
        line += f" [error {about['error.type']}]"
    line += "".join(f" [{flag}]" for flag in ("cancelled", "fallback") if about.get(f"pointsman.{flag}"))
    events = [
        f"{indent}  ! {event.name} {(event.attributes or {})['pointsman.candidate']!s}: "
        f"{(event.attributes or {})['pointsman.reason']!s}"
        for event in span.events
    ]
    children = [
        child for child in spans if child.parent and span.context and child.parent.span_id == span.context.span_id
    ]
    return [line, *events, *(each for child in children for each in lines_under(child, spans, indent + "  "))]


async def test_success_at_the_first_try_is_one_attempt() -> None:
    with recorded_spans() as recorder:
        async with scene(ANSWER) as (stack, _):
            await ask(stack)

    assert trees(recorder) == [[*EXECUTED, ANSWERED]]
    (attempt,) = recorder.named("chat gpt-6.2-sol")
    about = dict(attempt.attributes or {})
    assert about["gen_ai.usage.input_tokens"] == OPENAI.usage.input_tokens
    assert about["gen_ai.usage.output_tokens"] == OPENAI.usage.output_tokens
    assert about["gen_ai.usage.reasoning.output_tokens"] == OPENAI.usage.reasoning_tokens
    assert about["gen_ai.response.finish_reasons"] == ("stop",)
    assert about["gen_ai.response.time_to_first_chunk"] > 0  # type: ignore[operator]  # a float
    assert "gen_ai.input.messages" not in about


async def test_a_limited_candidate_is_an_attempt_once_and_a_skip_from_then_on() -> None:
    with recorded_spans() as recorder:
        async with scene(LIMITED, has_backup=True) as (stack, _):
            await ask(stack)
            await ask(stack)

    first, second = trees(recorder)
    assert first == [*EXECUTED, "      CLIENT chat gpt-6.2-sol: rate_limited [error rate_limited]", ANSWERED]
    assert second == [*EXECUTED, "      ! pointsman.skip subject/m: cooling", ANSWERED]
    skips = [event for span in recorder.ended for event in span.events]
    assert all((event.attributes or {})["pointsman.ready_at"] for event in skips)


async def test_the_fallback_is_marked_as_such() -> None:
    with recorded_spans() as recorder:
        async with scene(ANSWER, is_fallback=True) as (stack, _):
            await ask(stack)

    failed = "      CLIENT chat gpt-6.2-sol: overloaded [error overloaded]"
    assert trees(recorder) == [[*EXECUTED, failed, f"{ANSWERED} [fallback]"]]


async def test_a_caller_who_leaves_is_no_error_of_anybodys() -> None:
    with recorded_spans() as recorder:
        async with scene(OPENAI.reply(OPENAI.begun, fate=Fate.STALL)) as (stack, subject):
            request = router_pb2.StreamRouteRequest(text="?", options=types_pb2.Options(category="quick"))
            stream = stack.router.StreamRoute(request, timeout=5)
            async for event in stream:
                if event.WhichOneof("event") == "delta":
                    stream.cancel()
                    break
            async with within(5):
                await subject.left.wait()
            await stack.at_rest()

    assert trees(recorder) == [
        [
            "SERVER RouterService/StreamRoute: CANCELLED [cancelled]",
            "  CLIENT ExecutorService/StreamExecute: CANCELLED [cancelled]",
            "    SERVER ExecutorService/StreamExecute: CANCELLED [cancelled]",
            "      CLIENT chat gpt-6.2-sol: cancelled [cancelled]",
        ]
    ]
    (attempt,) = recorder.named("chat gpt-6.2-sol")
    assert (attempt.attributes or {})["pointsman.usage_estimated"] is True


async def test_a_deadline_fails_every_hop_above_the_attempt_that_was_late() -> None:
    with recorded_spans() as recorder:
        async with scene(OPENAI.reply(b"", fate=Fate.SILENCE), executor=UNHURRIED) as (stack, _):
            await ask(stack, timeout_s=0.6)

    late = "DEADLINE_EXCEEDED [error DEADLINE_EXCEEDED]"
    assert trees(recorder) == [
        [
            f"SERVER RouterService/StreamRoute: {late}",
            f"  CLIENT ExecutorService/StreamExecute: {late}",
            f"    SERVER ExecutorService/StreamExecute: {late}",
            "      CLIENT chat gpt-6.2-sol: timed_out [error timed_out]",
        ]
    ]


async def test_a_stream_that_breaks_midway_fails_its_attempt_and_no_hop() -> None:
    with recorded_spans() as recorder:
        async with scene(OPENAI.reply(OPENAI.begun, fate=Fate.TRUNCATE), has_backup=True) as (stack, _):
            await ask(stack)

    assert trees(recorder) == [[*EXECUTED, "      CLIENT chat gpt-6.2-sol: network [error network]"]]


async def test_a_classifier_that_is_down_fails_its_own_hop_alone() -> None:
    with recorded_spans() as recorder:
        async with scene(ANSWER) as (stack, _):
            await ask(stack, category="")

    lost = "  CLIENT ClassifierService/Classify: UNAVAILABLE [error UNAVAILABLE]"
    assert trees(recorder) == [[*ROUTED, lost, *EXECUTED[1:], ANSWERED]]


@pytest.mark.parametrize("sent", ["vendor=1", "a=1,b=2"])
async def test_the_callers_tracestate_is_kept_to_the_provider_that_is_told_of_the_trace(sent: str) -> None:
    subject = FakeHttpServer()
    subject.play(ANSWER)
    async with playing(subject):
        settings = settings_of(OPENAI, subject.url)
        traced = {name: replace(each, trace_context=True) for name, each in settings.providers.items()}
        with recorded_spans() as recorder:
            async with routed(replace(settings, providers=traced)) as stack:
                metadata = (("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"), ("tracestate", sent))
                request = router_pb2.StreamRouteRequest(text="?", options=types_pb2.Options(category="quick"))
                async for _ in stack.router.StreamRoute(request, timeout=5, metadata=metadata):
                    pass

    (attempt,) = recorder.named("chat gpt-6.2-sol")
    (seen,) = subject.requests
    assert attempt.context
    assert seen.headers["traceparent"] == f"00-{'a' * 32}-{attempt.context.span_id:016x}-01"
    assert seen.headers["tracestate"] == sent


async def test_a_provider_is_told_nothing_of_the_trace_unless_the_settings_say_so() -> None:
    with recorded_spans():
        async with scene(ANSWER) as (stack, subject):
            await ask(stack)

    (seen,) = subject.requests
    assert {"traceparent", "tracestate"} & seen.headers.keys() == set()


async def test_content_goes_on_the_attempts_span_by_setting_and_is_cut() -> None:
    subject = FakeHttpServer()
    subject.play(ANSWER)
    async with playing(subject):
        settings = settings_of(OPENAI, subject.url)
        telling = replace(settings, telemetry=replace(settings.telemetry, content_bytes=100))
        with recorded_spans() as recorder:
            async with routed(telling) as stack:
                text = f"sk-{'a' * 20} " + "가" * 1_000
                request = router_pb2.StreamRouteRequest(text=text, options=types_pb2.Options(category="quick"))
                async for _ in stack.router.StreamRoute(request, timeout=5):
                    pass

    (attempt,) = recorder.named("chat gpt-6.2-sol")
    about = dict(attempt.attributes or {})
    (asked,) = json.loads(str(about["gen_ai.input.messages"]))
    (said,) = json.loads(str(about["gen_ai.output.messages"]))
    assert (asked["role"], asked["parts"][0]["type"]) == ("user", "text")
    assert asked["parts"][0]["content"].startswith("[masked] 가")
    assert len(asked["parts"][0]["content"].encode()) <= 100
    assert said == {"role": "assistant", "parts": [{"type": "text", "content": "97"}], "finish_reason": "stop"}
