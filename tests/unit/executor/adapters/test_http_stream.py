"""How long a stream is waited for, and how far ahead of its reader it is read: exact, on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from pointsman.config.settings import ProviderSettings
from pointsman.domain.answer import Delta
from pointsman.domain.secret import Secret
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Adapter, Call, Opening, Reply
from pointsman.executor.adapters.registry import make_adapter
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.adapters.streams import DONE, chunk, data
from tests.adapters.wires import make_call

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WORD = data(chunk({"content": "x"}))
ALIVE = b": keep-alive\n\n"
END = data(chunk({}, "stop")) + DONE

Play = tuple[float | bytes, ...]
"""Seconds of silence, and pieces of a body."""


class Server(httpx.AsyncBaseTransport):
    """Answers after `head_s` with a stream that plays; counts the pieces that were asked for, and whether it closed."""

    def __init__(self, play: Play, clock: VirtualClock, *, head_s: float = 0.0) -> None:
        self._play = play
        self._clock = clock
        self._head_s = head_s
        self.taken = 0
        self.closed_at: float | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._clock.sleep(self._head_s)
        return httpx.Response(
            200, headers={"content-type": "text/event-stream"}, stream=_Body(self._pieces, self._close)
        )

    async def _pieces(self) -> AsyncIterator[bytes]:
        for step in self._play:
            if isinstance(step, bytes):
                self.taken += 1
                yield step
            else:
                await self._clock.sleep(step)

    def _close(self) -> None:
        self.closed_at = self._clock.monotonic()


class _Body(httpx.AsyncByteStream):
    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def aclose(self) -> None:
        self._close()


class Listening:
    """One stream on a virtual clock: what came, when, and what became of the connection."""

    def __init__(self, play: Play, *, head_s: float = 0.0, slow_s: float = 0.0, **limits: float) -> None:
        self.steps: list[Opening | Delta] = []
        self.reply = Reply(outcome=Outcome.CANCELLED)
        self.ended_at = 0.0
        self.closed_at: float | None = None
        run_virtual(lambda clock: self._listen(clock, Server(play, clock, head_s=head_s), slow_s, limits), start=START)

    async def _listen(self, clock: VirtualClock, server: Server, slow_s: float, limits: dict[str, float]) -> None:
        call: Call = replace(make_call(timeout_s=100.0), **limits)  # type: ignore[arg-type]  # limits of Call
        async with aclosing(adapter(server, clock).stream(call)) as stream:
            async for step in stream:
                if isinstance(step, Reply):
                    self.reply, self.ended_at = step, clock.monotonic()
                    continue
                self.steps.append(step)
                await clock.sleep(slow_s)
        self.closed_at = server.closed_at


def adapter(server: Server, clock: VirtualClock) -> Adapter:
    settings = ProviderSettings(wire="openai", base_url="http://provider.invalid", api_key_env="KEY")
    return make_adapter(
        settings, api_key=Secret("key"), clock=clock, connections=1, connect_timeout_s=1.0, transport=server
    )


FIRST = "The answer did not begin within 5.00 s."
IDLE = "The stream stood still for 2.00 s."
TOTAL = "The answer was not whole within 10.00 s."
LIMITS = {"timeout_s": 10.0, "first_token_s": 5.0, "idle_s": 2.0}


@pytest.mark.parametrize(
    "play, head_s, detail, at",
    [
        pytest.param((), 99.0, FIRST, 5.0, id="no head"),
        pytest.param((99.0,), 0.0, IDLE, 2.0, id="a head and nothing"),
        pytest.param((ALIVE, 1.0) * 99, 0.0, FIRST, 5.0, id="keep-alives hold off the idle limit only"),
        pytest.param((data(chunk({"role": "assistant"})), 1.0) * 99, 0.0, FIRST, 5.0, id="a role is no token"),
        pytest.param((data(chunk({"reasoning_content": "x"})), 1.0) * 99, 0.0, FIRST, 5.0, id="nor is a thought"),
        pytest.param((4.0, WORD), 0.0, IDLE, 2.0, id="silence before the first token"),
        pytest.param((1.5, WORD, 99.0), 3.0, IDLE, 6.5, id="a stall midway"),
        pytest.param((WORD, 1.5, ALIVE, 99.0), 0.0, IDLE, 3.5, id="a stall behind a keep-alive"),
        pytest.param((WORD, 1.0) * 99, 0.0, TOTAL, 10.0, id="an answer without end"),
        pytest.param((WORD[:9], 1.5, WORD[9:], 1.5) * 99, 0.0, TOTAL, 10.0, id="half an event is an arrival"),
    ],
)
def test_each_limit_ends_a_stream_at_its_time_and_says_which_it_was(
    play: Play, head_s: float, detail: str, at: float
) -> None:
    heard = Listening(play, head_s=head_s, **LIMITS)

    assert (heard.reply.outcome, heard.reply.detail) == (Outcome.TIMED_OUT, detail)
    assert heard.ended_at == pytest.approx(at, abs=1e-3)


def test_an_answer_within_all_limits_is_whole() -> None:
    heard = Listening((1.9, ALIVE, 1.9, WORD, 1.9, ALIVE, 1.9, WORD, 1.9, END), **LIMITS)

    assert heard.reply.outcome is Outcome.ANSWERED
    assert heard.steps == [Opening(model="m1", simulated=False), Delta(text="x"), Delta(text="x")]


def test_a_stream_without_its_own_limits_has_that_of_the_call() -> None:
    heard = Listening((50.0, WORD, 99.0))

    assert heard.reply.detail == "The answer was not whole within 100.00 s."


def test_a_reader_that_is_slow_is_not_taken_for_a_stream_that_stands_still() -> None:
    heard = Listening((WORD, WORD, END), slow_s=3.0, **LIMITS)

    assert heard.reply.outcome is Outcome.ANSWERED


def test_a_reader_that_is_too_slow_ends_the_call_although_all_has_come() -> None:
    heard = Listening((WORD, WORD, WORD, WORD, END), slow_s=3.0, **LIMITS)

    assert heard.reply.detail == TOTAL


def test_nothing_is_read_ahead_of_what_has_been_taken() -> None:
    async def main(clock: VirtualClock) -> list[int]:
        server = Server((WORD + WORD, ALIVE, WORD, WORD, END), clock)
        ahead = []
        async for _ in adapter(server, clock).stream(make_call()):
            ahead.append(server.taken)
            await clock.sleep(1.0)
        return ahead

    # The opening and two deltas of the first piece; two pieces for the third; one; the end.
    assert run_virtual(main, start=START) == [1, 1, 1, 3, 4, 5]


def test_the_end_of_a_body_is_not_waited_for_long_behind_the_end_of_its_answer() -> None:
    heard = Listening((WORD, END, 99.0, ALIVE))

    assert heard.reply.outcome is Outcome.ANSWERED
    assert heard.ended_at == pytest.approx(0.1, abs=1e-3)
    assert heard.closed_at == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("play", [(99.0,), (WORD, 99.0), (WORD, ALIVE, 99.0)], ids=["silent", "begun", "alive"])
def test_a_cancelled_stream_is_closed_at_once(play: Play) -> None:
    async def main(clock: VirtualClock) -> float | None:
        server = Server(play, clock)

        async def listen() -> None:
            async with aclosing(adapter(server, clock).stream(make_call())) as stream:
                async for _ in stream:
                    pass

        task = asyncio.create_task(listen())
        await clock.sleep(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        return server.closed_at

    assert run_virtual(main, start=START) == pytest.approx(1.0, abs=1e-3)


def test_a_stream_that_is_closed_while_its_reader_holds_a_delta_is_closed_at_once() -> None:
    async def main(clock: VirtualClock) -> float | None:
        server = Server((WORD, WORD, END), clock)
        stream = adapter(server, clock).stream(make_call())
        await anext(stream)
        await anext(stream)
        await stream.aclose()
        return server.closed_at

    assert run_virtual(main, start=START) == 0.0


def test_a_break_keeps_what_is_known() -> None:
    counted = data(chunk({"content": "x"}, usage={"prompt_tokens": 5, "completion_tokens": 1}))

    heard = Listening((counted, 99.0), **LIMITS)

    assert heard.reply.usage is not None
    assert (heard.reply.model, heard.reply.provider_request_id, heard.reply.http_status) == ("m1", "c1", 200)
    assert (heard.reply.usage.input_tokens, heard.reply.answer) == (5, None)
