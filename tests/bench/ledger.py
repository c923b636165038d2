"""The section `ledger`: what a reserve and its settle cost, in memory and through a real Redis.

The candidates are those of the reference settings, their limits a thousand times as high so that no call has to wait.
Calls come two a second with some under way, so every window has a full past; answers state what their provider states.
CPU in memory is that of the cheapest round: whatever else the machine does only adds to it.
"""

import asyncio
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Final

from redis.asyncio import Redis
from rich.table import Table
from structlog.testing import capture_logs

from pointsman.config import load
from pointsman.domain.answer import Usage
from pointsman.domain.clock import Clock, SystemClock
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.door import door
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Ledger, Reservation, Settlement
from pointsman.executor.ledger.redis import RedisLedger
from pointsman.executor.ledger.stay import Terms
from pointsman.executor.pools import candidates
from pointsman.executor.quota import Estimate
from tests.bench.findings import Effort, Findings, spin_s
from tests.bench.processes import SETTINGS
from tests.fakes.clock import FakeClock
from tests.fakes.redis_server import RedisServer, redis_server
from tests.no_skips import TOOLS

MOST_CPU_US: Final = 30.0
"""CPU that a reserve and its settle may take in memory, whoever the candidate is."""

ROUND_TRIPS: Final = 1.0
"""What a reserve takes with Redis, and a settle: exactly so many."""

STEP_S: Final = 0.5
WARM_UP: Final = 150
"""Calls before any is measured: more than a minute of them, and its margin."""

AT_ONCE: Final = 8
"""Calls under way."""

ROOM: Final = 1_000
SIZE: Final = Estimate(input_tokens=700, output_tokens=400, admitted_tokens=1_100)
USAGE: Final = Usage(input_tokens=650, output_tokens=300)

MINUTE: Final = timedelta(minutes=1)
STATED_BY: Final[Mapping[str, Sequence[Unit]]] = {
    "anthropic": (Unit.REQUESTS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS),
    "openai": (Unit.REQUESTS, Unit.TOKENS),
}
"""What the headers of an answer speak of; the other providers state nothing (docs, 2026-11)."""

THROUGH_REDIS: Final = "anthropic/claude-sonnet"
"""The candidate whose calls bring most: three windows of its group, all of them stated anew by every answer."""


def measure(effort: Effort) -> Findings:
    """Return what the ledger costs; without a redis-server, in memory only."""
    known = _reference()
    spins, in_memory = asyncio.run(_memory(known, effort.rounds))
    spin_us = min(spins) * 1e6
    (command,), advice = TOOLS["needs_redis"]
    in_redis = asyncio.run(_redis(known[THROUGH_REDIS], effort)) if shutil.which(command) else None
    figures = {f"ledger_cpu_us_{name}": cpu_us for name, cpu_us in in_memory.items()}
    figures["ledger_cpu_us_worst"] = max(in_memory.values())
    figures["ledger_calibration_loop_us"] = spin_us
    figures["ledger_worst_in_calibration_loops"] = figures["ledger_cpu_us_worst"] / spin_us
    if in_redis:
        figures |= in_redis.figures()
    return Findings(
        tables=(_table(in_memory, in_redis),),
        figures=figures,
        remark=f"Calibration: 200,000 turns of a bare loop took {spin_us / 1e3:.1f} ms. "
        "The second figure of Redis is what its server used, counting included. "
        f"Bounds: {MOST_CPU_US:.0f} µs in memory; with Redis one round trip a reserve and one a settle.",
        falls_short=tuple(falls_short(figures)),
        skipped=()
        if in_redis
        else (f"ledger in Redis: not measured, {command} is not on PATH; get it with: {advice}",),
    )


def falls_short(figures: Mapping[str, float]) -> list[str]:
    """Return a sentence for each bound that does not hold. What was not measured is not judged."""
    short = []
    if (worst := figures["ledger_cpu_us_worst"]) > MOST_CPU_US:
        short.append(f"a reserve and its settle in memory take {worst:.1f} µs of CPU, promised {MOST_CPU_US:.0f}")
    for step in ("reserve", "settle"):
        trips = figures.get(f"ledger_redis_round_trips_a_{step}", ROUND_TRIPS)
        if trips != ROUND_TRIPS:
            short.append(f"a {step} takes {trips:.3f} round trips with Redis, promised exactly one")
    return short


@dataclass(slots=True)
class Exchange:
    """What went over the wire and what it cost. CPU is in seconds."""

    calls: int = 0
    reserve_trips: int = 0
    settle_trips: int = 0
    cpu_s: float = 0.0
    server_cpu_s: float = 0.0

    def figures(self) -> dict[str, float]:
        """Return the numbers a call."""
        return {
            "ledger_redis_round_trips_a_reserve": self.reserve_trips / self.calls,
            "ledger_redis_round_trips_a_settle": self.settle_trips / self.calls,
            "ledger_redis_cpu_us": self.cpu_s / self.calls * 1e6,
            "ledger_redis_server_cpu_us": self.server_cpu_s / self.calls * 1e6,
            "ledger_redis_calls": float(self.calls),
        }


@dataclass(frozen=True, slots=True)
class Meter:
    """What Redis itself says it has read, written and used so far. Asking is an exchange too."""

    reads: int
    writes: int
    cpu_s: float

    @classmethod
    async def read(cls, client: Redis) -> "Meter":
        """Ask it."""
        said = await client.info("stats", "cpu")
        return cls(
            reads=int(said["total_reads_processed"]),
            writes=int(said["total_writes_processed"]),
            cpu_s=said["used_cpu_user"] + said["used_cpu_sys"],
        )

    def trips_since(self, before: "Meter") -> int:
        """Return the exchanges between two readings, one of which was a reading."""
        return max(self.reads - before.reads, self.writes - before.writes) - 1


class Unlooking(SystemClock):
    """A clock on which nobody wakes: the looks at what other replicas did, twice a second, are not what is counted."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


async def _memory(known: Mapping[str, Candidate], rounds: int) -> tuple[list[float], dict[str, float]]:
    """Return the times of the calibration loop, and the CPU microseconds of a reserve and its settle by candidate."""
    spins, took = list[float](), dict[str, list[float]]()
    for _ in range(rounds):
        spins.append(spin_s())
        for name, candidate in known.items():
            took.setdefault(name, []).append(await _in_memory_us(candidate, calls=500))
    return spins, {name: min(each) for name, each in took.items()}


async def _in_memory_us(candidate: Candidate, *, calls: int) -> float:
    clock = FakeClock()
    ledger = MemoryLedger([candidate], clock=clock, random=Random(1), margin_s=1.0)
    under_way = deque[Reservation]()
    began = 0.0
    settlements = [_settlement(candidate, clock, number) for number in range(WARM_UP + calls)]
    for number, settlement in enumerate(settlements):
        if number == WARM_UP:
            began = time.process_time()
        clock.advance(STEP_S)
        under_way.append(await _reserve(ledger, candidate))
        if len(under_way) == AT_ONCE:
            await ledger.settle(under_way.popleft(), settlement)
    return (time.process_time() - began) / calls * 1e6


async def _redis(candidate: Candidate, effort: Effort) -> Exchange:
    """Return what so many calls come to, reserved and settled one after another with some under way."""
    clock, exchange = Unlooking(), Exchange()
    async with redis_server() as server, server.client() as client, _joined(server, candidate, clock) as ledger:
        await Meter.read(client)  # the first one connects as well
        for first in range(0, effort.rounds * effort.calls, AT_ONCE):
            settlements = [_settlement(candidate, clock, first + number) for number in range(AT_ONCE)]
            before, cpu_s = await Meter.read(client), time.process_time()
            under_way = [await _reserve(ledger, candidate) for _ in settlements]
            exchange.cpu_s += time.process_time() - cpu_s
            between, cpu_s = await Meter.read(client), time.process_time()
            for reservation, settlement in zip(under_way, settlements, strict=True):
                await ledger.settle(reservation, settlement)
            exchange.cpu_s += time.process_time() - cpu_s
            after = await Meter.read(client)
            exchange.calls += AT_ONCE
            exchange.reserve_trips += between.trips_since(before)
            exchange.settle_trips += after.trips_since(between)
            exchange.server_cpu_s += after.cpu_s - before.cpu_s
    return exchange


@asynccontextmanager
async def _joined(server: RedisServer, candidate: Candidate, clock: Clock) -> AsyncIterator[Ledger]:
    terms = Terms(lease_s=75.0, timeout_s=5.0, replicas=1)
    ledger = RedisLedger([candidate], terms, margin_s=1.0, connect=door(server.url), clock=clock, random=Random(1))
    with capture_logs():  # that it joined is no news here
        async with ledger.kept():
            yield ledger
            if ledger.name != "redis":
                raise RuntimeError("the ledger lost Redis while it was measured")


async def _reserve(ledger: Ledger, candidate: Candidate) -> Reservation:
    reservation = await ledger.reserve(candidate, SIZE)
    if isinstance(reservation, Reservation):
        return reservation
    raise RuntimeError(f"{candidate.id} has to wait, so what is measured is no call: {reservation.detail}")


def _reference() -> dict[str, Candidate]:
    known = candidates(load(SETTINGS, environ={}))
    return {name: _roomy(candidate) for name, candidate in known.items() if not candidate.local}


def _roomy(candidate: Candidate) -> Candidate:
    """Return the candidate with limits that nothing here reaches; that they are looked at is what costs."""
    scopes = (
        replace(scope, limits=tuple(replace(limit, amount=limit.amount * ROOM) for limit in scope.limits))
        for scope in candidate.scopes
    )
    return replace(candidate, scopes=tuple(scopes))


def _settlement(candidate: Candidate, clock: Clock, number: int) -> Settlement:
    """Return an answer of the call with that number, made ready before anything is measured."""
    full_at = clock.now() + timedelta(seconds=STEP_S * number + 6)
    remaining = 900_000 - number % 1_000
    stated = tuple(
        StatedQuota(unit=unit, limit=1_000_000, remaining=remaining, full_at=full_at, period=MINUTE, refills=True)
        for unit in STATED_BY.get(candidate.provider, ())
    )
    return Settlement(outcome=Outcome.ANSWERED, usage=USAGE, stated=stated)


def _table(in_memory: Mapping[str, float], in_redis: Exchange | None) -> Table:
    table = Table("candidate", "ledger", "states", "CPU", "round trips", title="A reserve and its settle")
    for name, cpu_us in in_memory.items():
        table.add_row(name, "memory", _stated(name), f"{cpu_us:.1f} µs", "")
    cells = ("not measured", "") if in_redis is None else _exchanged(in_redis.figures())
    table.add_row(THROUGH_REDIS, "Redis", _stated(THROUGH_REDIS), *cells)
    return table


def _stated(name: str) -> str:
    windows = len(STATED_BY.get(name.partition("/")[0], ()))
    return f"{windows} windows" if windows else "nothing"


def _exchanged(figures: Mapping[str, float]) -> tuple[str, str]:
    cpu = f"{figures['ledger_redis_cpu_us']:.0f} + {figures['ledger_redis_server_cpu_us']:.0f} µs"
    trips = (figures[f"ledger_redis_round_trips_a_{step}"] for step in ("reserve", "settle"))
    return cpu, " + ".join(f"{each:.2f}" for each in trips)
