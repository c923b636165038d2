"""Ledgers in Redis whose time the test moves, and ledgers in real time, each in a keyspace of its own if need be."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import pytest

from pointsman.domain.clock import Clock, SystemClock
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Skip
from pointsman.executor.ledger import asking, stay
from pointsman.executor.ledger.door import door
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.ledger.redis import RedisLedger
from pointsman.executor.ledger.stay import Terms
from pointsman.executor.quota import Estimate

KEYSPACES = itertools.count(1)


class Steady(Random):
    """Chance that always falls in the middle, so that two ledgers derive the same waits."""

    def random(self) -> float:
        return 0.5


class MovedLedger(RedisLedger):
    """A ledger in Redis that goes by the clock of the test, and joins before its first call."""

    async def joined(self) -> None:
        """Return when Redis has been looked for."""
        await self.stay.tried.wait()

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        await self.joined()
        return await super().reserve(candidate, estimate)

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        await self.joined()
        await super().settle(reservation, settlement)


@dataclass(slots=True)
class Shelf:
    """Makes ledgers for tests that expect them at once, and closes them in the end."""

    url: str
    monkeypatch: pytest.MonkeyPatch = field(repr=False)
    keeping: list[asyncio.Task[None]] = field(default_factory=list, repr=False)

    def ledger(self, *candidates: Candidate, clock: Clock, margin_s: float = 0.0) -> MovedLedger:
        """Return a ledger as `making.ledger` does, over an empty keyspace."""
        self.monkeypatch.setattr(asking, "PREFIX", f"test-{next(KEYSPACES)}:{{ledger}}:")
        return self.another(*candidates, clock=clock, margin_s=margin_s)

    def another(self, *candidates: Candidate, clock: Clock, margin_s: float = 0.0) -> MovedLedger:
        """Return a ledger over the keyspace of the last one."""
        # A look that is answered after the test has moved time on would be of another time.
        self.monkeypatch.setattr(stay, "REFRESH_S", math.inf)
        terms = Terms(lease_s=1e9, timeout_s=5.0, replicas=1)
        ledger = MovedLedger(
            candidates, terms, margin_s=margin_s, connect=door(self.url), clock=clock, random=Steady(7)
        )
        ledger.talk.moment = clock.monotonic
        self.keeping.append(asyncio.ensure_future(ledger.stay.keep()))
        return ledger

    async def close(self) -> None:
        """End what keeps the ledgers."""
        while self.keeping:
            task = self.keeping.pop()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def kept(
    *candidates: Candidate,
    url: str,
    margin_s: float = 0.0,
    lease_s: float = 60.0,
    timeout_s: float = 2.0,
    replicas: int = 2,
    seed: int = 1,
) -> AsyncIterator[RedisLedger]:
    """Run a replica's ledger in real time until the block ends."""
    terms = Terms(lease_s=lease_s, timeout_s=timeout_s, replicas=replicas)
    ledger = RedisLedger(
        candidates, terms, margin_s=margin_s, connect=door(url), clock=SystemClock(), random=Random(seed)
    )
    async with ledger.kept():
        yield ledger
