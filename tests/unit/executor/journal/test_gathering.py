"""How many transactions rows are written in, while others come."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from random import Random

import pytest

from pointsman.executor.journal.journal import BATCH, GATHER_S, Journal
from pointsman.executor.journal.store import Numbered
from pointsman.executor.journal.sums import Question, Report
from tests.fakes.clock import FakeClock
from tests.unit.executor.journal.rows import ANSWERED, database, row

ROW = row(ANSWERED)


class BusyStore:
    """Keeps how many rows each transaction had. While it writes, so many more requests end, one number a time."""

    name = "memory"

    def __init__(self, *meanwhile: int) -> None:
        self.transactions: list[int] = []
        self._meanwhile = [*meanwhile]
        self._journal: Journal | None = None
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def keeping(self, journal: Journal) -> AsyncIterator[None]:
        self._journal = journal
        async with journal.kept(self, random=Random(1)):
            yield

    def open(self) -> None:
        pass

    def write(self, rows: Sequence[Numbered]) -> None:
        self.transactions.append(len(rows))
        if self._journal and self._meanwhile:
            for _ in range(self._meanwhile.pop(0)):
                self._loop.call_soon_threadsafe(self._journal.write, ROW)

    def report(self, question: Question) -> Report:
        return database().report(question)

    def trim(self, before: datetime, *, most: int) -> int:
        return 0

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "waiting, meanwhile, transactions",
    [
        pytest.param(3, (2,), [3], id="those-that-come-meanwhile-gather-first"),
        pytest.param(BATCH + 1, (2,), [BATCH, 3], id="those-that-come-before-the-last-of-them-go-along"),
        pytest.param(1, (BATCH, 1), [1, BATCH], id="a-whole-batch-does-not-wait"),
    ],
)
async def test_what_waits_is_written_in_one_turn(
    waiting: int, meanwhile: tuple[int, ...], transactions: list[int], clock: FakeClock
) -> None:
    journal, store = Journal(clock=clock), BusyStore(*meanwhile)
    async with store.keeping(journal):
        for _ in range(waiting):
            journal.write(ROW)

        await journal.report(Question())

        assert store.transactions == transactions


async def test_a_busy_executor_makes_one_transaction_each_time_it_has_gathered(clock: FakeClock) -> None:
    journal, store = Journal(clock=clock), BusyStore(*[5] * 4)
    async with store.keeping(journal):
        journal.write(ROW)
        for turn in range(5):
            while not clock.sleeping:  # noqa: ASYNC110 - a real thread is waited for
                await asyncio.sleep(0)  # noqa: TID251 - as said
            clock.advance(GATHER_S)
            while len(store.transactions) <= turn:  # noqa: ASYNC110 - as said
                await asyncio.sleep(0)  # noqa: TID251 - as said

        assert store.transactions == [1, 5, 5, 5, 5]


async def test_nothing_that_waits_at_the_end_is_left_behind(clock: FakeClock) -> None:
    journal, store = Journal(clock=clock), BusyStore()
    async with store.keeping(journal):
        for _ in range(BATCH + 1):
            journal.write(ROW)

    assert (store.transactions, len(journal.waiting), journal.dropped) == ([BATCH, 1], 0, 0)
