"""What the journal takes for a row more, in a file that has so many already."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from pointsman.executor.journal.sqlite import SqliteDialect
from pointsman.executor.journal.store import Numbered
from tests.unit.executor.journal.rows import ANSWERED, LIMITED, database, row

BATCH: Final = 100
"""Rows in one transaction, as a busy Executor writes them."""

KEYS: Final = {"requests": "id", "attempts": "request"}


def written_us(path: Path, rows: int, *, rounds: int) -> float:
    """Return the CPU microseconds that a row takes in the cheapest of so many batches."""
    store = database(SqliteDialect(path))
    try:
        store.write([Numbered(id="first", row=row(LIMITED, ANSWERED))])
        if rows:
            _fill(path, rows)
        took = []
        for number in range(rounds):
            batch = [Numbered(id=f"{number}-{each}", row=row(LIMITED, ANSWERED)) for each in range(BATCH)]
            began = time.process_time()
            store.write(batch)
            took.append(time.process_time() - began)
    finally:
        store.close()
    return min(took) / BATCH * 1e6


def _fill(path: Path, rows: int) -> None:
    """Copy the first row so many times, by the database itself."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, key in KEYS.items():
            columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            copied = ", ".join(f"{name} || '-' || number" if name == key else name for name in columns)
            connection.execute(
                f"WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT {rows}) "  # noqa: S608 - our own words
                f"INSERT INTO {table} SELECT {copied} FROM {table}, numbers WHERE {key} = 'first'"
            )
