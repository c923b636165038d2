"""Streams of the four wire formats in pieces, and a real Router and Executor over providers that play them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import grpc

from pointsman.config.settings import (
    CandidateSettings,
    ExecutorSettings,
    FallbackSettings,
    JournalSettings,
    PoolSettings,
    ProviderSettings,
    QuotaSettings,
    RouterSettings,
    Settings,
)
from pointsman.domain.answer import Usage
from pointsman.domain.clock import SystemClock
from pointsman.executor import app as executor_app
from pointsman.router import app as router_app
from pointsman.v1 import executor_pb2, executor_pb2_grpc, router_pb2_grpc
from tests.fakes.http_server import FakeHttpServer, ScriptedReply
from tests.fakes.serving import NOBODY, peers

EXAMPLES = Path(__file__).parents[1] / "adapters/examples"
SUBJECT, BACKUP = "subject/m", "backup/m"
ESTIMATED = Usage(input_tokens=17, output_tokens=1, estimated=True)
"""What one letter of an answer to a question of one letter is taken for."""

EXECUTOR = ExecutorSettings(
    address="127.0.0.1:0",
    attempt_timeout_s=5.0,
    first_token_timeout_s=0.3,
    idle_timeout_s=0.3,
    stream_timeout_s=5.0,
    attempt_floor_s=0.05,
    fallback_reserve_s=0.0,
    grace_s=1.0,
)
UNHURRIED = replace(EXECUTOR, first_token_timeout_s=5.0, idle_timeout_s=5.0, reply_reserve_s=0.2)
"""With which the caller's deadline is the first limit to be reached, and a busy machine has time for the way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCase:
    """One wire format: its stream of "97" in frames, how many hold no content yet, and its error inside a stream.

    `usage` is of the whole stream, `so_far` what is told of one that breaks behind the first letter.
    """

    wire: Literal["openai", "anthropic", "gemini", "ollama"]
    model: str
    content_type: str
    frames: tuple[bytes, ...]
    silent: int
    error: bytes
    usage: Usage
    so_far: Usage

    @property
    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self.frames)

    @property
    def preamble(self) -> bytes:
        """What comes before the first content."""
        return b"".join(self.frames[: self.silent])

    @property
    def begun(self) -> bytes:
        """The stream up to its first letter."""
        return b"".join(self.frames[: self.silent + 1])

    def reply(self, body: bytes, **more: object) -> ScriptedReply:
        """Return a reply of this format with that body."""
        return ScriptedReply(headers={"content-type": self.content_type}, body=body, **more)  # type: ignore[arg-type]  # as named


def _frames(name: str) -> tuple[bytes, ...]:
    text = (EXAMPLES / f"{name}.sse").read_bytes().strip()
    return tuple(frame + b"\n\n" for frame in text.split(b"\n\n"))


EVENTS = "text/event-stream"
CASES = (
    StreamCase(
        wire="openai",
        model="gpt-6.2-sol",
        content_type=EVENTS,
        frames=_frames("openai.stream.200"),
        silent=1,
        error=_frames("openai.stream.error")[1],
        usage=Usage(input_tokens=24, output_tokens=75, reasoning_tokens=64),
        so_far=ESTIMATED,
    ),
    StreamCase(
        wire="anthropic",
        model="claude-sonnet-5-5",
        content_type=EVENTS,
        frames=_frames("anthropic.stream.200"),
        silent=3,
        error=_frames("anthropic.stream.error")[1],
        usage=Usage(input_tokens=25, output_tokens=70),
        so_far=Usage(input_tokens=25, output_tokens=1),
    ),
    StreamCase(
        wire="gemini",
        model="gemini-3.8-flash",
        content_type=EVENTS,
        frames=_frames("gemini.stream.200"),
        silent=0,
        error=_frames("gemini.stream.error.data")[1],
        usage=Usage(input_tokens=23, output_tokens=63, reasoning_tokens=61),
        so_far=Usage(input_tokens=23, output_tokens=61, reasoning_tokens=61),
    ),
    StreamCase(
        wire="ollama",
        model="qwen2.5:14b-instruct-q8_0",
        content_type="application/x-ndjson",
        frames=(
            b'{"model":"qwen2.5:14b-instruct-q8_0","message":{"role":"assistant","content":"9"},"done":false}\n',
            b'{"model":"qwen2.5:14b-instruct-q8_0","message":{"role":"assistant","content":"7"},"done":false}\n',
            b'{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":20,"eval_count":3}\n',
        ),
        silent=0,
        error=b'{"error":"llama runner process has terminated"}\n',
        usage=Usage(input_tokens=20, output_tokens=3),
        so_far=ESTIMATED,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A running Router and Executor, and stubs of both."""

    router_address: str
    router: "router_pb2_grpc.RouterServiceAsyncStub"
    executor: "executor_pb2_grpc.ExecutorServiceAsyncStub"

    async def state(self, candidate: str = SUBJECT) -> executor_pb2.CandidateState:
        """Return what the ledger holds of a candidate."""
        listed = await self.executor.ListCandidates(executor_pb2.ListCandidatesRequest(), timeout=5)
        return next(state for state in listed.candidates if state.candidate == candidate)

    async def report(self) -> executor_pb2.ReportRow:
        """Return the sums of the journal."""
        return (await self.executor.Report(executor_pb2.ReportRequest(), timeout=5)).total

    async def at_rest(self) -> executor_pb2.CandidateState:
        """Return the state of the subject once no call of it is under way and its request is written down."""
        while (state := await self.state()).in_flight or not (await self.report()).requests:
            pass
        return state


def settings_of(
    case: StreamCase,
    url: str,
    *,
    backup_url: str = "",
    is_fallback: bool = False,
    executor: ExecutorSettings = EXECUTOR,
) -> Settings:
    """Return settings with one pool: the subject, behind it the backup if there is one; or the subject as fallback.

    Nothing is called local, because a local model is asked all the time whether it is there.
    """
    names = {"subject": case, "backup": CASES[0]} if backup_url else {"subject": case}
    urls = {"subject": url, "backup": backup_url}
    providers = {
        name: ProviderSettings(
            wire=each.wire,
            base_url=urls[name],
            api_key_env="POINTSMAN_SIMULATED_KEY",
            api_version={"anthropic": "2026-10-21", "gemini": "v1beta"}.get(each.wire, ""),
        )
        for name, each in names.items()
    }
    candidates = {
        f"{name}/m": CandidateSettings(
            provider=name, model=each.model, quota=QuotaSettings(requests_per_minute=10, concurrency=2)
        )
        for name, each in names.items()
    }
    pool = PoolSettings(candidates=(BACKUP,) if is_fallback else tuple(candidates))
    return Settings(
        journal=JournalSettings(url=""),
        router=RouterSettings(address="127.0.0.1:0", default_category="quick", grace_s=1.0),
        executor=executor,
        providers=providers,
        candidates=candidates,
        pools={"quick": pool},
        fallback=FallbackSettings(candidate=SUBJECT if is_fallback else "", queue=1),
    )


@asynccontextmanager
async def routed(settings: Settings) -> AsyncIterator[Routed]:
    """Run a real Router in front of a real Executor; the Classifier is down, so requests name their category."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        serving = await stack.enter_async_context(executor_app.run(settings, clock=clock))
        found = replace(settings.router, classifier_address=NOBODY, executor_address=serving.address)
        within = await stack.enter_async_context(peers(None, serving))
        front = await stack.enter_async_context(
            router_app.run(found, settings.limits, ("quick",), clock=clock, peers=within)
        )
        to_router = await stack.enter_async_context(grpc.aio.insecure_channel(front.address))
        to_executor = await stack.enter_async_context(grpc.aio.insecure_channel(serving.address))
        yield Routed(
            router_address=front.address,
            router=router_pb2_grpc.RouterServiceStub(to_router),
            executor=executor_pb2_grpc.ExecutorServiceStub(to_executor),
        )


@asynccontextmanager
async def playing(*servers: FakeHttpServer) -> AsyncIterator[None]:
    """Run the servers until the block ends."""
    async with AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        yield
