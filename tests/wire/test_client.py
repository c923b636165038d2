"""The Python client against a real Router: answers, streams, plans, and errors by reason."""

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from opentelemetry.propagate import inject

import pointsman_client
from pointsman.cli.stack import Stack
from pointsman.domain import errors
from pointsman.domain.clock import SystemClock
from pointsman.domain.trail import Skip, SkipReason, Trail
from pointsman.v1 import executor_pb2 as pb
from pointsman.v1 import types_pb2
from pointsman_client import Client, InvalidRequest, OutOfTime, RouteError, Unreachable
from pointsman_client.__main__ import ask, parse
from tests.fakes.patience import within
from tests.fakes.serving import Context, FakeClassifier, FakeExecutor, routing
from tests.fakes.spans import recorded_spans

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20 + b"IEND\xaeB`\x82"
ROOT = Path(__file__).parents[2]
SKIP = Skip(candidate="openai/gpt-4", reason=SkipReason.COOLING)


START = pb.StreamExecuteResponse(start=pb.StreamStart(candidate="openai/gpt-4"))
END = pb.StreamExecuteResponse(end=pb.StreamEnd(finish_reason=types_pb2.FINISH_REASON_STOP))


async def three_events(request: pb.StreamExecuteRequest, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
    yield START
    yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="fo"))
    yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="ur"))
    yield END


async def waiting(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
    yield START
    yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="fo"))
    await asyncio.Event().wait()


def failing(error: Exception) -> Callable[[object, Context], Awaitable[pb.ExecuteResponse]]:
    async def fail(request: object, context: Context) -> pb.ExecuteResponse:
        raise error

    return fail


async def test_an_answer_is_a_text_with_everything_behind_it() -> None:
    async with routing(FakeClassifier(), executor := FakeExecutor()) as router, Client(router.address) as client:
        answer = await client.route("2+2는?", max_output_tokens=5, timeout_s=5)

    assert str(answer) == answer.text == "4"
    assert (answer.category, answer.candidate, answer.cost_usd) == ("coding", "openai/gpt-4", None)
    assert (answer.local, answer.simulated, answer.degraded) == (False, False, False)
    assert answer.response.verdict.confidence == 0.9
    assert executor.asked[0].options.max_output_tokens == 5


async def test_a_call_without_a_time_limit_has_one() -> None:
    async with routing(FakeClassifier(), executor := FakeExecutor()) as router, Client(router.address) as client:
        await client.route("hi")

    assert 110 < (executor.remaining_s[0] or 0) <= 122  # the wire rounds long timeouts up


async def test_images_travel_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    async with routing(None, executor := FakeExecutor()) as router, Client(router.address) as client:
        await client.route("see", images=[tmp_path / "a.png", PNG, "https://a.example/b.png"])

    parts = executor.asked[0].messages[0].parts
    assert [part.image.mime_type for part in parts[1:3]] == ["image/png", "image/png"]
    assert parts[3].image_url.url == "https://a.example/b.png"


async def test_a_conversation_can_be_sent_too() -> None:
    said = types_pb2.Message(role=types_pb2.ROLE_USER, parts=[types_pb2.Part(text="hi")])

    async with routing(None, executor := FakeExecutor()) as router, Client(router.address) as client:
        await client.route([said], category="review", images=[PNG], options=types_pb2.Options(local_only=True))

    (asked,) = executor.asked
    assert (asked.category, asked.options.local_only, len(asked.messages[0].parts)) == ("review", True, 2)
    assert len(said.parts) == 1


async def test_a_plan_names_the_candidates_in_order() -> None:
    async with routing(FakeClassifier(), FakeExecutor()) as router, Client(router.address) as client:
        explained = await client.explain("hi")

    assert (explained.category, explained.confidence) == ("coding", 0.9)
    assert explained.candidates == ("openai/gpt-4",)


async def test_a_stream_gives_its_text_piece_by_piece() -> None:
    async with (
        routing(FakeClassifier(), FakeExecutor(stream=three_events)) as router,
        Client(router.address) as client,
        client.stream("2+2?", timeout_s=5) as stream,
    ):
        pieces = [text async for text in stream]

    assert pieces == ["fo", "ur"]
    assert stream.start is not None
    assert stream.start.verdict.category == "coding"
    assert stream.end is not None
    assert stream.end.finish_reason == types_pb2.FINISH_REASON_STOP


async def test_every_message_of_a_stream_can_be_read() -> None:
    async with (
        routing(FakeClassifier(), FakeExecutor(stream=three_events)) as router,
        Client(router.address) as client,
        client.stream("2+2?", timeout_s=5) as stream,
    ):
        kinds = [event.WhichOneof("event") async for event in stream.events()]

    assert kinds == ["start", "delta", "delta", "end"]
    assert stream.end is not None


async def test_tool_calls_of_a_stream_are_put_together() -> None:
    async def calling(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        yield START
        for grown in (
            pb.ToolCallDelta(index=0, id="a", name="add", arguments_json='{"x"'),
            pb.ToolCallDelta(index=1, id="b", name="now"),
            pb.ToolCallDelta(index=0, arguments_json=": 2}"),
        ):
            yield pb.StreamExecuteResponse(delta=pb.StreamDelta(tool_calls=[grown]))
        yield END

    async with (
        routing(FakeClassifier(), FakeExecutor(stream=calling)) as router,
        Client(router.address) as client,
        client.stream("?", timeout_s=5) as stream,
    ):
        assert [text async for text in stream] == []

    assert [(call.id, call.name, call.arguments_json) for call in stream.tool_calls] == [
        ("a", "add", '{"x": 2}'), ("b", "now", ""),
    ]  # fmt: skip


async def test_an_answer_that_broke_off_is_told_from_a_whole_one() -> None:
    async def breaking(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        yield START
        yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="fo"))
        yield pb.StreamExecuteResponse(
            end=pb.StreamEnd(finish_reason=types_pb2.FINISH_REASON_INTERRUPTED, partial=True)
        )

    async with (
        routing(FakeClassifier(), FakeExecutor(stream=breaking)) as router,
        Client(router.address) as client,
        client.stream("2+2?", timeout_s=5) as stream,
    ):
        assert [text async for text in stream] == ["fo"]

    assert stream.end is not None
    assert stream.end.partial


@pytest.mark.parametrize("begun", [False, True], ids=["before the start", "after it"])
async def test_a_stream_fails_like_a_call_and_says_whether_something_had_come(*, begun: bool) -> None:
    async def failing_stream(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        if begun:
            yield START
        raise errors.PoolExhausted("all cool", trail=Trail([SKIP]), ready_at=None)

    async with (
        routing(FakeClassifier(), FakeExecutor(stream=failing_stream)) as router,
        Client(router.address) as client,
        client.stream("hi") as stream,
    ):
        with pytest.raises(RouteError) as caught:
            await anext(aiter(stream))

    assert type(caught.value) is pointsman_client.PoolExhausted
    assert caught.value.partial is begun
    assert caught.value.trail is not None


async def test_a_router_that_goes_away_while_it_answers_is_said_to_have_done_so() -> None:
    async with routing(FakeClassifier(), FakeExecutor(stream=waiting)) as router, Client(router.address) as client:
        texts = aiter(client.stream("hi"))
        await anext(texts)
        await router.stop()
        with pytest.raises(Unreachable, match="went away while it answered") as caught:
            await anext(texts)

    assert caught.value.partial


async def test_a_stream_without_its_last_message_is_no_answer() -> None:
    async def cut(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        yield START
        yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="fo"))

    async with (
        routing(FakeClassifier(), FakeExecutor(stream=cut)) as router,
        Client(router.address) as client,
        client.stream("hi") as stream,
    ):
        with pytest.raises(RouteError, match="without its first or its last message") as caught:
            async for _ in stream:
                pass

    assert (caught.value.code, caught.value.partial) == (grpc.StatusCode.INTERNAL, True)


async def test_a_deadline_holds_for_a_stream() -> None:
    async with routing(FakeClassifier(), FakeExecutor(stream=waiting)) as router, Client(router.address) as client:
        with pytest.raises(OutOfTime) as caught:
            async for _ in client.stream("hi", timeout_s=0.5):
                pass

    assert caught.value.partial


async def test_cancelling_the_task_that_reads_cancels_the_call() -> None:
    stopped = asyncio.Event()

    async def watched(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        try:
            async for event in waiting(request, context):
                yield event
        finally:
            stopped.set()

    async with routing(FakeClassifier(), FakeExecutor(stream=watched)) as router, Client(router.address) as client:
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in client.stream("hi"):
                begun.set()

        reading = asyncio.ensure_future(read())
        async with within(1):
            await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        async with within(1):
            await stopped.wait()


async def test_closing_the_client_does_not_cancel_the_task_that_reads() -> None:
    async with routing(FakeClassifier(), FakeExecutor(stream=waiting)) as router:
        client = Client(router.address)
        texts = aiter(client.stream("hi"))
        await anext(texts)
        reading = asyncio.ensure_future(anext(texts))
        await asyncio.sleep(0)  # noqa: TID251 - lets it begin; no time passes
        await client.close()
        with pytest.raises(RouteError, match="given up while it was read"):
            await reading


async def test_a_stream_is_read_once() -> None:
    async with (
        routing(FakeClassifier(), FakeExecutor(stream=three_events)) as router,
        Client(router.address) as client,
        client.stream("hi") as stream,
    ):
        async for _ in stream:
            break
        with pytest.raises(RuntimeError, match="a stream can be read once"):
            await anext(aiter(stream))


@pytest.mark.parametrize("guarded", [True, False], ids=["under async with", "bare"])
async def test_a_stream_left_early_is_given_up(*, guarded: bool) -> None:
    stopped = asyncio.Event()

    async def endless(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        try:
            while True:
                yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="a"))
        finally:
            stopped.set()

    async with routing(FakeClassifier(), FakeExecutor(stream=endless)) as router, Client(router.address) as client:
        if guarded:
            async with client.stream("go on") as stream:
                async for _ in stream:
                    break
        else:
            async for _ in client.stream("go on"):
                break
        async with within(1):
            await stopped.wait()


@pytest.mark.parametrize(
    "error, kind, code",
    [
        pytest.param(
            errors.PoolExhausted("all cool", trail=Trail([SKIP]), ready_at=None), "PoolExhausted", "RESOURCE_EXHAUSTED",
            id="PoolExhausted",
        ),
        pytest.param(errors.NoAnswer("all failed"), "NoAnswer", "UNAVAILABLE", id="NoAnswer"),
        pytest.param(errors.NoCredentials("no keys"), "NoCredentials", "FAILED_PRECONDITION", id="NoCredentials"),
        pytest.param(errors.OutOfTime("late"), "OutOfTime", "DEADLINE_EXCEEDED", id="OutOfTime"),
        pytest.param(KeyError("oops"), "RouteError", "INTERNAL", id="anything else"),
    ],
)  # fmt: skip
async def test_a_failure_is_an_exception_of_its_kind(error: Exception, kind: str, code: str) -> None:
    async with routing(FakeClassifier(), FakeExecutor(failing(error))) as router, Client(router.address) as client:
        with pytest.raises(RouteError) as caught:
            await client.route("hi")

    assert type(caught.value) is getattr(pointsman_client, kind)
    assert caught.value.code.name == code
    assert caught.value.reason == getattr(error, "reason", "INTERNAL")
    assert len(caught.value.metadata["trace_id"]) == 32


async def test_an_exhausted_pool_says_when_to_come_back_and_what_was_left_out() -> None:
    ready_at = SystemClock().now() + timedelta(seconds=30)
    error = errors.PoolExhausted("all cool", trail=Trail([SKIP]), ready_at=ready_at)

    async with routing(FakeClassifier(), FakeExecutor(failing(error))) as router, Client(router.address) as client:
        with pytest.raises(pointsman_client.PoolExhausted) as caught:
            await client.route("hi")

    assert 25 < (caught.value.retry_after_s or 0) <= 30
    assert caught.value.trail is not None
    assert caught.value.trail.steps[0].skip.candidate == "openai/gpt-4"
    assert caught.value.verdict is not None
    assert caught.value.verdict.category == "coding"


async def test_a_bad_request_names_its_fields() -> None:
    async with routing(FakeClassifier(), FakeExecutor()) as router, Client(router.address) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.route("hi", category="cooking", max_output_tokens=-1)

    fields = [(field, reason) for field, reason, _ in caught.value.violations]
    assert fields == [
        ("options.max_output_tokens", "MAX_OUTPUT_TOKENS_INVALID"), ("options.category", "CATEGORY_UNKNOWN"),
    ]  # fmt: skip


async def test_a_router_that_does_not_run_is_unreachable_in_a_plain_sentence() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(Unreachable) as caught:
            await client.route("hi", timeout_s=5)

    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert str(caught.value) == (
        "no Pointsman answers at 127.0.0.1:1; start one with `pointsman up`, or without keys with `pointsman demo`, "
        "or give the address of one that runs"
    )


async def test_another_service_is_told_from_a_router(stack: Stack) -> None:
    async with Client(stack.executor.address) as client:
        with pytest.raises(RouteError, match=f"{stack.executor.address} is no Router of Pointsman"):
            await client.route("hi")
        with pytest.raises(RouteError, match="is no Router of Pointsman"):
            async for _ in client.stream("hi"):
                pass


@pytest.mark.parametrize("readme", ["README.md", "clients/python/README.md"])
async def test_every_whole_program_of_a_readme_gets_its_answer(readme: str, stack: Stack) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    programs = [block.replace("127.0.0.1:50051", stack.router.address) for block in blocks if "asyncio.run" in block]

    for program in programs:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", program, env={}, stdout=PIPE, stderr=PIPE
        )
        out, err = await running.communicate()

        assert (running.returncode, err) == (0, b"")
        assert b"[simulated" in out
    assert programs


@pytest.mark.parametrize("address", ["", " "])
async def test_an_empty_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match=r"address is empty; give host:port, such as 127\.0\.0\.1:50051"):
        Client(address)


@pytest.mark.parametrize(
    "prompt", [5, None, b"hi", ["hi"], types_pb2.Message()], ids=["number", "None", "bytes", "texts", "a message alone"]
)
async def test_what_is_no_prompt_is_told_from_one(prompt: Any) -> None:  # noqa: ANN401 - what a caller without types gives
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match="give a str, or a list of"):
            await client.route(prompt)


@pytest.mark.parametrize("image", ["cat.png", "/pictures/cat.png", "./cat.png", ""])
async def test_a_path_that_is_a_str_comes_back_with_the_way_to_write_it(image: str) -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=re.escape(f"{image!r} is no URL; for a file give Path({image!r})")):
            await client.route("What is this?", images=[image])


@pytest.mark.parametrize("images", ["https://a.example/b.png", PNG, Path("a.png")], ids=["url", "bytes", "path"])
async def test_one_image_without_its_list_is_refused(images: Any) -> None:  # noqa: ANN401 - as above
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match="give a list of images"):
            await client.route("What is this?", images=images)


async def test_a_deadline_of_the_callers_is_kept() -> None:
    async def hang(request: object, context: Context) -> pb.ExecuteResponse:
        await asyncio.Event().wait()
        return pb.ExecuteResponse()

    async with routing(FakeClassifier(), FakeExecutor(hang)) as router, Client(router.address) as client:
        with pytest.raises(OutOfTime):
            await client.route("hi", timeout_s=0.3)


async def test_the_callers_trace_goes_on() -> None:
    with recorded_spans() as recorder:
        async with routing(FakeClassifier(), FakeExecutor()) as router, Client(router.address) as client:
            with recorder.tracer.start_as_current_span("caller") as caller:
                answer = await client.route("hi")
                carrier: dict[str, str] = {}
                inject(carrier)

    (served,) = recorder.named("pointsman.v1.RouterService/Route")
    assert served.parent is not None
    assert served.parent.span_id == caller.get_span_context().span_id
    assert answer.response.trace_id == carrier["traceparent"].split("-")[1]


async def test_the_callers_trace_goes_on_in_a_stream() -> None:
    with recorded_spans() as recorder:
        async with (
            routing(FakeClassifier(), FakeExecutor(stream=three_events)) as router,
            Client(router.address) as client,
        ):
            with recorder.tracer.start_as_current_span("caller") as caller:
                async for _ in client.stream("hi"):
                    pass

    (served,) = recorder.named("pointsman.v1.RouterService/StreamRoute")
    assert served.parent is not None
    assert served.parent.span_id == caller.get_span_context().span_id


@pytest.mark.parametrize(
    "extra, shown",
    [
        pytest.param([], "4\n", id="the text"),
        pytest.param(["--stream"], "four\n", id="the text as it comes"),
        pytest.param(["--timeout-s", "9"], "4\n", id="the option's older name"),
    ],
)
async def test_the_command_prints_the_answer(extra: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs():
        async with routing(FakeClassifier(), FakeExecutor(stream=three_events)) as router:
            status = await ask(parse(["2+2?", "--address", router.address, *extra]))

    assert status == 0
    assert capsys.readouterr().out == shown


async def test_the_command_says_that_an_answer_broke_off(capsys: pytest.CaptureFixture[str]) -> None:
    async def breaking(request: object, context: Context) -> AsyncIterator[pb.StreamExecuteResponse]:
        yield START
        yield pb.StreamExecuteResponse(delta=pb.StreamDelta(text="fo"))
        yield pb.StreamExecuteResponse(end=pb.StreamEnd(partial=True))

    with structlog.testing.capture_logs():
        async with routing(FakeClassifier(), FakeExecutor(stream=breaking)) as router:
            status = await ask(parse(["2+2?", "--address", router.address, "--stream"]))

    assert status == 1
    shown = capsys.readouterr()
    assert shown.out == "fo\n"
    assert shown.err == "[coding · openai/gpt-4]\nthe answer broke off: what came is not all of it\n"


async def test_a_stream_as_json_is_one_message_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs():
        async with routing(FakeClassifier(), FakeExecutor(stream=three_events)) as router:
            await ask(parse(["2+2?", "--address", router.address, "--stream", "--json"]))

    shown = capsys.readouterr()
    assert [next(iter(json.loads(line))) for line in shown.out.splitlines()] == ["start", "delta", "delta", "end"]
    assert shown.err == ""


async def test_the_command_says_something_when_it_is_stopped() -> None:
    asked = asyncio.Event()

    async def silent(request: object, context: Context) -> pb.ExecuteResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    async with routing(FakeClassifier(), FakeExecutor(silent)) as router:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pointsman_client", "hi", "--address", router.address, stdout=PIPE, stderr=PIPE
        )
        await asyncio.wait_for(asked.wait(), 20)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 130
    assert err == b"stopped; the request was cancelled\n"


async def test_the_command_prints_the_whole_response_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs():
        async with routing(FakeClassifier(), FakeExecutor()) as router:
            await ask(parse(["2+2?", "--address", router.address, "--json"]))

    assert json.loads(capsys.readouterr().out)["verdict"]["category"] == "coding"


@pytest.mark.parametrize(
    "arguments, told",
    [
        pytest.param(
            ["hi", "--address", "127.0.0.1:1"],
            "no Pointsman answers at 127.0.0.1:1; start one with `pointsman up`, "
            "or without keys with `pointsman demo`, or give the address of one that runs (UNAVAILABLE)\n",
            id="nobody there",
        ),
        pytest.param(
            ["hi", "--address", ""], "address is empty; give host:port, such as 127.0.0.1:50051\n", id="no address"
        ),
        pytest.param(
            ["hi", "--address", "http://127.0.0.1:1"],
            "address http://127.0.0.1:1 is a URL; give host:port alone, such as 127.0.0.1:50051\n",
            id="a URL",
        ),
        pytest.param(["hi", "--authority", "/no.pem"], "cannot read /no.pem: No such file or directory\n", id="no PEM"),
        pytest.param(
            ["hi", "--image", "/nowhere.png"], "cannot read /nowhere.png: No such file or directory\n", id="no image"
        ),
    ],
)
async def test_the_command_says_why_it_failed(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await ask(parse(arguments))

    assert status == 1
    assert capsys.readouterr().err == told


async def test_the_command_names_code_and_reason_of_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs():
        async with routing(FakeClassifier(), FakeExecutor()) as router:
            status = await ask(parse([" ", "--address", router.address]))

    assert status == 1
    assert capsys.readouterr().err.endswith(" (INVALID_ARGUMENT, PROMPT_EMPTY)\n")
