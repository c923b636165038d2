"""The scripted Ollama itself, asked by the real client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import ollama
import pytest

from tests.fakes.ollama import MODEL, FakeOllama


@asynccontextmanager
async def asked(server: FakeOllama) -> AsyncIterator[ollama.AsyncClient]:
    async with server.running(), ollama.AsyncClient(host=server.url, trust_env=False, timeout=5) as client:
        yield client


async def test_it_lists_what_is_installed_and_what_is_loaded() -> None:
    async with asked(FakeOllama(loaded=True)) as client:
        installed, running = await client.list(), await client.ps()

    assert [model.model for model in installed.models] == [MODEL]
    assert [model.model for model in running.models] == [MODEL]


async def test_it_knows_no_model_that_is_not_installed() -> None:
    async with asked(FakeOllama(installed=False)) as client:
        with pytest.raises(ollama.ResponseError) as raised:
            await client.show(MODEL)

    assert raised.value.status_code == 404


async def test_it_chats() -> None:
    async with asked(FakeOllama()) as client:
        answer = await client.chat(MODEL, [{"role": "user", "content": "hi"}])

    assert answer.message.content == "scripted"


async def test_a_pull_tells_its_progress_line_by_line() -> None:
    async with asked(FakeOllama()) as client:
        lines = [line.status async for line in await client.pull(MODEL, stream=True)]

    assert lines == ["pulling manifest", "success"]


async def test_a_pull_that_fails_says_so_inside_a_200() -> None:
    async with asked(FakeOllama(pull_lines=({"status": "pulling manifest"}, {"error": "no such model"}))) as client:
        with pytest.raises(ollama.ResponseError, match="no such model"):
            _ = [line async for line in await client.pull(MODEL, stream=True)]


async def test_a_client_that_leaves_during_a_load_aborts_it() -> None:
    server = FakeOllama()
    async with asked(server) as client:
        server.may_load.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.generate(MODEL, "hi")
        await server.until(lambda: server.clients_left == 1)

    assert (server.aborted_loads, server.loaded) == (1, False)
