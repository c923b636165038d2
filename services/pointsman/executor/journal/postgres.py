"""PostgreSQL as a home of the journal: several Executors write into one. The only file that knows its client.

The client blocks, like SQLite's, because the journal's own thread is where both of them wait.
"""

import os
import socket
from typing import Any, Final

import psycopg

CONNECT_S: Final = 3
STATEMENT_MS: Final = 10_000
"""No statement of ours takes so long; one that does holds up the batches behind it."""

ALONE: Final = 0x706F696E74736D
"""The advisory lock under which tables are changed."""


class PostgresDialect:
    """Implements Dialect. `url` begins with postgresql:// and may hold a password."""

    name = "postgres"
    placeholder = "%s"
    has_table = "SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass(%s)"
    begin = "BEGIN"
    lock = f"SELECT pg_advisory_xact_lock({ALONE})"
    after_write = ""
    refusals: tuple[type[Exception], ...] = (psycopg.IntegrityError, psycopg.DataError, UnicodeError)
    failures: tuple[type[Exception], ...] = (psycopg.Error, OSError)

    def __init__(self, url: str) -> None:
        """Connect nowhere yet."""
        self._url = url

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            prepare_threshold=None,  # a pool between us and the server may change the connection behind our back
            connect_timeout=CONNECT_S,
            application_name="pointsman",
            client_encoding="utf8",  # whatever the database is in: without one it would hand out bytes
            keepalives_idle=10,
            options=f"-c statement_timeout={STATEMENT_MS}",
        )

    def check(self) -> None:
        """Do nothing: a connection that is lost says so when it is used."""

    def interrupt(self, connection: psycopg.Connection[Any]) -> None:
        """Break the connection off: asking the server to cancel would wait for the server that does not answer."""
        if not connection.closed:
            with socket.socket(fileno=os.dup(connection.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)
