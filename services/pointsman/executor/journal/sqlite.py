"""SQLite as a home of the journal: one file that several processes may share, or memory."""

import os
import sqlite3
from pathlib import Path
from typing import Final

from pointsman.executor.journal.store import StoreAway

LOCK_WAIT_S: Final = 0.5
"""How long another process may hold the lock before a batch is tried again later."""

MOST_IN_MEMORY: Final = 50_000
"""Requests kept without a file, about 100 MB; the oldest go first."""

_MEMORY: Final = ":memory:"


class SqliteDialect:
    """Implements Dialect. `path` is None for memory."""

    placeholder = "?"
    has_table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    begin = "BEGIN IMMEDIATE"
    lock = ""
    refusals: tuple[type[Exception], ...] = (
        sqlite3.IntegrityError,
        sqlite3.DataError,
        sqlite3.InterfaceError,
        sqlite3.ProgrammingError,
        OverflowError,
        UnicodeError,
    )
    failures: tuple[type[Exception], ...] = (sqlite3.Error, OSError)

    def __init__(self, path: Path | None) -> None:
        """Open nothing yet."""
        self.name = "sqlite" if path else "memory"
        self.after_write = (
            "" if path else f"DELETE FROM requests WHERE rowid <= (SELECT MAX(rowid) - {MOST_IN_MEMORY} FROM requests)"  # noqa: S608 - a constant
        )
        self._path = path
        self._identity: tuple[int, int] | None = None

    def connect(self) -> sqlite3.Connection:
        if self._path:
            self._make(self._path)
        connection = sqlite3.connect(
            self._path or _MEMORY, timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "PRAGMA synchronous = NORMAL"
            )  # with WAL a crash of the machine loses the last rows only
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        self._identity = _identity(self._path) if self._path else None
        return connection

    def check(self) -> None:
        """Notice a file that was moved or deleted: SQLite would go on writing to what nobody can open any more."""
        if self._path and _identity(self._path) != self._identity:
            raise StoreAway(f"{self._path} was moved, replaced or deleted")

    def interrupt(self, connection: sqlite3.Connection) -> None:
        connection.interrupt()

    def _make(self, path: Path) -> None:
        """Make the file, for its owner's eyes alone: it says who asked what kind of thing, and when."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
