"""One run: the stack starts, callers ask, the schedule breaks things, all heals; what was seen is the evidence."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import grpc

from pointsman.v1 import executor_pb2, executor_pb2_grpc, router_pb2, router_pb2_grpc, types_pb2
from tests.chaos import book, journal, load, schedule, stack, watch
from tests.chaos.faults import inflict
from tests.chaos.load import Ask, Callers
from tests.chaos.member import Life
from tests.chaos.outage import Fault, Outage
from tests.chaos.record import Kind, Record
from tests.chaos.schedule import SERVICES, Planned
from tests.chaos.spans import Seen, seen
from tests.chaos.stack import EXECUTORS, Stack
from tests.chaos.world import settings
from tests.fakes.otlp import Collector, collecting

CALM_S: Final = 6.0
"""Without faults, at the end: what is under way then must end as if nothing had been."""

EXPECTED: Final = "Stopping: calls under way get up to"
"""What a command says to whoever told it to stop."""

WHOLE_S: Final = 90.0
"""After which a stack that is not whole again is given up on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run. `rate` is calls a second; `only` names the faults, all if empty."""

    seed: int
    seconds: float
    rate: float
    only: tuple[Fault, ...] = ()
    pause_s: tuple[float, float] = schedule.PAUSE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was seen of a run. `whole_s` is how long it took to heal, None when it did not.

    `dropped` are rows that living Executors counted as lost; `cries` are lines, of all `lines` of the
    services' logs, that nobody should have written.
    """

    plan: Plan
    faults: tuple[Planned, ...]
    outages: tuple[Outage, ...]
    records: tuple[Record, ...]
    calls: tuple[book.Called, ...]
    attempts: tuple[journal.Noted, ...]
    dropped: int
    samples: tuple[watch.Sample, ...]
    uses: tuple[watch.WindowUse, ...]
    stalls: tuple[watch.Stall, ...]
    spans: tuple[Seen, ...]
    lives: tuple[tuple[str, Life], ...]
    cries: tuple[str, ...]
    lines: int
    whole_s: float | None
    why_not_whole: str


async def run(plan: Plan, *, tell: Callable[[str], None], folder: Path | None = None) -> Evidence:
    """Run the plan. Logs, books and the journal are kept in `folder`, where one is named."""
    async with AsyncExitStack() as ending:
        kept = folder or Path(ending.enter_context(tempfile.TemporaryDirectory()))
        kept.mkdir(parents=True, exist_ok=True)
        collector = await ending.enter_async_context(collecting())
        parts = await ending.enter_async_context(stack.running(kept, seed=plan.seed, collector=collector.endpoint))
        callers = await ending.enter_async_context(load.calling(parts.addresses))
        tell(f"the stack is up: {len(parts.members)} processes, {len(parts.links)} links")
        return await _course(plan, parts, callers, collector, tell)


async def _course(
    plan: Plan, parts: Stack, callers: Callers, collector: Collector, tell: Callable[[str], None]
) -> Evidence:
    first_s, why = await _until_whole(callers, since=time.time())
    if first_s is None:
        raise RuntimeError(f"the stack did not become whole before any fault: {why}")
    callers.records.clear()
    watching = watch.Watch(parts.members, f"redis://127.0.0.1:{parts.redis_port}/0", watch.limits_of(settings()))
    looking = [asyncio.create_task(watching.keep_looking()), asyncio.create_task(watching.keep_time())]
    drawn = schedule.draw(plan.seed, parts.parts, seconds=plan.seconds - CALM_S, only=plan.only, pause_s=plan.pause_s)
    outages = list[Outage]()
    try:
        async with asyncio.TaskGroup() as tasks:
            until = time.time() + plan.seconds
            tasks.create_task(callers.keep_asking(Random(plan.seed), rate=plan.rate, until=until))
            tasks.create_task(_break(drawn, parts, outages, tell))
        healed = max((outage.ended for outage in outages), default=time.time())
        records = tuple(callers.records)
        whole_s, why = await _until_whole(callers, since=healed)
        tell(f"whole again {whole_s:.1f} s after the last fault" if whole_s is not None else f"NOT whole again: {why}")
        watching.samples += watching.look()
    finally:
        for task in looking:
            task.cancel()
        await asyncio.wait(looking)
    dropped = await _dropped(parts)
    for name in SERVICES:  # callers first, so that no call finds its next hop gone
        await parts.members[name].terminate()
    if parts.journal.exists():
        shutil.copy(parts.journal, parts.folder)  # its own disk goes with the stack
    logs = [parts.members[name].log for name in SERVICES]
    return Evidence(
        plan=plan,
        faults=tuple(drawn),
        outages=tuple(sorted(outages, key=lambda outage: outage.began)),
        records=records,
        calls=tuple(book.read(parts.books)),
        attempts=tuple(journal.read(parts.journal)),
        dropped=dropped,
        samples=tuple(watching.samples),
        uses=tuple(watching.uses),
        stalls=tuple(watching.stalls),
        spans=tuple(seen(collector)),
        lives=tuple((name, life) for name in SERVICES for life in parts.members[name].lives),
        cries=tuple(_cries(logs)),
        lines=sum(len(log.read_text(errors="replace").splitlines()) for log in logs),
        whole_s=whole_s,
        why_not_whole=why,
    )


async def _break(drawn: Iterable[Planned], parts: Stack, outages: list[Outage], tell: Callable[[str], None]) -> None:
    """Inflict each fault at its time; those of different parts overlap."""
    began, locks = time.time(), dict[str, asyncio.Lock]()
    async with asyncio.TaskGroup() as tasks:
        for planned in drawn:
            await asyncio.sleep(max(0.0, began + planned.at_s - time.time()))
            what = f" {planned.reply}" if planned.reply else f" {planned.strength:g}" if planned.strength else ""
            tell(f"{planned.at_s:6.1f} s  {planned.fault:9} {planned.target}{what}, {planned.lasts_s:g} s")
            lock = locks.setdefault(planned.target, asyncio.Lock())
            tasks.create_task(inflict(planned, parts, lock, outages.append))


async def _until_whole(callers: Callers, *, since: float) -> tuple[float | None, str]:
    """Return after how many seconds everything answers and nothing is missing; None and why when it never does."""
    why, tries = "", 0
    while time.time() < since + WHOLE_S:
        tries += 1
        why = await _lacks(callers, tries)
        if not why:
            return time.time() - since, ""
        await asyncio.sleep(0.25)
    return None, why


async def _lacks(callers: Callers, number: int) -> str:
    """Return what is missing, empty when nothing is: both ways answer, the ledger is shared, the journal is written."""
    for kind in (Kind.ROUTE, Kind.EXECUTE):
        ask = Ask(
            number=-number,
            pause_s=0.0,
            kind=kind,
            prompt=f"Are you there? ({number})",
            category="quick",
            deadline_s=5.0,
            gives_up_s=None,
            max_output_tokens=60,
        )
        record = await callers.ask(ask)
        if not record.is_answered:
            return f"{kind}: {record.code} {record.reason} {record.message}"
    if why := await _verdict_lacks(callers.addresses["router"], number):
        return why
    for name in EXECUTORS:
        if why := await _executor_lacks(callers.addresses[name]):
            return f"{name}: {why}"
    return ""


async def _verdict_lacks(address: str, number: int) -> str:
    """Return what keeps the Classifier from being heard."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        request = router_pb2.ExplainRequest(text=f"Who are you? ({number})")
        try:
            explained = await stub.Explain(request, timeout=3)
        except grpc.aio.AioRpcError as error:
            return f"explain: {error.code().name}: {error.details()}"
    unheard = {types_pb2.DEGRADED_REASON_CLASSIFIER_DOWN, types_pb2.DEGRADED_REASON_CLASSIFIER_LATE}
    return "the Classifier is not heard" if unheard & {*explained.degraded_reasons} else ""


async def _executor_lacks(address: str) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = executor_pb2_grpc.ExecutorServiceStub(channel)
        try:
            listed = await stub.ListCandidates(executor_pb2.ListCandidatesRequest(), timeout=3)
            report = await stub.Report(executor_pb2.ReportRequest(), timeout=3)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
    if listed.ledger != "redis":
        return f"its ledger is {listed.ledger}"
    return "" if report.journal == "sqlite" else f"its journal is {report.journal}: {report.journal_detail}"


async def _dropped(parts: Stack) -> int:
    dropped = 0
    for name in EXECUTORS:
        async with grpc.aio.insecure_channel(parts.addresses[name]) as channel:
            stub = executor_pb2_grpc.ExecutorServiceStub(channel)
            try:
                dropped += (await stub.Report(executor_pb2.ReportRequest(), timeout=5)).dropped
            except grpc.aio.AioRpcError:  # what is not whole is told as that
                continue
    return dropped


def _cries(logs: Iterable[Path]) -> Iterable[str]:
    """Yield the lines by which services say that something happened which they did not expect."""
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if _is_cry(line):
                yield f"{log.stem}: {line[:1_500]}"


def _is_cry(line: str) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return not line.startswith(EXPECTED)  # loose text is nobody's line
    return isinstance(told, dict) and ("exception" in told or told.get("event") == "library.warned")
