"""Four wire formats, everything that can become of a stream, and what each part of Pointsman then shows.

Real servers, real sockets: caller, Router, Executor, provider. The Router is asked, the ledger and the journal are read
from the Executor, the provider tells who left.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
import pytest
import structlog

from pointsman.config.settings import ExecutorSettings
from pointsman.domain.answer import Usage
from pointsman.domain.errors import PointsmanError
from pointsman.domain.trail import Outcome, Skip
from pointsman.rpc import convert
from pointsman.rpc.status import from_call
from pointsman.v1 import executor_pb2, router_pb2, types_pb2
from tests.fakes.http_server import FakeHttpServer, Fate, ScriptedReply
from tests.fakes.patience import within
from tests.fakes.serving import lines_of
from tests.fakes.spans import SpanRecorder, recorded_spans
from tests.fakes.streaming import (
    BACKUP,
    CASES,
    EXECUTOR,
    SUBJECT,
    UNHURRIED,
    Routed,
    StreamCase,
    playing,
    routed,
    settings_of,
)

ROUTE = "pointsman.v1.RouterService/StreamRoute"
EXECUTE = "pointsman.v1.ExecutorService/StreamExecute"
DEADLINE_S = 0.6
"""Time enough to have asked a provider, on a busy machine too."""

SOON_S = 0.1
"""How soon a provider is left, once the caller has gone or the time is over."""

Events: TypeAlias = "grpc.aio.UnaryStreamCall[router_pb2.StreamRouteRequest, router_pb2.StreamRouteResponse]"
Script = Callable[[StreamCase], ScriptedReply]
wires = pytest.mark.parametrize("case", CASES, ids=lambda case: case.wire)


@dataclass(slots=True, kw_only=True)
class Told:
    """What a caller was told."""

    start: executor_pb2.StreamStart | None = None
    text: str = ""
    end: executor_pb2.StreamEnd | None = None
    error: PointsmanError | None = None

    @property
    def ended(self) -> executor_pb2.StreamEnd:
        assert self.end, self.error
        return self.end

    @property
    def usage(self) -> Usage:
        return convert.usage_from_pb(self.ended.usage)

    @property
    def story(self) -> list[str]:
        """The steps of the trail."""
        trail = self.error.trail if self.error else convert.trail_from_pb(self.ended.trail)
        assert trail
        return [f"{step.candidate}: {step.reason if isinstance(step, Skip) else step.outcome}" for step in trail.steps]


@dataclass(slots=True, kw_only=True)
class Scene:
    """Everything that one case plays on."""

    stack: Routed
    subject: FakeHttpServer
    backup: FakeHttpServer
    recorder: SpanRecorder
    captured: list[structlog.typing.EventDict] = field(default_factory=list)

    def call(self, timeout_s: float) -> "Events":
        request = router_pb2.StreamRouteRequest(text="?", options=types_pb2.Options(category="quick"))
        return self.stack.router.StreamRoute(request, timeout=timeout_s)

    async def listen(self, timeout_s: float = 5.0) -> Told:
        """Take a stream to its end."""
        told = Told()
        try:
            async for event in self.call(timeout_s):
                match event.WhichOneof("event"):
                    case "start":
                        assert told.start is None
                        told.start = event.start.chosen
                    case "delta":
                        assert told.start
                        told.text += event.delta.text
                    case _:
                        told.end = event.end
        except grpc.aio.AioRpcError as error:
            told.error = from_call(error)
        return told

    async def nothing_is_held(self) -> None:
        """Assert that the ledger has come back to rest, one request of the minute used."""
        state = await self.stack.at_rest()
        left = {(window.unit, window.period.seconds): (window.remaining, window.reserved) for window in state.windows}
        assert left["requests", 60] == (9, 0)
        assert left["concurrency", 0] == (2, 0)

    def ended_once(self, code: str, *, attempts: int) -> None:
        """Assert that every span and every line of the call is there once. For when the servers have stopped."""
        spans = [(span.name, span.kind.name) for span in self.recorder.ended if "StreamRoute" in span.name]
        spans += [(span.name, span.kind.name) for span in self.recorder.ended if "StreamExecute" in span.name]
        assert sorted(spans) == [(EXECUTE, "CLIENT"), (EXECUTE, "SERVER"), (ROUTE, "SERVER")]
        calls = [span for span in self.recorder.ended if span.name.startswith("chat ")]
        assert len(calls) == attempts
        assert all(call.attributes and call.attributes["gen_ai.request.stream"] for call in calls)
        assert [line["code"] for line in lines_of(self.captured, ROUTE)] == [code]
        assert [line["code"] for line in lines_of(self.captured, EXECUTE)] == [code]


@asynccontextmanager
async def scene(
    case: StreamCase, script: Script, *, has_backup: bool = True, executor: ExecutorSettings = EXECUTOR
) -> AsyncIterator[Scene]:
    """Set the scene: the subject plays the script, the backup always answers."""
    subject, backup = FakeHttpServer(), FakeHttpServer()
    subject.play(script(case))
    backup.play(CASES[0].reply(CASES[0].whole))
    with recorded_spans() as recorder, structlog.testing.capture_logs() as captured:
        async with playing(subject, backup):
            settings = settings_of(case, subject.url, backup_url=backup.url if has_backup else "", executor=executor)
            async with routed(settings) as stack:
                yield Scene(stack=stack, subject=subject, backup=backup, recorder=recorder, captured=captured)


# --- To the end


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda case: case.reply(case.whole), id="ok"),
        pytest.param(lambda case: case.reply(case.whole, fate=Fate.DRIP), id="slow"),
    ],
)
@wires
async def test_a_whole_stream_is_handed_on_with_its_usage(case: StreamCase, script: Script) -> None:
    async with scene(case, script) as on:
        told = await on.listen()
        await on.nothing_is_held()
        report = await on.stack.report()

    assert told.start
    assert (told.start.candidate, told.start.model) == (SUBJECT, case.model)
    assert (told.text, told.ended.finish_reason, told.ended.partial) == ("97", types_pb2.FINISH_REASON_STOP, False)
    assert (told.story, told.usage) == ([f"{SUBJECT}: answered"], case.usage)
    (step,) = told.ended.trail.steps
    assert step.attempt.HasField("time_to_first_token")
    assert (report.requests, report.answered, report.unproductive) == (1, 1, 0)
    on.ended_once("OK", attempts=1)


# --- Before the first content


@pytest.mark.parametrize(
    "script, outcomes",
    [
        pytest.param(
            lambda case: case.reply(case.preamble + case.error),
            {Outcome.OVERLOADED, Outcome.SERVER_ERROR},
            id="error inside",
        ),
        pytest.param(lambda case: case.reply(b"", status=503), {Outcome.OVERLOADED, Outcome.SERVER_ERROR}, id="error"),
        pytest.param(lambda case: case.reply(case.preamble, fate=Fate.TRUNCATE), {Outcome.NETWORK}, id="truncated"),
        pytest.param(lambda case: case.reply(b"", fate=Fate.SILENCE), {Outcome.TIMED_OUT}, id="silent"),
        pytest.param(
            lambda case: case.reply(case.preamble, fate=Fate.STALL), {Outcome.TIMED_OUT}, id="silent behind the head"
        ),
        pytest.param(
            lambda case: case.reply(b"data: {]\n\n{]\n", fate=Fate.ANSWER),
            {Outcome.SERVER_ERROR},
            id="garbage inside",
        ),
        pytest.param(lambda case: case.reply(b"", fate=Fate.GARBAGE), {Outcome.NETWORK}, id="garbage"),
        pytest.param(lambda case: case.reply(b"", fate=Fate.RESET), {Outcome.NETWORK}, id="reset"),
    ],
)
@wires
async def test_what_fails_before_the_first_content_is_answered_by_the_next_candidate(
    case: StreamCase, script: Script, outcomes: set[Outcome]
) -> None:
    async with scene(case, script) as on:
        told = await on.listen()
        await on.nothing_is_held()
        report = await on.stack.report()

    first, second = told.story
    assert first in {f"{SUBJECT}: {outcome}" for outcome in outcomes}
    assert second == f"{BACKUP}: answered"
    assert told.start
    assert (told.start.candidate, told.text, told.ended.partial) == (BACKUP, "97", False)
    assert (report.requests, report.answered, report.attempts, report.unproductive) == (1, 1, 2, 1)
    on.ended_once("OK", attempts=2)


# --- After it


@pytest.mark.parametrize(
    "script, outcomes",
    [
        pytest.param(
            lambda case: case.reply(case.begun + case.error), {Outcome.OVERLOADED, Outcome.SERVER_ERROR}, id="error"
        ),
        pytest.param(lambda case: case.reply(case.begun), {Outcome.NETWORK}, id="without its end"),
        pytest.param(lambda case: case.reply(case.begun, fate=Fate.TRUNCATE), {Outcome.NETWORK}, id="truncated"),
        pytest.param(lambda case: case.reply(case.begun, fate=Fate.STALL), {Outcome.TIMED_OUT}, id="silent"),
        pytest.param(
            lambda case: case.reply(case.begun + b"data: {]\n\n{]\n"), {Outcome.SERVER_ERROR}, id="garbage inside"
        ),
    ],
)
@wires
async def test_what_fails_after_the_first_content_ends_with_what_came_and_nobody_else_is_asked(
    case: StreamCase, script: Script, outcomes: set[Outcome]
) -> None:
    async with scene(case, script) as on:
        told = await on.listen()
        await on.nothing_is_held()
        report = await on.stack.report()

    assert told.start
    assert (told.start.candidate, told.text) == (SUBJECT, "9")
    assert (told.ended.partial, told.ended.finish_reason) == (True, types_pb2.FINISH_REASON_INTERRUPTED)
    assert told.story in [[f"{SUBJECT}: {outcome}"] for outcome in outcomes]
    assert told.usage == case.so_far
    assert on.backup.requests == []
    assert (report.requests, report.answered, report.attempts, report.unproductive) == (1, 0, 1, 1)
    on.ended_once("OK", attempts=1)


# --- The caller's deadline


@wires
async def test_a_deadline_before_the_first_content_is_out_of_time_with_the_trail(case: StreamCase) -> None:
    async with scene(case, lambda case: case.reply(b"", fate=Fate.SILENCE), executor=UNHURRIED) as on:
        told = await on.listen(timeout_s=DEADLINE_S)
        async with within(SOON_S):
            await on.subject.left.wait()
        await on.nothing_is_held()

    assert told.error
    assert told.error.reason == "OUT_OF_TIME"
    assert told.story == [f"{SUBJECT}: timed_out", f"{BACKUP}: no_time"]
    assert on.backup.requests == []
    on.ended_once("DEADLINE_EXCEEDED", attempts=1)


@wires
async def test_a_deadline_after_the_first_content_ends_with_what_came(case: StreamCase) -> None:
    async with scene(case, lambda case: case.reply(case.begun, fate=Fate.STALL), executor=UNHURRIED) as on:
        told = await on.listen(timeout_s=DEADLINE_S)
        async with within(SOON_S):
            await on.subject.left.wait()
        await on.nothing_is_held()

    assert (told.text, told.ended.partial, told.story) == ("9", True, [f"{SUBJECT}: timed_out"])
    assert told.usage == case.so_far
    on.ended_once("OK", attempts=1)


# --- The caller leaves


@pytest.mark.parametrize(
    "script, is_begun",
    [
        pytest.param(lambda case: case.reply(b"", fate=Fate.SILENCE), False, id="waiting for the head"),
        pytest.param(lambda case: case.reply(case.preamble, fate=Fate.STALL), False, id="waiting for content"),
        pytest.param(lambda case: case.reply(case.begun, fate=Fate.STALL), True, id="in the middle"),
    ],
)
@wires
async def test_a_caller_who_leaves_closes_the_connection_and_is_written_down(
    case: StreamCase, script: Script, *, is_begun: bool
) -> None:
    async with scene(case, script) as on:
        call = on.call(5.0)
        async with within(1):
            await on.subject.asked.wait()
            if is_begun:
                events = aiter(call)
                assert [(await anext(events)).WhichOneof("event") for _ in range(2)] == ["start", "delta"]
        call.cancel()
        async with within(SOON_S):
            await on.subject.left.wait()
        await on.nothing_is_held()
        report = await on.stack.report()

    assert (report.requests, report.answered, report.attempts, report.unproductive) == (1, 0, 1, 1)
    assert report.usage.estimated is is_begun
    assert (report.usage.output_tokens > 0) is is_begun
    assert on.backup.requests == []
    on.ended_once("CANCELLED", attempts=1)
