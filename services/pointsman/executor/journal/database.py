"""The store in a database: the same code for SQLite and PostgreSQL, which differ in what a Dialect says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

from pointsman.executor.journal import queries
from pointsman.executor.journal.records import Recorder, instant
from pointsman.executor.journal.schema import MIGRATIONS, VERSION_TABLE
from pointsman.executor.journal.store import Numbered, SchemaTooNew, StoreAway, StoreRefused
from pointsman.executor.journal.sums import Question, Report


class Cursor(Protocol):
    """What both drivers give (PEP 249)."""

    def execute(self, statement: str, values: Sequence[Any], /) -> object: ...
    def executemany(self, statement: str, values: Sequence[Sequence[Any]], /) -> object: ...
    def fetchall(self) -> list[Any]: ...
    @property
    def rowcount(self) -> int: ...


class Connection(Protocol):
    """A connection on which every statement stands for itself unless BEGIN was said."""

    def cursor(self) -> Cursor: ...
    def close(self) -> None: ...


class Dialect(Protocol):
    """What one kind of database has to itself."""

    name: str
    placeholder: str
    """What stands for a value in a statement."""
    has_table: str
    """The query that has a line when there is a table of that name."""
    begin: str
    lock: str
    """What keeps other processes from migrating until the transaction ends; empty where `begin` does."""
    after_write: str
    """What bounds the size where age alone does not; empty for nothing."""
    refusals: tuple[type[Exception], ...]
    """What the driver raises when a row can never be written."""
    failures: tuple[type[Exception], ...]
    """Everything else that it raises."""

    def connect(self) -> Any:  # noqa: ANN401 - each driver has a type of its own
        """Return a new Connection."""

    def check(self) -> None:
        """Raise StoreAway when the connection leads to something that is not there any more."""

    def interrupt(self, connection: Any) -> None:  # noqa: ANN401 - as said
        """Make what the connection is doing fail."""


class Database:
    """Implements the port Store over one connection that is made anew when it was lost."""

    def __init__(self, dialect: Dialect, recorder: Recorder) -> None:
        """Connect nowhere yet."""
        self.name = dialect.name
        self._dialect = dialect
        self._recorder = recorder
        self._connection: Any = None

    def open(self) -> None:
        with self._connected():
            pass

    def write(self, rows: Sequence[Numbered]) -> None:
        with self._connected() as cursor, self._transaction(cursor):
            for statement, records in self._recorder.records(rows).inserts:
                cursor.executemany(self._said(statement), records)
            if self._dialect.after_write:
                cursor.execute(self._dialect.after_write, ())

    def report(self, question: Question) -> Report:
        with self._connected() as cursor:
            return queries.report(lambda statement, values: self._select(cursor, statement, values), question)

    def trim(self, before: datetime, *, most: int) -> int:
        chosen = "SELECT id FROM requests WHERE started_us < ? ORDER BY started_us LIMIT ?"
        with self._connected() as cursor, self._transaction(cursor):
            statement = f"DELETE FROM requests WHERE id IN ({chosen})"  # noqa: S608 - constants; values are apart
            cursor.execute(self._said(statement), (instant(before), most))
            return cursor.rowcount

    def interrupt(self) -> None:
        if connection := self._connection:
            self._dialect.interrupt(connection)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            try:
                connection.close()
            except self._dialect.failures as error:
                raise StoreAway(_why(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[Cursor]:
        """Yield a cursor. What fails inside costs the connection, unless it was the fault of a row."""
        try:
            if self._connection is None:
                self._connection = self._dialect.connect()
                self._migrate(self._connection.cursor())
            self._dialect.check()
            yield self._connection.cursor()
        except self._dialect.refusals as error:
            raise StoreRefused(_why(error)) from error
        except self._dialect.failures as error:
            self._forget()
            raise StoreAway(_why(error)) from error
        except (StoreAway, SchemaTooNew):
            self._forget()
            raise

    def _forget(self) -> None:
        """Give the connection up, whatever state it is in: what went wrong is being told already."""
        connection, self._connection = self._connection, None
        if connection:
            with suppress(*self._dialect.failures):
                connection.close()

    @contextmanager
    def _transaction(self, cursor: Cursor) -> Iterator[None]:
        cursor.execute(self._dialect.begin, ())
        try:
            yield
        except BaseException:
            with suppress(*self._dialect.failures):  # where the connection is lost there is nothing to take back
                cursor.execute("ROLLBACK", ())
            raise
        cursor.execute("COMMIT", ())

    def _migrate(self, cursor: Cursor) -> None:
        """Bring the tables up to date. Raises SchemaTooNew."""
        if self._version(cursor) == len(MIGRATIONS):
            return
        with self._transaction(cursor):
            if self._dialect.lock:
                cursor.execute(self._dialect.lock, ())
            cursor.execute(VERSION_TABLE, ())
            version = self._version(cursor)
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    cursor.execute(statement, ())
            cursor.execute("DELETE FROM journal_schema", ())
            cursor.execute(self._said("INSERT INTO journal_schema (version) VALUES (?)"), (len(MIGRATIONS),))

    def _version(self, cursor: Cursor) -> int:
        """Return how many migrations the tables have seen. Raises SchemaTooNew."""
        cursor.execute(self._dialect.has_table, ("journal_schema",))
        if not cursor.fetchall():
            return 0
        version = max((int(line[0]) for line in self._select(cursor, "SELECT version FROM journal_schema")), default=0)
        if version > len(MIGRATIONS):
            raise SchemaTooNew(
                f"the journal has tables of version {version}, and this Pointsman knows {len(MIGRATIONS)} at most; "
                "update Pointsman, or let journal.url name another place"
            )
        return version

    def _select(self, cursor: Cursor, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        cursor.execute(self._said(statement), values)
        return cursor.fetchall()

    def _said(self, statement: str) -> str:
        return statement.replace("?", self._dialect.placeholder)


def _why(error: Exception) -> str:
    """Return the first line of what the driver says, with the kind of error where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
