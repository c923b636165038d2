"""Callers: paced by chance, each with a deadline, some of which leave early; every end is kept."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

import grpc
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # has .pyi files, but no py.typed
from grpc_status import rpc_status

from pointsman.simulator.prompts import SAMPLE_PROMPTS
from pointsman.v1 import executor_pb2 as executor_pb
from pointsman.v1 import executor_pb2_grpc, router_pb2_grpc, types_pb2
from pointsman.v1 import router_pb2 as router_pb
from tests.chaos.record import Kind, Record

KINDS: Final = {Kind.ROUTE: 40, Kind.STREAM: 30, Kind.EXECUTE: 15, Kind.STREAM_EXECUTE: 15}
CATEGORIES: Final = ("reasoning", "coding", "quick", "review")
MOST_AT_ONCE: Final = 100
OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
"""As the Python client has them."""


Streamed: TypeAlias = (
    "grpc.aio.UnaryStreamCall[router_pb.StreamRouteRequest, router_pb.StreamRouteResponse]"
    "| grpc.aio.UnaryStreamCall[executor_pb.StreamExecuteRequest, executor_pb.StreamExecuteResponse]"
)
"""A type that only the stubs' type hints have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call to come: after how long a pause, what, and when its caller leaves (None: it stays)."""

    number: int
    pause_s: float
    kind: Kind
    prompt: str
    category: str
    deadline_s: float
    gives_up_s: float | None
    max_output_tokens: int


def draw(number: int, random: Random, *, rate: float) -> Ask:
    """Return the next call: `rate` a second, one in seven in a hurry, one in twelve given up."""
    sample = random.choice([sample for sample in SAMPLE_PROMPTS if sample.image is None])
    (kind,) = random.choices([*KINDS], [*KINDS.values()])
    is_named = not kind.by_router or random.random() < 0.3
    hurried = random.random() < 1 / 7
    return Ask(
        number=number,
        pause_s=random.expovariate(rate),
        kind=kind,
        prompt=f"{sample.text} ({number})",
        category=random.choice(CATEGORIES) if is_named else "",
        deadline_s=random.uniform(1.2, 2.2) if hurried else random.uniform(4.0, 9.0),
        gives_up_s=random.uniform(0.01, 0.8) if random.random() < 1 / 12 else None,
        max_output_tokens=random.choice((60, 100, 200)),
    )


@dataclass(slots=True)
class Callers:
    """Those who ask. `records` is what became of each; `under_way` counts those that wait."""

    addresses: Mapping[str, str]
    records: list[Record] = field(default_factory=list)
    under_way: int = 0
    refused: int = 0
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    async def keep_asking(self, random: Random, *, rate: float, until: float) -> None:
        """Ask until that instant, and then wait until everybody has been told something."""
        number = 0
        async with asyncio.TaskGroup() as tasks:
            while time.time() < until:
                number += 1
                ask = draw(number, random, rate=rate)
                await asyncio.sleep(ask.pause_s)
                if self.under_way < MOST_AT_ONCE:
                    tasks.create_task(self.ask(ask))

    async def ask(self, ask: Ask) -> Record:
        """Make one call and keep how it ended."""
        self.under_way += 1
        began, said = time.time(), _Said()
        try:
            code, error = await self._call(ask, said)
        finally:
            self.under_way -= 1
        record = Record(
            number=ask.number,
            kind=ask.kind,
            began=began,
            deadline_s=ask.deadline_s,
            ended=time.time(),
            code=code,
            reason=_reason(error),
            message=(error.details() or "")[:300] if error else "",
            is_given_up=ask.gives_up_s is not None,
            is_partial=said.is_partial,
            is_degraded=said.is_degraded,
            starts=said.starts,
            deltas=said.deltas,
            ends=said.ends,
            after_end=said.after_end,
            trace_id=said.trace_id,
            candidate=said.candidate,
        )
        self.records.append(record)
        return record

    async def _call(self, ask: Ask, said: "_Said") -> tuple[str, grpc.aio.AioRpcError | None]:
        calling = asyncio.ensure_future(self._made(ask, said))
        try:
            if ask.gives_up_s is not None:
                await asyncio.wait([calling], timeout=ask.gives_up_s)
                calling.cancel()
            await calling
        except asyncio.CancelledError:
            return "CANCELLED", None
        except grpc.aio.AioRpcError as error:
            return error.code().name, error
        return "OK", None

    async def _made(self, ask: Ask, said: "_Said") -> None:
        channel = self._channel("router" if ask.kind.by_router else "second")
        if ask.kind.by_router:
            await _asked_router(router_pb2_grpc.RouterServiceStub(channel), ask, said)
        else:
            await _asked_executor(executor_pb2_grpc.ExecutorServiceStub(channel), ask, said)

    def _channel(self, name: str) -> grpc.aio.Channel:
        """Return the channel to where that service is now: the second Executor has a new port after each start."""
        address = self.addresses[name]
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(address, OPTIONS)
        return self._channels[address]

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels.values():
            await channel.close()


@asynccontextmanager
async def calling(addresses: Mapping[str, str]) -> AsyncIterator[Callers]:
    """Yield callers whose channels are closed with the block."""
    callers = Callers(addresses)
    try:
        yield callers
    finally:
        await callers.close()


@dataclass(slots=True)
class _Said:
    """What came of a call so far."""

    starts: int = 0
    deltas: int = 0
    ends: int = 0
    after_end: int = 0
    is_partial: bool = False
    is_degraded: bool = False
    trace_id: str = ""
    candidate: str = ""

    def take(self, event: router_pb.StreamRouteResponse | executor_pb.StreamExecuteResponse) -> None:
        self.after_end += self.ends
        match event.WhichOneof("event"):
            case "start":
                self.starts += 1
                if isinstance(event, router_pb.StreamRouteResponse):
                    self.trace_id, self.candidate = event.start.trace_id, event.start.chosen.candidate
            case "delta":
                self.deltas += 1
            case "end":
                self.ends += 1
                self.is_partial = event.end.partial
                self.is_degraded = bool(event.end.degraded_reasons)


async def _asked_router(stub: "router_pb2_grpc.RouterServiceAsyncStub", ask: Ask, said: _Said) -> None:
    options = types_pb2.Options(category=ask.category, max_output_tokens=ask.max_output_tokens)
    if ask.kind.is_streamed:
        streamed = router_pb.StreamRouteRequest(text=ask.prompt, options=options)
        await _read(stub.StreamRoute(streamed, timeout=ask.deadline_s), said)
        return
    answer = await stub.Route(router_pb.RouteRequest(text=ask.prompt, options=options), timeout=ask.deadline_s)
    said.starts = said.ends = 1
    said.trace_id, said.candidate, said.is_degraded = answer.trace_id, answer.candidate, answer.degraded


async def _asked_executor(stub: "executor_pb2_grpc.ExecutorServiceAsyncStub", ask: Ask, said: _Said) -> None:
    request = executor_pb.ExecuteRequest(
        text=ask.prompt,
        category=ask.category,
        options=types_pb2.Options(max_output_tokens=ask.max_output_tokens),
    )
    if ask.kind.is_streamed:
        streamed = executor_pb.StreamExecuteRequest(request=request)
        await _read(stub.StreamExecute(streamed, timeout=ask.deadline_s), said)
        return
    answer = await stub.Execute(request, timeout=ask.deadline_s)
    said.starts = said.ends = 1
    said.candidate, said.is_degraded = answer.candidate, bool(answer.degraded_reasons)


async def _read(call: Streamed, said: _Said) -> None:
    try:
        async for event in call:
            said.take(event)
    finally:
        call.cancel()


def _reason(error: grpc.aio.AioRpcError | None) -> str:
    """Return the reason of our details; empty where the status is gRPC's own."""
    status = rpc_status.from_call(error) if error else None  # type: ignore[arg-type]  # works for both stacks
    for detail in status.details if status else ():
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
