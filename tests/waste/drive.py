"""One cell through the real attempt loop, adapters and wire formats; only time and the providers are simulated."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random

from pointsman.cli.comparison import DEADLINE_S, START, request_of
from pointsman.config import Settings
from pointsman.domain.clock import Clock
from pointsman.domain.errors import PointsmanError
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Outcome
from pointsman.executor import app as executor
from pointsman.executor.adapters.registry import Transport
from pointsman.executor.execute import Execute
from pointsman.executor.ledger.port import Ledger
from pointsman.executor.pools import candidates
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.traffic import Arrival
from pointsman.simulator.transport import SimulatorTransport
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.waste.cells import Cell, Traffic
from tests.waste.oracle import allowance
from tests.waste.terms import POOL, PREFERRED, Terms, settings, world

Figures = dict[str, float]

ShareLedger = Callable[[Settings, int], AbstractAsyncContextManager[Sequence[Ledger]]]
"""What gives so many Executors their doors to a ledger that lives elsewhere, while a block lasts."""


@dataclass(slots=True)
class Sums:
    """What became of the requests of one cell. `added_s` is what was waited before the call that answered."""

    requests: int = 0
    answered: int = 0
    calls: int = 0
    wasted: int = 0
    unproductive: int = 0
    preferred: int = 0
    added_s: list[float] = field(default_factory=list)

    def add(self, attempts: Sequence[Attempt], duration_s: float) -> None:
        """Add one request that ended."""
        answer = next((attempt for attempt in attempts if attempt.outcome is Outcome.ANSWERED), None)
        self.requests += 1
        self.answered += answer is not None
        self.calls += len(attempts)
        self.wasted += sum(attempt.wasted for attempt in attempts)
        self.unproductive += sum(not attempt.wasted and attempt is not answer for attempt in attempts)
        self.preferred += answer is not None and answer.candidate == PREFERRED
        if answer is not None:
            self.added_s.append(duration_s - answer.duration_s)

    def figures(self, allowed: int) -> Figures:
        """Return the numbers of the table."""
        return {
            "requests": self.requests,
            "calls_per_request": round(self.calls / self.requests, 4),
            "wasted": self.wasted,
            "wasted_share": round(self.wasted / max(1, self.calls), 5),
            "unproductive": self.unproductive,
            "lost": self.requests - self.answered,
            "preferred": self.preferred,
            "allowed": allowed,
            "preferred_share": round(self.preferred / max(1, allowed), 4),
            "added_mean_s": round(sum(self.added_s) / max(1, len(self.added_s)), 4),
            "added_max_s": round(max(self.added_s, default=0.0), 3),
        }


def run(cell: Cell, traffic: Sequence[Arrival], *, seed: int) -> Sums:
    """Return what Pointsman does with the traffic under the terms of a cell, on a virtual clock."""

    async def drive(clock: VirtualClock) -> Sums:
        simulation = Simulation(world(cell.terms), clock=clock, seed=seed)
        written = settings(cell.terms, simulation.base_urls, configured=cell.configured)
        engines = executors(written, cell.replicas, clock=clock, seed=seed, transport=SimulatorTransport(simulation))
        return await send(traffic, engines, clock=clock)

    return run_virtual(drive, start=START)


async def run_on_the_wire(
    cell: Cell, traffic: Sequence[Arrival], *, clock: Clock, seed: int, share: ShareLedger | None = None
) -> Sums:
    """Return the same over HTTP on loopback, in the time of the clock; `share` gives the Executors their ledgers."""
    async with AsyncExitStack() as stack:
        simulation = await stack.enter_async_context(serve(world(cell.terms), clock=clock, seed=seed))
        written = settings(cell.terms, simulation.base_urls, configured=cell.configured)
        ledgers = await stack.enter_async_context(share(written, cell.replicas)) if share else ()
        engines = executors(written, cell.replicas, clock=clock, seed=seed, ledgers=ledgers)
        for engine in engines:
            for adapter in engine.caller.adapters.values():
                stack.push_async_callback(adapter.close)
        return await send(traffic, engines, clock=clock)


def figures_of(cell: Cell, *, seed: int) -> Figures:
    """Return the numbers of a cell, beside what its preferred model would have allowed."""
    traffic = cell.traffic.arrivals(cell.terms.note_bytes, seed)
    return run(cell, traffic, seed=seed).figures(_allowed(cell.terms, cell.traffic, seed))


@cache
def _allowed(terms: Terms, traffic: Traffic, seed: int) -> int:
    return allowance(terms.provider, traffic.arrivals(terms.note_bytes, seed), start=START, seed=seed)


def executors(
    written: Settings,
    replicas: int,
    *,
    clock: Clock,
    seed: int,
    transport: Transport | None = None,
    ledgers: Sequence[Ledger] = (),
) -> list[Execute]:
    """Return that many Executors, each with its own estimates.

    `ledgers` has the door of each to a ledger that lives elsewhere, such as in Redis. Without it they share the first
    one's ledger in memory, which is what "shared exactly" means.
    """
    known = candidates(written)
    engines = [
        executor.build(
            written,
            known,
            executor.adapters_of(written, clock=clock, transport=transport),
            clock=clock,
            random=Random(f"{seed}/{replica}"),
        )
        for replica in range(replicas)
    ]
    doors = ledgers or [engines[0].ledger] * replicas
    return [replace(engine, ledger=door) for engine, door in zip(engines, doors, strict=True)]


async def send(traffic: Sequence[Arrival], engines: Sequence[Execute], *, clock: Clock) -> Sums:
    """Send the traffic to the Executors in turn, each request at its time, and return what became of it."""
    sums, began = Sums(), clock.monotonic()

    async def serve(number: int, arrival: Arrival) -> None:
        await clock.sleep(began + arrival.at_s - clock.monotonic())
        started = clock.monotonic()
        attempts = await _ask(engines[number % len(engines)], request_of(arrival), clock)
        sums.add(attempts, clock.monotonic() - started)

    async with asyncio.TaskGroup() as tasks:
        for number, arrival in enumerate(traffic):
            tasks.create_task(serve(number, arrival))
    return sums


async def _ask(engine: Execute, request: Request, clock: Clock) -> Sequence[Attempt]:
    try:
        execution = await engine.execute(request, POOL, deadline=clock.monotonic() + DEADLINE_S)
    except PointsmanError as error:
        return () if error.trail is None else tuple(error.trail.attempts)
    return tuple(execution.trail.attempts)
