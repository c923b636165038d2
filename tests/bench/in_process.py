"""An Execute without sockets: message in, attempt loop, ledger, wire format, a provider in this process, message out.

Beside it the same exchange with nothing of ours in between, which is what any service in its place would have to do.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import httpx

from pointsman.config import Settings
from pointsman.config.load import SIMULATED_KEY_ENV
from pointsman.config.settings import CandidateSettings, JournalSettings, PoolSettings, ProviderSettings, QuotaSettings
from pointsman.domain.clock import SystemClock
from pointsman.executor.app import adapters_of, build
from pointsman.executor.pools import candidates
from pointsman.executor.service import ExecutorServicer
from pointsman.v1 import executor_pb2, types_pb2
from tests.bench.instant import ANSWER, BODY, HEADERS

Ask = Callable[[str], Awaitable[bytes]]

PLENTY: Final = 1_000_000_000
CATEGORIES: Final = ("reasoning", "coding", "quick", "vision", "review")
CATEGORY: Final = "quick"
URL: Final = "http://provider.invalid/v1"
TIMEOUT_S: Final = 30.0


class ProviderHere(httpx.AsyncBaseTransport):
    """Answers at once, after `before` has run."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.before = before

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.before()
        return httpx.Response(200, headers=HEADERS, content=BODY)


class Called:
    """The context of a call that has all its time."""

    def time_remaining(self) -> float:
        """Return the seconds that are left."""
        return TIMEOUT_S


def settings_of(*, in_pool: int = 2, pools: int = len(CATEGORIES)) -> Settings:
    """Return so many pools of so many candidates each, none of them in two pools."""
    names = [*CATEGORIES, *(f"added-{number}" for number in range(pools - len(CATEGORIES)))][:pools]
    members = {name: [f"stub/{name}-{number}" for number in range(in_pool)] for name in names}
    quota = QuotaSettings(requests_per_minute=PLENTY, tokens_per_minute=PLENTY)
    return Settings(
        journal=JournalSettings(url=""),
        providers={"stub": ProviderSettings(wire="openai", base_url=URL, api_key_env=SIMULATED_KEY_ENV)},
        candidates={
            id_: CandidateSettings(provider="stub", model="gpt-6.2-sol", quota=quota)
            for ids in members.values()
            for id_ in ids
        },
        pools={name: PoolSettings(candidates=tuple(ids)) for name, ids in members.items()},
    )


@asynccontextmanager
async def executing(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> AsyncIterator[Ask]:
    """Yield what executes a text, as bytes in and bytes out."""
    clock, known = SystemClock(), candidates(settings)
    adapters = adapters_of(settings, clock=clock, transport=transport or ProviderHere())
    servicer = ExecutorServicer(
        engine=build(settings, known, adapters, clock=clock, random=Random(1)),
        candidates=tuple(known.values()),
        limits=settings.limits,
        settings_hash="",
        default_deadline_s=TIMEOUT_S,
        reply_reserve_s=settings.executor.reply_reserve_s,
        window_s=settings.executor.coalesce_s,
    )
    context = Called()

    async def ask(text: str) -> bytes:
        request = executor_pb2.ExecuteRequest.FromString(_asked(text))
        response = await servicer.Execute(request, context)  # type: ignore[arg-type]  # all that it asks of a context
        return response.SerializeToString()

    try:
        yield ask
    finally:
        for adapter in adapters.values():
            await adapter.close()


@asynccontextmanager
async def bare() -> AsyncIterator[Ask]:
    """Yield the exchange alone: message in, JSON out over the same HTTP client, JSON in, message out."""
    async with httpx.AsyncClient(transport=ProviderHere(), trust_env=False) as client:

        async def ask(text: str) -> bytes:
            request = executor_pb2.ExecuteRequest.FromString(_asked(text))
            body = {"model": "gpt-6.2-sol", "messages": [{"role": "user", "content": request.text}]}
            async with asyncio.timeout(TIMEOUT_S):
                response = await client.post(f"{URL}/chat/completions", content=json.dumps(body))
            said = json.loads(response.content)["choices"][0]["message"]["content"]
            return executor_pb2.ExecuteResponse(answer=types_pb2.Answer(text=said)).SerializeToString()

        yield ask


def _asked(text: str) -> bytes:
    return executor_pb2.ExecuteRequest(text=text, category=CATEGORY).SerializeToString()


def is_right(answer: bytes) -> bool:
    """Return whether the provider's answer is in there."""
    return executor_pb2.ExecuteResponse.FromString(answer).answer.text == ANSWER
