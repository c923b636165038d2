"""One suite for every adapter, over real HTTP on loopback: whatever a server does, a reply comes back."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pointsman.domain.answer import Answer, FinishReason
from pointsman.domain.prompt import Message, Options, Role, Text, Tool
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Adapter, Reply
from pointsman.executor.adapters.connection import BODY_BYTES
from tests.adapters.wires import CASES, KEY, WireCase, say
from tests.fakes.http_server import FakeHttpServer, Fate, ScriptedReply, http_server, json_reply
from tests.fakes.patience import within

ALL = pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
HTML = b"<!doctype html><html><head><title>Just a moment...</title></head></html>"
CLOSE_S = 0.1


@asynccontextmanager
async def adapter_of(case: WireCase, *replies: ScriptedReply) -> AsyncIterator[tuple[Adapter, FakeHttpServer]]:
    async with http_server(*replies) as server:
        adapter = case.adapter(server.url)
        try:
            yield adapter, server
        finally:
            await adapter.close()


async def outcome_of(case: WireCase, reply: ScriptedReply, *, timeout_s: float = 10.0) -> Reply:
    async with adapter_of(case, reply) as (adapter, _):
        return await adapter.call(case.call(timeout_s=timeout_s))


@ALL
async def test_a_call_is_answered(case: WireCase) -> None:
    async with adapter_of(case, ScriptedReply(body=case.answer)) as (adapter, server):
        reply = await adapter.call(case.call())

    assert (reply.outcome, reply.http_status) == (Outcome.ANSWERED, 200)
    assert reply.answer == Answer(text="97", finish_reason=FinishReason.STOP)
    assert reply.usage == case.usage
    assert not reply.simulated
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", case.path)
    assert request.headers[case.key_header[0]] == case.key_header[1]
    assert request.headers["content-type"] == "application/json"


@ALL
async def test_an_answer_of_the_simulator_is_marked(case: WireCase) -> None:
    reply = await outcome_of(case, ScriptedReply(body=case.answer, headers={"x-pointsman-simulated": "1"}))

    assert reply.simulated


@ALL
@pytest.mark.parametrize(
    "scripted, outcome",
    [
        pytest.param(ScriptedReply(body=HTML), Outcome.SERVER_ERROR, id="html"),
        pytest.param(ScriptedReply(), Outcome.SERVER_ERROR, id="empty"),
        pytest.param(json_reply([]), Outcome.SERVER_ERROR, id="wrong_shape"),
        pytest.param(json_reply({"error": {"message": "x"}}), Outcome.SERVER_ERROR, id="error_in_a_200"),
        pytest.param(ScriptedReply(status=500, body=HTML), Outcome.SERVER_ERROR, id="500_html"),
        pytest.param(ScriptedReply(status=502), Outcome.SERVER_ERROR, id="502_empty"),
        pytest.param(ScriptedReply(status=503, body=HTML), Outcome.OVERLOADED, id="503_html"),
        pytest.param(ScriptedReply(status=504, body=HTML), Outcome.TIMED_OUT, id="504_html"),
        pytest.param(ScriptedReply(status=401, body=HTML), Outcome.UNAUTHORIZED, id="401_html"),
        pytest.param(ScriptedReply(status=404, body=HTML), Outcome.MODEL_NOT_FOUND, id="404_html"),
        pytest.param(ScriptedReply(status=302, headers={"location": "/x"}), Outcome.SERVER_ERROR, id="redirect"),
        pytest.param(ScriptedReply(body=b'{"a', fate=Fate.TRUNCATE), Outcome.NETWORK, id="truncated"),
        pytest.param(ScriptedReply(fate=Fate.RESET), Outcome.NETWORK, id="reset"),
        pytest.param(ScriptedReply(fate=Fate.GARBAGE), Outcome.NETWORK, id="not_http"),
        pytest.param(
            ScriptedReply(body=b"no gzip", headers={"content-encoding": "gzip"}), Outcome.SERVER_ERROR, id="bad_gzip"
        ),
    ],
)
async def test_what_is_no_answer_is_classified(case: WireCase, scripted: ScriptedReply, outcome: Outcome) -> None:
    async with adapter_of(case, scripted) as (adapter, server):
        reply = await adapter.call(case.call())

    assert reply.outcome is outcome
    assert reply.answer is None
    assert reply.detail
    assert len(server.requests) == 1  # nothing is retried


@ALL
async def test_silence_ends_with_the_time_limit_and_closes_the_connection(case: WireCase) -> None:
    async with adapter_of(case, ScriptedReply(fate=Fate.SILENCE)) as (adapter, server):
        reply = await adapter.call(case.call(timeout_s=0.05))
        async with within(CLOSE_S):
            await server.left.wait()

    assert (reply.outcome, reply.detail) == (Outcome.TIMED_OUT, "No answer within 0.05 s.")


@ALL
async def test_a_body_that_stops_coming_ends_with_the_time_limit(case: WireCase) -> None:
    reply = await outcome_of(case, ScriptedReply(body=b'{"x":', fate=Fate.STALL), timeout_s=0.05)

    assert reply.outcome is Outcome.TIMED_OUT


@ALL
@pytest.mark.parametrize("fate", [Fate.SILENCE, Fate.STALL])
async def test_a_cancelled_call_closes_its_connection_within_100_ms(case: WireCase, fate: Fate) -> None:
    async with adapter_of(case, ScriptedReply(body=b"{", fate=fate)) as (adapter, server):
        call = asyncio.create_task(adapter.call(case.call()))
        await server.asked.wait()

        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        async with within(CLOSE_S):
            await server.left.wait()


@ALL
async def test_a_body_that_is_huge_is_not_read_to_its_end(case: WireCase) -> None:
    huge = b" " * (BODY_BYTES + 1)

    reply = await outcome_of(case, ScriptedReply(body=huge))

    assert (reply.outcome, reply.detail) == (Outcome.SERVER_ERROR, "The provider answered with more than 32 MiB.")


@ALL
async def test_a_body_that_unpacks_to_something_huge_is_not_unpacked_to_its_end(case: WireCase) -> None:
    bomb = gzip.compress(b" " * (BODY_BYTES + 1), compresslevel=9)

    reply = await outcome_of(case, ScriptedReply(body=bomb, headers={"content-encoding": "gzip"}))

    assert reply.outcome is Outcome.SERVER_ERROR


@ALL
async def test_a_compressed_answer_is_read(case: WireCase) -> None:
    packed = ScriptedReply(body=gzip.compress(case.answer), headers={"content-encoding": "gzip"})

    assert (await outcome_of(case, packed)).outcome is Outcome.ANSWERED


@ALL
async def test_nobody_there_is_a_network_failure(case: WireCase) -> None:
    async with http_server(ScriptedReply()) as server:
        url = server.url
    adapter = case.adapter(url)

    reply = await adapter.call(case.call())

    await adapter.close()
    assert (reply.outcome, reply.detail) == (Outcome.NETWORK, "The provider cannot be reached.")


@ALL
async def test_an_address_that_is_none_is_a_network_failure(case: WireCase) -> None:
    adapter = case.adapter("http://[::1")

    reply = await adapter.call(case.call())

    await adapter.close()
    assert reply.outcome is Outcome.NETWORK


@ALL
async def test_connections_are_kept_between_calls(case: WireCase) -> None:
    async with adapter_of(case, ScriptedReply(body=case.answer)) as (adapter, server):
        for _ in range(3):
            await adapter.call(case.call())

    assert (len(server.requests), server.connections) == (3, 1)


@ALL
async def test_a_kept_connection_that_broke_fails_its_call_alone(case: WireCase) -> None:
    answer, reset = ScriptedReply(body=case.answer), ScriptedReply(fate=Fate.RESET)
    async with adapter_of(case, answer, reset, answer) as (adapter, server):
        outcomes = [(await adapter.call(case.call())).outcome for _ in range(3)]

    assert outcomes == [Outcome.ANSWERED, Outcome.NETWORK, Outcome.ANSWERED]
    assert len(server.requests) == 3


@ALL
async def test_cookies_are_not_kept(case: WireCase) -> None:
    cookie = ScriptedReply(body=case.answer, headers={"set-cookie": "a=b; Path=/"})
    async with adapter_of(case, cookie) as (adapter, server):
        await adapter.call(case.call())
        await adapter.call(case.call())

    assert "cookie" not in server.requests[1].headers


@ALL
async def test_a_proxy_of_the_environment_is_not_used(case: WireCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert (await outcome_of(case, ScriptedReply(body=case.answer))).outcome is Outcome.ANSWERED


@ALL
async def test_what_cannot_be_sent_is_an_invalid_request_and_no_call(case: WireCase) -> None:
    options = Options(tools=(Tool(name="w", parameters_json_schema="{"),))
    async with adapter_of(case, ScriptedReply()) as (adapter, server):
        reply = await adapter.call(case.call(options=options))

    assert (reply.outcome, reply.http_status) == (Outcome.INVALID_REQUEST, 0)
    assert server.requests == []


@ALL
async def test_half_a_character_is_an_invalid_request(case: WireCase) -> None:
    async with adapter_of(case, ScriptedReply()) as (adapter, server):
        reply = await adapter.call(case.call(messages=(say(Role.USER, "\ud800"),)))

    assert reply.outcome is Outcome.INVALID_REQUEST
    assert server.requests == []


@ALL
async def test_korean_and_odd_line_ends_travel_unharmed(case: WireCase) -> None:
    text = "2+2는?\u2028\u2029\x85\r\n끝"
    async with adapter_of(case, ScriptedReply(body=case.answer)) as (adapter, server):
        await adapter.call(case.call(messages=(Message(role=Role.USER, parts=(Text(text=text),)),)))

    assert text in _texts(server.requests[0].document)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


@ALL
async def test_the_key_is_never_shown(case: WireCase, caplog: pytest.LogCaptureFixture) -> None:
    replies = (
        ScriptedReply(body=case.answer),
        ScriptedReply(status=401, body=case.error),
        ScriptedReply(fate=Fate.RESET),
        ScriptedReply(fate=Fate.GARBAGE),
    )
    with caplog.at_level(logging.DEBUG):
        async with adapter_of(case, *replies) as (adapter, _):
            seen = [repr(await adapter.call(case.call())) for _ in replies]
            seen += [repr(adapter), repr(vars(adapter))]

    assert [text for text in (*seen, caplog.text) if KEY.reveal() in text] == []


@ALL
async def test_ids_of_providers_are_kept_short(case: WireCase) -> None:
    headers = {"x-request-id": "r" * 5_000, "request-id": "r" * 5_000}

    reply = await outcome_of(case, ScriptedReply(body=case.answer, headers=headers))

    assert len(reply.provider_request_id) <= 200


LISTS = {
    "openai": {"data": [{"id": "gpt-6.2-sol"}]},
    "deepseek": {"data": [{"id": "deepseek-v4-pro"}]},
    "moonshot": {"data": [{"id": "kimi-k3.1-pro"}]},
    "anthropic": {"data": [{"id": "claude-sonnet-5-5"}]},
    "gemini": {"models": [{"name": "models/gemini-3.8-flash"}]},
    "ollama": {"capabilities": ["completion"]},
}
BALANCES = {
    "deepseek": {"is_available": True, "balance_infos": []},
    "moonshot": {"code": 0, "data": {"available_balance": 49.58}, "status": True},
}
PROBE_PATHS = {
    "openai": ["/models"],
    "deepseek": ["/models", "/user/balance"],
    "moonshot": ["/models", "/users/me/balance"],
    "anthropic": ["/v1/models?limit=1000"],
    "gemini": ["/v1beta/models?pageSize=1000"],
    "ollama": ["/api/show"],
}


def probe_script(case: WireCase) -> tuple[ScriptedReply, ...]:
    balance = (json_reply(BALANCES[case.kind]),) if case.kind in BALANCES else ()
    return (json_reply(LISTS[case.kind]), *balance)


@ALL
async def test_a_probe_finds_a_model_that_is_there(case: WireCase) -> None:
    async with adapter_of(case, *probe_script(case)) as (adapter, server):
        reply = await adapter.probe(case.model_id)

    assert reply.outcome is Outcome.ANSWERED
    assert [request.path for request in server.requests] == PROBE_PATHS[case.kind]
    assert all(request.headers[case.key_header[0]] == case.key_header[1] for request in server.requests)


@ALL
async def test_a_probe_misses_a_model_that_is_not_there(case: WireCase) -> None:
    script = json_reply({"error": "model not found"}, status=404) if case.kind == "ollama" else probe_script(case)[0]
    async with adapter_of(case, script) as (adapter, _):
        reply = await adapter.probe("another")

    assert reply.outcome is Outcome.MODEL_NOT_FOUND


@ALL
@pytest.mark.parametrize(
    "scripted, outcome",
    [
        pytest.param(ScriptedReply(status=401), Outcome.UNAUTHORIZED, id="key"),
        pytest.param(ScriptedReply(body=HTML), Outcome.SERVER_ERROR, id="html"),
        pytest.param(ScriptedReply(fate=Fate.RESET), Outcome.NETWORK, id="reset"),
    ],
)
async def test_a_probe_says_what_is_wrong(case: WireCase, scripted: ScriptedReply, outcome: Outcome) -> None:
    async with adapter_of(case, scripted) as (adapter, _):
        assert (await adapter.probe(case.model_id)).outcome is outcome


@pytest.mark.parametrize(
    "kind, balance",
    [
        ("deepseek", {"is_available": False, "balance_infos": []}),
        ("moonshot", {"code": 0, "data": {"available_balance": 0.0}, "status": True}),
        ("moonshot", {"code": 0, "data": {"available_balance": -1.5}, "status": True}),
    ],
)
async def test_a_probe_sees_an_empty_account(kind: str, balance: dict[str, object]) -> None:
    case = next(case for case in CASES if case.kind == kind)
    async with adapter_of(case, json_reply(LISTS[kind]), json_reply(balance)) as (adapter, _):
        assert (await adapter.probe(case.model_id)).outcome is Outcome.BILLING
