"""Whom an adapter talks to: the base URL of the settings, and nobody that a caller or an answer names."""

from collections.abc import AsyncIterator

import pytest

from pointsman.domain.prompt import ImageUrl, Message, Role, Text
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Adapter, Call, Reply
from tests.adapters.wires import CASES, WireCase
from tests.fakes.http_server import FakeHttpServer, ScriptedReply, http_server

BY_WIRE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)


@pytest.fixture
async def stranger() -> AsyncIterator[FakeHttpServer]:
    async with http_server(ScriptedReply()) as server:
        yield server


async def asked(adapter: Adapter, call: Call) -> list[Reply]:
    """Return the replies of a call, a stream and a probe."""
    whole = await adapter.call(call)
    streamed = [step async for step in adapter.stream(call) if isinstance(step, Reply)]
    return [whole, *streamed, await adapter.probe(call.candidate.model.id)]


@BY_WIRE
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_takes_no_key_along(
    case: WireCase, status: int, stranger: FakeHttpServer
) -> None:
    away = ScriptedReply(status=status, headers={"location": f"{stranger.url}/v1/elsewhere"})
    async with http_server(away) as provider:
        adapter = case.adapter(provider.url)
        replies = await asked(adapter, case.call())
        await adapter.close()

    assert [reply.outcome for reply in replies] == [Outcome.SERVER_ERROR] * 3
    assert len(provider.requests) == 3
    assert stranger.connections == 0


@BY_WIRE
async def test_the_url_of_an_image_is_never_fetched(case: WireCase, stranger: FakeHttpServer) -> None:
    parts = Text(text="What is it?"), ImageUrl(url=f"{stranger.url}/cat.png")
    call = case.call(messages=(Message(role=Role.USER, parts=parts),))
    async with http_server(ScriptedReply(body=case.answer)) as provider:
        adapter = case.adapter(provider.url)
        await asked(adapter, call)
        await adapter.close()

    assert stranger.connections == 0


@BY_WIRE
async def test_an_answer_that_names_a_url_calls_nobody(case: WireCase, stranger: FakeHttpServer) -> None:
    headers = {
        "link": f"<{stranger.url}>; rel=preload",
        "refresh": f"0;{stranger.url}",
        "content-location": stranger.url,
    }
    async with http_server(ScriptedReply(body=case.answer, headers=headers)) as provider:
        adapter = case.adapter(provider.url)
        await asked(adapter, case.call())
        await adapter.close()

    assert stranger.connections == 0
