import asyncio
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import ollama
import pytest

from pointsman.domain.clock import SystemClock
from pointsman.domain.trail import Outcome
from pointsman.simulator.faults import Fault
from pointsman.simulator.scenarios import INSTANT
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation

KEYS = {"authorization": "Bearer key", "x-api-key": "key", "x-goog-api-key": "key", "anthropic-version": "2026-10-21"}
TURN = {"role": "user", "content": "Name a prime."}
OPENAI = {"model": "gpt-6.2-sol", "messages": [TURN]}
CALLS = {
    "openai": ("/chat/completions", OPENAI),
    "deepseek": ("/chat/completions", {"model": "deepseek-v4-pro", "messages": [TURN]}),
    "moonshot": ("/chat/completions", {"model": "kimi-k3.1-pro", "messages": [TURN]}),
    "anthropic": ("/v1/messages", {"model": "claude-haiku-5-5", "max_tokens": 900, "messages": [TURN]}),
    "gemini": (
        "/v1beta/models/gemini-3.8-flash:generateContent",
        {"contents": [{"parts": [{"text": "Name a prime."}]}]},
    ),
    "ollama": ("/api/generate", {"model": "qwen2.5:1.5b-instruct", "prompt": "Name a prime.", "stream": False}),
}


@pytest.fixture
async def world() -> AsyncIterator[Simulation]:
    async with serve(INSTANT, clock=SystemClock(), seed=1) as simulation:
        yield simulation


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=KEYS) as session:
        yield session


def url(world: Simulation, kind: str) -> str:
    return world.base_urls[kind] + CALLS[kind][0]


@pytest.mark.parametrize("kind", list(CALLS))
async def test_every_provider_answers_over_http(world: Simulation, http: aiohttp.ClientSession, kind: str) -> None:
    async with http.post(url(world, kind), json=CALLS[kind][1]) as response:
        text = await response.text()

    assert response.status == 200
    assert "[simulated " in text
    assert response.headers["x-pointsman-simulated"] == "1"


def test_addresses_are_on_loopback_and_ollama_has_its_own(world: Simulation) -> None:
    ports = {kind: base.split("/")[2] for kind, base in world.base_urls.items()}

    assert all(address.startswith("127.0.0.1:") for address in ports.values())
    assert len({address for kind, address in ports.items() if kind != "ollama"}) == 1
    assert ports["ollama"] != ports["openai"]
    assert world.base_urls["ollama"] == f"http://{ports['ollama']}"


@pytest.mark.parametrize(
    "kind, path, body",
    [
        pytest.param("openai", "/chat/completions", OPENAI | {"stream": True}, id="openai"),
        pytest.param(
            "gemini",
            "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
            CALLS["gemini"][1],
            id="gemini, whose stream begins with nothing",
        ),
        pytest.param(
            "ollama", "/api/generate", {"model": "qwen2.5:1.5b-instruct", "prompt": "Hello"}, id="ollama, lines of JSON"
        ),
    ],
)
async def test_a_stream_arrives_whole(
    world: Simulation, http: aiohttp.ClientSession, kind: str, path: str, body: dict[str, object]
) -> None:
    async with http.post(world.base_urls[kind] + path, json=body) as response:
        stream = await response.text()

    assert response.status == 200
    assert "[simulated" in stream
    assert world.tallies.total.outcomes == {Outcome.ANSWERED: 1}


@pytest.mark.parametrize("kind", ["openai", "ollama"])
async def test_a_provider_that_is_down_breaks_the_connection_and_is_back_when_it_is_up(
    world: Simulation, http: aiohttp.ClientSession, kind: str
) -> None:
    world.down(kind)
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post(url(world, kind), json=CALLS[kind][1])

    world.up(kind)
    response = await http.post(url(world, kind), json=CALLS[kind][1])

    assert response.status == 200


async def test_a_reset_is_seen_as_one(world: Simulation, http: aiohttp.ClientSession) -> None:
    world.script("openai", Fault.RESET)

    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post(url(world, "openai"), json=OPENAI)
    assert world.tallies.total.outcomes == {Outcome.NETWORK: 1}


async def test_a_caller_that_hangs_up_is_felt(world: Simulation, http: aiohttp.ClientSession) -> None:
    world.script("openai", Fault.SILENCE)
    call = asyncio.create_task(http.post(url(world, "openai"), json=OPENAI))
    async with asyncio.timeout(5):
        while world.tallies.total.in_flight == 0:
            await SystemClock().sleep(0.001)

        call.cancel()
        while world.tallies.total.abandoned == 0:
            await SystemClock().sleep(0.001)

    assert world.tallies.total.in_flight == 0


async def test_a_large_body_is_taken(world: Simulation, http: aiohttp.ClientSession) -> None:
    body = json.dumps(OPENAI | {"messages": [{"role": "user", "content": "word " * 1_000_000}]}).encode()

    async with http.post(url(world, "openai"), data=io.BytesIO(body)) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (400, "context_length_exceeded")


async def test_the_official_client_of_ollama_is_content(world: Simulation) -> None:
    async with ollama.AsyncClient(host=world.base_urls["ollama"], trust_env=False) as client:
        listed = await client.list()
        answer = await client.generate("qwen2.5:1.5b-instruct", "Hello", logprobs=True, top_logprobs=3, keep_alive=-1)
        progress = [step.status async for step in await client.pull("qwen2.5:1.5b-instruct", stream=True)]
        resident = await client.ps()
        with pytest.raises(ollama.ResponseError) as refused:
            await client.chat("nope", [TURN])

    assert len(listed.models) == 2
    assert (answer.response or "").startswith("[simulated qwen2.5:1.5b-instruct]")
    assert progress[-1] == "success"
    assert [model.model for model in resident.models] == ["qwen2.5:1.5b-instruct"]
    assert refused.value.status_code == 404


@pytest.mark.parametrize(
    "fault, error",
    [(Fault.STREAM_CUT, aiohttp.ClientError), (Fault.STREAM_STALL, TimeoutError)],
    ids=["cut", "stall"],
)
async def test_a_stream_breaks_on_the_wire_behind_what_came(
    world: Simulation, http: aiohttp.ClientSession, fault: Fault, error: type[Exception]
) -> None:
    world.script("*", fault)
    came = b""

    async def read() -> None:
        nonlocal came
        limit = aiohttp.ClientTimeout(sock_read=0.2)
        async with http.post(url(world, "openai"), json=OPENAI | {"stream": True}, timeout=limit) as response:
            async for piece in response.content.iter_any():
                came += piece

    with pytest.raises(error):
        await read()

    assert b"[simulated" in came
    assert b"[DONE]" not in came
