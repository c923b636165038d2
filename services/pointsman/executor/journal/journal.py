"""The journal as the attempt loop sees it: one append to a queue. What is queued is written by a task of its own.

No request ever waits for it. Where nothing can be written the queue fills, then rows are dropped and counted; the
writer tries again by itself.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from random import Random
from typing import Final, TypeVar

import structlog

from pointsman.domain.clock import Clock
from pointsman.domain.errors import JournalDown
from pointsman.domain.frozen import frozen
from pointsman.executor.journal.row import Row
from pointsman.executor.journal.store import Numbered, SchemaTooNew, Store, StoreAway, StoreRefused
from pointsman.executor.journal.sums import Question, Report
from pointsman.executor.journal.wasted import WastedToday
from pointsman.telemetry import names

T = TypeVar("T")

GATHER_S: Final = 0.05
"""How long rows wait for others, so that a busy Executor writes many at a time."""

BATCH: Final = 500
"""Rows written, and requests deleted, in one transaction."""

STORE_S: Final = 15.0
"""How long anything may take; then the store counts as away."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Before a store that is away is tried again: doubled from one to the other."""

TRIM_S: Final = 600.0
"""Between two looks for what is too old."""


@frozen
class Terms:
    """`queue` bounds the rows that wait. `retention` is None to keep all. `grace_s` is for what waits at a stop."""

    queue: int = 10_000
    retention: timedelta | None = None
    grace_s: float = 5.0


class Journal:
    """Takes rows, and gives sums of those that were written. `kept` must be running for either to be of use.

    `waiting` are the rows that are not written yet, `dropped` counts those that never will be.
    """

    def __init__(self, *, clock: Clock, terms: Terms | None = None) -> None:
        """Begin with nothing; `kept` names the store."""
        self._clock = clock
        self._terms = terms or Terms()
        self.since = clock.now()
        self.trouble = ""
        """Why nothing can be written now; empty while all is well."""
        self.dropped = 0
        self.waiting: deque[Row] = deque()
        self._is_overflowing = False
        self._today = WastedToday()
        self._watchers: list[Callable[[str], None]] = []
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._store: Store | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._written = 0
        self._writer_id = ""
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    @property
    def name(self) -> str:
        """Where rows are kept: "memory", "sqlite" or "postgres", with "-away" while they cannot be."""
        name = self._store.name if self._store else "memory"
        return f"{name}-away" if self.trouble else name

    def write(self, row: Row) -> None:
        """Take one request that ended. Never waits and never fails."""
        if len(self.waiting) < self._terms.queue:
            self.waiting.append(row)
            self._wake.set()
        else:
            self._drop()
        for candidate_id in self._today.add(row):
            for changed in tuple(self._watchers):
                changed(candidate_id)

    def wasted_on(self, day: date, candidate_id: str) -> int:
        """Return how many calls of a candidate were wasted on a day (UTC), if it is the latest one; else 0."""
        return self._today.on(day, candidate_id)

    def watch(self, changed: Callable[[str], None]) -> Callable[[], None]:
        """Call `changed` with the id of a candidate whenever more of its calls were wasted; return what ends this."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    async def report(self, question: Question) -> Report:
        """Return the sums of all requests that have ended, as far as they could be written. Raises JournalDown."""
        async with self._lock:
            with suppress(StoreAway):  # what cannot be written can often be read
                await self._write_out()
            try:
                return await self._in_thread(self._open_store().report, question)
            except (StoreAway, SchemaTooNew) as error:
                message = f"the journal cannot be read: {error}; requests go on, and it is tried again by itself"
                raise JournalDown(message, journal=self.name) from error

    @asynccontextmanager
    async def kept(self, store: Store, *, random: Random) -> AsyncIterator[None]:
        """Write to the store until the block ends, and then what still waits, within the grace.

        Raises SchemaTooNew at once; a store that is away is no reason not to begin.
        """
        self._store, self._writer_id = store, f"{random.getrandbits(64):016x}"
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                await self._in_thread(store.open)
            except StoreAway as error:
                self._leave(error)
            tasks = [asyncio.create_task(self._write_forever()), asyncio.create_task(self._trim_forever())]
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end()

    async def _write_forever(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            await self._clock.sleep(GATHER_S)
            self._wake.clear()
            try:
                async with self._lock:
                    await self._write_out()
            except StoreAway:
                await self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._wake.set()
            else:
                pause_s = FIRST_PAUSE_S

    async def _trim_forever(self) -> None:
        """Delete what is too old, a little at a time, so that rows that wait for it do not wait long."""
        if self._terms.retention is None:
            return
        while True:
            before = self._clock.now() - self._terms.retention
            try:
                while await self._trim(before) == BATCH:
                    pass
            except StoreAway as error:
                self._leave(error)
            await self._clock.sleep(TRIM_S)

    async def _trim(self, before: datetime) -> int:
        async with self._lock:
            return await self._in_thread(partial(self._open_store().trim, before, most=BATCH))

    async def _write_out(self) -> None:
        """Write all that waits now, and on while there are whole batches. Under the lock.

        What comes meanwhile gathers for the next time: a transaction costs as much for a row as for a hundred.
        Raises StoreAway, and keeps what was not written.
        """
        due = len(self.waiting)
        while due > 0 or len(self.waiting) >= BATCH:
            batch = self._batch(BATCH)
            due -= len(batch)
            try:
                await self._in_thread(self._open_store().write, batch)
            except StoreRefused:
                await self._write_singly(batch)
            except StoreAway as error:
                self._leave(error)
                raise
            except SchemaTooNew as error:
                self._leave(StoreAway(str(error)))
                raise StoreAway(str(error)) from error
            else:
                self._take(len(batch))
            self._return()

    async def _write_singly(self, batch: list[Numbered]) -> None:
        """Write row by row, and drop the one that no database takes."""
        for numbered in batch:
            try:
                await self._in_thread(self._open_store().write, [numbered])
            except StoreRefused as error:
                self.dropped += 1
                self._log.error(names.EVENT_JOURNAL_REFUSED, request_id=numbered.row.request_id, why=str(error))
            self._take(1)

    def _batch(self, most: int) -> list[Numbered]:
        """Return the rows that have waited longest. Their ids are those of an earlier try, which may have succeeded."""
        return [
            Numbered(id=f"{self._writer_id}-{self._written + place:012x}", row=row)
            for place, row in enumerate(islice(self.waiting, most))
        ]

    def _take(self, count: int) -> None:
        for _ in range(count):
            self.waiting.popleft()
        self._written += count

    def _drop(self) -> None:
        self.dropped += 1
        if not self._is_overflowing:
            self._is_overflowing = True
            self._log.error(names.EVENT_JOURNAL_DROPPING, waiting=len(self.waiting), why=self.trouble or "too slow")

    def _leave(self, error: StoreAway) -> None:
        if not self.trouble:
            self._log.warning(names.EVENT_JOURNAL_AWAY, why=str(error))
        self.trouble = str(error)

    def _return(self) -> None:
        self._is_overflowing = False
        if self.trouble:
            self.trouble = ""
            self._log.info(names.EVENT_JOURNAL_JOINED, journal=self.name, dropped=self.dropped)

    async def _end(self) -> None:
        """Write what waits, within the grace; count what could not be written."""
        try:
            async with asyncio.timeout(self._terms.grace_s), self._lock:
                await self._write_out()
        except (StoreAway, TimeoutError) as error:
            why = str(error) or f"not within {self._terms.grace_s:g} s"
            self._log.error(names.EVENT_JOURNAL_DROPPING, waiting=len(self.waiting), why=why)
            self.dropped += len(self.waiting)
            self.waiting.clear()
        with suppress(StoreAway, TimeoutError):  # nothing is lost any more
            async with asyncio.timeout(self._terms.grace_s):
                await self._in_thread(self._open_store().close)
        if self._thread:
            self._thread.shutdown(wait=False)

    def _open_store(self) -> Store:
        if self._store is None:
            raise StoreAway("nothing keeps it")
        return self._store

    async def _in_thread(self, job: Callable[..., T], *arguments: object) -> T:
        """Return what a call of the store gives; one that takes too long is broken off. Raises StoreAway."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, job, *arguments)
        done, _ = await asyncio.wait((running,), timeout=STORE_S)
        if not done:
            self._open_store().interrupt()
            running.add_done_callback(lambda ended: ended.exception())  # seen
            raise StoreAway(f"no answer within {STORE_S:g} s")
        return running.result()
