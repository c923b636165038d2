"""One suite for the streams of every adapter, over real HTTP on loopback: whatever a server does, a Reply ends it."""

import asyncio
import gzip
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pointsman.domain.answer import Answer, Delta, FinishReason
from pointsman.domain.clock import SystemClock
from pointsman.domain.prompt import Options, Tool
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Adapter, Call, Opening, Reply
from tests.adapters.streams import BY_NAME, text_of
from tests.adapters.test_streams import SAID
from tests.adapters.wires import BY_KIND, CASES, KEY, Kind, WireCase
from tests.fakes.http_server import FakeHttpServer, Fate, ScriptedReply, http_server, json_reply
from tests.fakes.patience import within

ALL = pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
HTML = b"<!doctype html>\n<html><head><title>Just a moment...</title></head></html>\n"
CLOSE_S = 0.1
SHORT_S = 0.05
TYPES = {case.kind: "application/x-ndjson" if case.kind == "ollama" else "text/event-stream" for case in CASES}
STREAMS = {kind: BY_NAME[f"{kind}: example"].stream for kind in TYPES if kind != "moonshot"} | {
    "moonshot": BY_NAME["moonshot: usage in the choice"].stream
}
NOTHING_SAID = {kind: b"\n" if kind == "ollama" else b": keep-alive\n\n" for kind in TYPES}

Step = Opening | Delta | Reply


def streamed(case: WireCase, body: bytes | None = None, **more: Any) -> ScriptedReply:  # noqa: ANN401 - of ScriptedReply
    """Return a reply of the server's that is a stream."""
    headers = {"content-type": f"{TYPES[case.kind]}; charset=utf-8"} | more.pop("headers", {})
    return ScriptedReply(body=STREAMS[case.kind] if body is None else body, headers=headers, **more)


@asynccontextmanager
async def adapter_of(case: WireCase, *replies: ScriptedReply) -> AsyncIterator[tuple[Adapter, FakeHttpServer]]:
    async with http_server(*replies) as server:
        adapter = case.adapter(server.url)
        try:
            yield adapter, server
        finally:
            await adapter.close()


async def steps_of(stream: AsyncGenerator[Step, None]) -> list[Step]:
    async with aclosing(stream):
        return [step async for step in stream]


async def taken(case: WireCase, scripted: ScriptedReply, **limits: float) -> tuple[list[Step], Reply]:
    """Return what came before the Reply, and the Reply."""
    async with adapter_of(case, scripted) as (adapter, _):
        *steps, reply = await steps_of(adapter.stream(limited(case, **limits)))
    assert isinstance(reply, Reply)
    return steps, reply


def limited(case: WireCase, **limits: float) -> Call:
    return replace(case.call(), **limits)  # type: ignore[arg-type]  # limits of Call


@ALL
async def test_an_answer_comes_as_it_is_made_and_ends_with_its_reply(case: WireCase) -> None:
    async with adapter_of(case, streamed(case)) as (adapter, server):
        opening, *deltas, reply = await steps_of(adapter.stream(case.call()))

    assert opening == Opening(model=case.model_id, simulated=False)
    assert text_of(delta for delta in deltas if isinstance(delta, Delta)) == "97"
    assert isinstance(reply, Reply)
    assert (reply.outcome, reply.http_status) == (Outcome.ANSWERED, 200)
    assert reply.answer == Answer(text="", finish_reason=FinishReason.STOP)
    assert (reply.model, reply.usage is not None) == (case.model_id, True)
    (request,) = server.requests
    assert request.headers[case.key_header[0]] == case.key_header[1]


@ALL
async def test_an_answer_of_the_simulator_is_marked_from_its_first_delta(case: WireCase) -> None:
    marked = streamed(case, headers={"x-pointsman-simulated": "1"})

    (opening, *_), reply = await taken(case, marked)

    assert opening == Opening(model=case.model_id, simulated=True)
    assert reply.simulated


@ALL
async def test_an_answer_that_comes_byte_by_byte_is_the_same(case: WireCase) -> None:
    assert await taken(case, streamed(case, fate=Fate.DRIP)) == await taken(case, streamed(case))


@ALL
async def test_an_answer_whose_last_line_has_no_end_is_the_same(case: WireCase) -> None:
    trimmed = STREAMS[case.kind].rstrip()

    assert await taken(case, streamed(case, trimmed)) == await taken(case, streamed(case))


@ALL
async def test_a_compressed_stream_is_read(case: WireCase) -> None:
    packed = streamed(case, gzip.compress(STREAMS[case.kind]), headers={"content-encoding": "gzip"})

    assert await taken(case, packed) == await taken(case, streamed(case))


@ALL
async def test_an_answer_that_comes_whole_is_handed_on_as_one_delta(case: WireCase) -> None:
    whole = ScriptedReply(body=case.answer, headers={"content-type": "application/json; charset=utf-8"})

    steps, reply = await taken(case, whole)

    assert steps == [Opening(model=case.model_id, simulated=False), Delta(text="97")]
    assert (reply.outcome, reply.usage) == (Outcome.ANSWERED, case.usage)
    assert reply.answer == Answer(text="", finish_reason=FinishReason.STOP)


@ALL
@pytest.mark.parametrize(
    "scripted, outcome",
    [
        pytest.param(ScriptedReply(body=HTML), Outcome.SERVER_ERROR, id="html"),
        pytest.param(ScriptedReply(body=HTML, headers={"content-type": "text/html"}), Outcome.SERVER_ERROR, id="html2"),
        pytest.param(ScriptedReply(), Outcome.SERVER_ERROR, id="empty"),
        pytest.param(json_reply([]), Outcome.SERVER_ERROR, id="wrong_shape"),
        pytest.param(json_reply({"error": {"message": "x"}}), Outcome.SERVER_ERROR, id="error_in_a_200"),
        pytest.param(ScriptedReply(status=500, body=HTML), Outcome.SERVER_ERROR, id="500_html"),
        pytest.param(ScriptedReply(status=502), Outcome.SERVER_ERROR, id="502_empty"),
        pytest.param(ScriptedReply(status=503, body=HTML), Outcome.OVERLOADED, id="503_html"),
        pytest.param(ScriptedReply(status=504, body=HTML), Outcome.TIMED_OUT, id="504_html"),
        pytest.param(ScriptedReply(status=401, body=HTML), Outcome.UNAUTHORIZED, id="401_html"),
        pytest.param(ScriptedReply(status=302, headers={"location": "/x"}), Outcome.SERVER_ERROR, id="redirect"),
        pytest.param(ScriptedReply(body=b'{"a', fate=Fate.TRUNCATE), Outcome.NETWORK, id="truncated"),
        pytest.param(ScriptedReply(fate=Fate.RESET), Outcome.NETWORK, id="reset"),
        pytest.param(ScriptedReply(fate=Fate.GARBAGE), Outcome.NETWORK, id="not_http"),
        pytest.param(
            ScriptedReply(body=b"no gzip", headers={"content-encoding": "gzip"}), Outcome.SERVER_ERROR, id="bad_gzip"
        ),
    ],
)
async def test_what_is_no_stream_is_one_reply(case: WireCase, scripted: ScriptedReply, outcome: Outcome) -> None:
    steps, reply = await taken(case, scripted)

    assert (steps, reply.outcome, reply.answer) == ([], outcome, None)
    assert reply.detail


@ALL
async def test_an_error_status_is_classified_from_its_body_although_a_stream_was_asked_for(case: WireCase) -> None:
    scripted = ScriptedReply(status=500, body=case.error, headers={"content-type": "application/json"})

    steps, reply = await taken(case, scripted)

    assert (steps, reply.outcome, reply.http_status) == ([], Outcome.SERVER_ERROR, 500)


@ALL
@pytest.mark.parametrize("fate", [Fate.TRUNCATE, Fate.CUT])
async def test_a_connection_that_is_cut_midway_breaks_the_stream(case: WireCase, fate: Fate) -> None:
    (opening, delta), reply = await taken(case, streamed(case, SAID[case.kind], fate=fate))

    assert isinstance(opening, Opening)
    assert delta == Delta(text="Par")
    assert (reply.outcome, reply.answer, reply.http_status) == (Outcome.NETWORK, None, 200)
    assert reply.model == opening.model


@ALL
async def test_silence_before_the_head_ends_with_the_limit_of_the_first_token(case: WireCase) -> None:
    async with adapter_of(case, ScriptedReply(fate=Fate.SILENCE)) as (adapter, server):
        steps = await steps_of(adapter.stream(limited(case, first_token_s=SHORT_S)))
        async with within(CLOSE_S):
            await server.left.wait()

    (reply,) = steps
    assert isinstance(reply, Reply)
    assert (reply.outcome, reply.detail) == (Outcome.TIMED_OUT, "The answer did not begin within 0.05 s.")


@ALL
async def test_a_stall_midway_ends_with_the_idle_limit(case: WireCase) -> None:
    async with adapter_of(case, streamed(case, SAID[case.kind], fate=Fate.STALL)) as (adapter, server):
        *_, reply = await steps_of(adapter.stream(limited(case, idle_s=SHORT_S)))
        async with within(CLOSE_S):
            await server.left.wait()

    assert isinstance(reply, Reply)
    assert (reply.outcome, reply.detail) == (Outcome.TIMED_OUT, "The stream stood still for 0.05 s.")


@ALL
async def test_keep_alives_without_end_end_with_the_limit_of_the_first_token(case: WireCase) -> None:
    flood = streamed(case, NOTHING_SAID[case.kind] * 1_000, fate=Fate.FLOOD)

    steps, reply = await taken(case, flood, first_token_s=SHORT_S, idle_s=SHORT_S)

    assert (steps, reply.outcome) == ([], Outcome.TIMED_OUT)
    assert reply.detail == "The answer did not begin within 0.05 s."


@ALL
async def test_an_answer_without_end_ends_with_the_limit_of_the_call(case: WireCase) -> None:
    flood = streamed(case, SAID[case.kind] * 100, fate=Fate.FLOOD)

    steps, reply = await taken(case, flood, timeout_s=0.2)

    assert len(steps) > 1
    assert (reply.outcome, reply.detail) == (Outcome.TIMED_OUT, "The answer was not whole within 0.20 s.")


@ALL
async def test_a_stream_that_is_huge_is_not_read_to_its_end(case: WireCase) -> None:
    huge = (b" " * 1_000_000 + b"\n") if case.kind == "ollama" else (b":" + b" " * 1_000_000 + b"\n")

    _, reply = await taken(case, streamed(case, huge, fate=Fate.FLOOD))

    assert (reply.outcome, reply.detail) == (Outcome.SERVER_ERROR, "The provider answered with more than 32 MiB.")


@ALL
async def test_a_line_that_is_too_long_closes_the_connection(case: WireCase) -> None:
    async with adapter_of(case, streamed(case, b"x" * 10_000, fate=Fate.FLOOD)) as (adapter, server):
        (reply,) = await steps_of(adapter.stream(case.call()))
        async with within(CLOSE_S):
            await server.left.wait()

    assert isinstance(reply, Reply)
    assert reply.outcome is Outcome.SERVER_ERROR


DEEP = b'{"a":' + b"[" * 400 + b"]" * 400 + b"}"
TOO_DEEP = {
    "anthropic": b'{"content":[{"type":"tool_use","id":"t","name":"w","input":%b}],"stop_reason":"tool_use"}' % DEEP,
    "gemini": b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"w","args":%b}}]}}]}' % DEEP,
    "ollama": b'{"message":{"tool_calls":[{"function":{"name":"w","arguments":%b}}]},"done":true}' % DEEP,
}


DETAIL = "The provider answered with invalid Unicode, or JSON that is nested too deeply."


@pytest.mark.parametrize("kind", list(TOO_DEEP))
async def test_a_wish_for_a_tool_that_is_nested_too_deeply_is_no_answer(kind: Kind) -> None:
    async with adapter_of(BY_KIND[kind], ScriptedReply(body=TOO_DEEP[kind])) as (adapter, _):
        reply = await adapter.call(BY_KIND[kind].call())

    assert (reply.outcome, reply.detail) == (Outcome.SERVER_ERROR, DETAIL)


@pytest.mark.parametrize("kind", ["gemini", "ollama"])  # the others stream arguments as text
async def test_a_streamed_wish_for_a_tool_that_is_nested_too_deeply_is_no_answer(kind: Kind) -> None:
    event = (b"%b\n" if kind == "ollama" else b"data: %b\n\n") % TOO_DEEP[kind]

    steps, reply = await taken(BY_KIND[kind], streamed(BY_KIND[kind], event))

    assert (steps, reply.outcome, reply.detail) == ([], Outcome.SERVER_ERROR, DETAIL)


PHASES = {
    "before the head": lambda case: ScriptedReply(fate=Fate.SILENCE),
    "before the first delta": lambda case: streamed(case, NOTHING_SAID[case.kind], fate=Fate.STALL),
    "midway": lambda case: streamed(case, SAID[case.kind], fate=Fate.STALL),
    "in the body of an error": lambda case: ScriptedReply(status=500, body=b"{", fate=Fate.STALL),
}


@ALL
@pytest.mark.parametrize("phase", list(PHASES))
async def test_a_cancelled_stream_closes_its_connection_within_100_ms(case: WireCase, phase: str) -> None:
    async with adapter_of(case, PHASES[phase](case)) as (adapter, server):
        call = asyncio.create_task(steps_of(adapter.stream(case.call())))
        await server.asked.wait()
        await SystemClock().sleep(0.01)  # until the beginning has come

        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        async with within(CLOSE_S):
            await server.left.wait()


@ALL
@pytest.mark.parametrize("fate", [Fate.STALL, Fate.FLOOD])
async def test_a_stream_that_is_closed_early_closes_its_connection_within_100_ms(case: WireCase, fate: Fate) -> None:
    async with adapter_of(case, streamed(case, SAID[case.kind], fate=fate)) as (adapter, server):
        stream = adapter.stream(case.call())
        assert isinstance(await anext(stream), Opening)

        await stream.aclose()

        async with within(CLOSE_S):
            await server.left.wait()


@ALL
async def test_a_server_waits_for_a_slow_reader(case: WireCase) -> None:
    flood = streamed(case, SAID[case.kind] * 100, fate=Fate.FLOOD)
    async with (
        adapter_of(case, flood) as (adapter, server),
        aclosing(adapter.stream(case.call())) as stream,
    ):
        await anext(stream)
        stopped_at = await _still(server)
        async for _ in stream:
            if server.flooded_bytes > stopped_at:
                break

    assert stopped_at < 16 * 1024**2  # what the system holds between two sockets, far below what is allowed in all
    assert server.flooded_bytes > stopped_at


async def _still(server: FakeHttpServer) -> int:
    """Return how much the server has sent when it sends no more."""
    async with within(5.0):
        while True:
            before = server.flooded_bytes
            await SystemClock().sleep(0.05)
            if server.flooded_bytes == before > 0:
                return before


@ALL
@pytest.mark.parametrize("fate", [Fate.ANSWER, Fate.DRIP])
async def test_connections_are_kept_between_streams(case: WireCase, fate: Fate) -> None:
    async with adapter_of(case, streamed(case, fate=fate)) as (adapter, server):
        for _ in range(3):
            await steps_of(adapter.stream(case.call()))

    assert (len(server.requests), server.connections) == (3, 1)


@ALL
async def test_an_answer_is_whole_though_its_body_does_not_end(case: WireCase) -> None:
    steps, reply = await taken(case, streamed(case, fate=Fate.STALL), idle_s=SHORT_S)

    # Gemini marks the end of its streams with the end of the body alone.
    is_gemini = case.kind == "gemini"
    assert reply.outcome is (Outcome.TIMED_OUT if is_gemini else Outcome.ANSWERED)
    assert (reply.answer is None) is is_gemini
    assert text_of(step for step in steps if isinstance(step, Delta)) == "97"


@ALL
async def test_what_cannot_be_sent_is_an_invalid_request_and_no_call(case: WireCase) -> None:
    options = Options(tools=(Tool(name="w", parameters_json_schema="{"),))
    async with adapter_of(case, ScriptedReply()) as (adapter, server):
        (reply,) = await steps_of(adapter.stream(case.call(options=options)))

    assert isinstance(reply, Reply)
    assert reply.outcome is Outcome.INVALID_REQUEST
    assert server.requests == []


@ALL
async def test_nobody_there_is_a_network_failure(case: WireCase) -> None:
    async with http_server(ScriptedReply()) as server:
        url = server.url
    adapter = case.adapter(url)

    (reply,) = await steps_of(adapter.stream(case.call()))

    await adapter.close()
    assert isinstance(reply, Reply)
    assert (reply.outcome, reply.detail) == (Outcome.NETWORK, "The provider cannot be reached.")


@ALL
async def test_the_key_is_never_shown(case: WireCase, caplog: pytest.LogCaptureFixture) -> None:
    replies = (
        streamed(case),
        streamed(case, SAID[case.kind], fate=Fate.CUT),
        ScriptedReply(status=401, body=case.error),
        ScriptedReply(fate=Fate.RESET),
    )
    with caplog.at_level(logging.DEBUG):
        async with adapter_of(case, *replies) as (adapter, _):
            seen = [repr(await steps_of(adapter.stream(case.call()))) for _ in replies]

    assert [text for text in (*seen, caplog.text) if KEY.reveal() in text] == []


@ALL
async def test_names_of_providers_are_kept_short(case: WireCase) -> None:
    headers = {"x-request-id": "r" * 5_000, "request-id": "r" * 5_000}
    renamed = STREAMS[case.kind].replace(case.model_id.encode(), b"m" * 5_000)

    (opening, *_), reply = await taken(case, streamed(case, renamed, headers=headers))

    assert isinstance(opening, Opening)
    assert len(opening.model) == len(reply.model) == 200
    assert len(reply.provider_request_id) <= 200


async def test_a_name_that_cannot_be_sent_is_made_sendable() -> None:
    case = BY_KIND["openai"]
    odd = STREAMS["openai"].replace(b'"model":"', b'"model":"\\ud800').replace(b'"id":"', b'"id":"\\ud800')

    (opening, *_), reply = await taken(case, streamed(case, odd))

    assert isinstance(opening, Opening)
    assert (opening.model, reply.model, reply.provider_request_id[:2]) == (f"?{case.model_id}",) * 2 + ("?c",)
