"""Thousands of requests at once through the attempt loop leave the ledger in memory exact, answered or cancelled."""

import asyncio
from collections import Counter
from random import Random

import pytest

from pointsman.domain.errors import PoolExhausted
from pointsman.domain.pool import Candidate, Unit
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from pointsman.executor.ledger.port import WindowState
from tests.fakes.adapter import ANSWERED, FakeAdapter
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import candidate, engine, limit, request

REQUESTS, ADMITTED = 10_000, 2_500
UNDER_WAY, CANCELLED = 3_000, 1_000
ROOM = 10**9

pytestmark = pytest.mark.timeout(120)


class Gate:
    """Holds every call back until it is opened, and says when so many wait before it."""

    def __init__(self, calls: int) -> None:
        self.crowded, self.opened = asyncio.Event(), asyncio.Event()
        self._expected = calls

    async def answer(self, call: Call) -> Reply:
        self._expected -= 1
        if not self._expected:
            self.crowded.set()
        await self.opened.wait()
        return ANSWERED


async def ask(made: Execute) -> Execution:
    return await made.execute(request(), "quick", deadline=made.clock.monotonic() + 100)


def state(made: Execute, one: Candidate) -> dict[Unit, WindowState]:
    return {window.unit: window for window in made.ledger.windows(one)}


async def test_of_ten_thousand_requests_at_once_exactly_the_limit_is_called_and_counted(clock: FakeClock) -> None:
    one, gate = candidate("a/m", limits=[limit(ADMITTED), limit(ROOM, Unit.TOKENS)]), Gate(ADMITTED)
    adapter = FakeAdapter(otherwise=gate.answer)
    made = engine(one, clock=clock, adapters={"a": adapter})
    waiting = [asyncio.ensure_future(ask(made)) for _ in range(REQUESTS)]
    await gate.crowded.wait()
    held = state(made, one)[Unit.REQUESTS].reserved

    gate.opened.set()
    ends = Counter(type(end) for end in await asyncio.gather(*waiting, return_exceptions=True))

    after = state(made, one)
    assert ends == {Execution: ADMITTED, PoolExhausted: REQUESTS - ADMITTED}
    assert (held, len(adapter.calls), made.ledger.in_flight(one)) == (ADMITTED, ADMITTED, 0)
    assert (after[Unit.REQUESTS].remaining, after[Unit.REQUESTS].reserved) == (0, 0)
    assert ANSWERED.usage
    used = ADMITTED * (ANSWERED.usage.input_tokens + one.default_output_tokens)  # as much output as was asked for
    assert (after[Unit.TOKENS].remaining, after[Unit.TOKENS].reserved) == (ROOM - used, 0)


async def test_requests_that_are_cancelled_under_way_hold_nothing_any_more(clock: FakeClock) -> None:
    limits = [limit(UNDER_WAY), limit(UNDER_WAY, Unit.CONCURRENCY, None)]
    one, gate = candidate("a/m", limits=limits), Gate(UNDER_WAY)
    made = engine(one, clock=clock, adapters={"a": FakeAdapter(otherwise=gate.answer)})
    waiting = [asyncio.ensure_future(ask(made)) for _ in range(UNDER_WAY)]
    await gate.crowded.wait()
    Random(3).shuffle(waiting)

    for task in waiting[:CANCELLED]:
        task.cancel()
    await asyncio.gather(*waiting[:CANCELLED], return_exceptions=True)
    between = state(made, one)[Unit.CONCURRENCY]
    gate.opened.set()
    ends = Counter(type(end) for end in await asyncio.gather(*waiting, return_exceptions=True))

    after = state(made, one)
    assert ends == {Execution: UNDER_WAY - CANCELLED, asyncio.CancelledError: CANCELLED}
    assert (between.remaining, between.reserved) == (CANCELLED, UNDER_WAY - CANCELLED)
    assert made.ledger.in_flight(one) == 0
    # A provider counts a call when it arrives, whatever becomes of it.
    assert {unit: (window.remaining, window.reserved) for unit, window in after.items()} == {
        Unit.REQUESTS: (0, 0),
        Unit.CONCURRENCY: (UNDER_WAY, 0),
    }
