"""The journal over real files and a real PostgreSQL: what goes wrong costs no request, is counted, and passes."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import JournalDown
from pointsman.executor.journal.database import Dialect
from pointsman.executor.journal.journal import Journal, Terms
from pointsman.executor.journal.postgres import PostgresDialect
from pointsman.executor.journal.sqlite import SqliteDialect
from pointsman.executor.journal.store import SchemaTooNew
from pointsman.executor.journal.sums import Question, ReportBy
from tests.fakes.clock import FakeClock
from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.unit.executor.journal.rows import ANSWERED, LIMITED, database, row

LABELLED = row(LIMITED, ANSWERED, labels=(("team", "x"),), confidence=0.9)


@asynccontextmanager
async def kept(dialect: Dialect, *, queue: int = 1_000, retention: timedelta | None = None) -> AsyncIterator[Journal]:
    journal = Journal(clock=SystemClock(), terms=Terms(queue=queue, retention=retention, grace_s=5.0))
    async with journal.kept(database(dialect), random=Random()):
        yield journal


async def reaches(journal: Journal, *, trouble: bool) -> None:
    """Wait until the journal is in trouble, or out of it."""
    async with asyncio.timeout(20):
        while bool(journal.trouble) is not trouble:  # noqa: ASYNC110 - a real thread is waited for
            await asyncio.sleep(0.01)  # noqa: TID251 - as said


async def written(dialect: Dialect) -> int:
    async with kept(dialect) as journal:
        return (await journal.report(Question())).total.requests


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


async def test_what_was_written_is_there_after_a_restart(file: Path) -> None:
    async with kept(SqliteDialect(file)) as journal:
        for _ in range(1_000):
            journal.write(LABELLED)

    assert await written(SqliteDialect(file)) == 1_000


async def test_the_file_is_for_its_owner_alone(file: Path) -> None:
    await written(SqliteDialect(file))

    assert file.stat().st_mode & 0o077 == 0  # noqa: ASYNC240 - nobody else waits for this loop


async def test_a_locked_database_is_waited_for_without_a_loss(file: Path) -> None:
    async with kept(SqliteDialect(file)) as journal:
        journal.write(LABELLED)
        await journal.report(Question())
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal.write(LABELLED)
        await reaches(journal, trouble=True)
        name, readable = journal.name, (await journal.report(Question())).total.requests
        other.execute("COMMIT")
        other.close()
        await reaches(journal, trouble=False)

        assert (name, readable, journal.name, journal.dropped) == ("sqlite-away", 1, "sqlite", 0)
    assert await written(SqliteDialect(file)) == 2


async def test_with_the_queue_full_requests_are_dropped_and_counted(file: Path) -> None:
    async with kept(SqliteDialect(file), queue=3) as journal:
        for _ in range(5):
            journal.write(LABELLED)

        assert ((await journal.report(Question())).total.requests, journal.dropped) == (3, 2)


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_outlived(file: Path) -> None:
    async with kept(SqliteDialect(file)) as journal:
        await journal.report(Question())
        with full_disk(file.stat().st_size):  # noqa: ASYNC240 - as said
            for _ in range(500):
                journal.write(LABELLED)
            await reaches(journal, trouble=True)
        await reaches(journal, trouble=False)

        assert ((await journal.report(Question())).total.requests, journal.dropped) == (500, 0)


async def test_a_file_that_was_deleted_is_made_anew(file: Path) -> None:
    async with kept(SqliteDialect(file)) as journal:
        journal.write(LABELLED)
        await journal.report(Question())
        for each in file.parent.iterdir():
            each.unlink()
        journal.write(LABELLED)
        await reaches(journal, trouble=True)
        await reaches(journal, trouble=False)

    assert await written(SqliteDialect(file)) == 1


async def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")

    async with kept(SqliteDialect(tmp_path / "taken" / "journal.sqlite")) as journal:
        journal.write(LABELLED)

        with pytest.raises(JournalDown, match="requests go on"):
            await journal.report(Question())


async def test_a_stop_without_a_store_counts_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")

    async with kept(SqliteDialect(tmp_path / "taken" / "journal.sqlite")) as journal:
        journal.write(LABELLED)

    assert journal.dropped == 1


async def test_tables_of_a_newer_pointsman_are_not_touched(file: Path) -> None:
    await written(SqliteDialect(file))
    other = sqlite3.connect(file)
    other.execute("UPDATE journal_schema SET version = 99")
    other.commit()
    other.close()

    with pytest.raises(SchemaTooNew, match="version 99"):
        await written(SqliteDialect(file))


async def test_what_is_older_than_wanted_is_forgotten(file: Path) -> None:
    clock = FakeClock()
    journal = Journal(clock=SystemClock())
    async with journal.kept(database(SqliteDialect(file)), random=Random(1)):
        for day in (0, -100):
            journal.write(row(ANSWERED, day=day))
        await journal.report(Question())

    terms = Terms(retention=timedelta(days=90))
    later = Journal(clock=clock, terms=terms)
    async with later.kept(database(SqliteDialect(file)), random=Random(2)):
        async with asyncio.timeout(10):
            while (await later.report(Question())).total.requests != 1:
                pass


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        yield server


@pytest.mark.needs_postgres
async def test_postgres_says_the_same_as_sqlite(server: PostgresServer) -> None:
    reports = []
    for dialect in (PostgresDialect(server.url), SqliteDialect(None)):
        async with kept(dialect) as journal:
            for place in range(40):
                journal.write(row(LIMITED, ANSWERED, day=place % 3, duration_s=place / 7, confidence=place / 40))
                journal.write(LABELLED)
            questions = [Question(group_by=by, with_details=True) for by in ReportBy]
            reports.append([await journal.report(question) for question in questions])

    assert reports[0] == reports[1]


@pytest.mark.needs_postgres
async def test_a_killed_postgres_is_found_again(server: PostgresServer) -> None:
    before = await written(PostgresDialect(server.url))
    async with kept(PostgresDialect(server.url)) as journal:
        journal.write(LABELLED)
        await journal.report(Question())
        await server.kill()
        journal.write(LABELLED)
        await reaches(journal, trouble=True)
        name = journal.name
        await server.start()
        await reaches(journal, trouble=False)

        assert (name, journal.dropped) == ("postgres-away", 0)
        assert (await journal.report(Question())).total.requests == before + 2


@pytest.mark.needs_postgres
async def test_old_rows_go_from_postgres_too(server: PostgresServer) -> None:
    async with kept(PostgresDialect(server.url)) as journal:
        journal.write(row(LIMITED, ANSWERED, day=-1_000, labels=(("team", "old"),)))
        await journal.report(Question())
    async with kept(PostgresDialect(server.url), retention=timedelta(days=500)) as journal:
        async with asyncio.timeout(10):
            while any(
                group.key == "team=old" for group in (await journal.report(Question(group_by=ReportBy.LABEL))).groups
            ):
                pass
