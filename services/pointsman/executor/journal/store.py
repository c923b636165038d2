"""Where rows are kept: the port, and what can be wrong with it.

All of it blocks. The journal calls it from one thread of its own and never from the loop.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pointsman.domain.frozen import frozen
from pointsman.executor.journal.row import Row
from pointsman.executor.journal.sums import Question, Report


class StoreAway(Exception):
    """Nothing can be written or read now: disk full, locked, gone. The text says which; trying again helps."""


class StoreRefused(Exception):
    """What was to be written can never be written, whereas the store is well."""


class SchemaTooNew(Exception):
    """A newer Pointsman has changed the tables; this one must not touch them."""


@frozen
class Numbered:
    """A row and its id, which stays the same however often writing it is tried."""

    id: str
    row: Row


class Store(Protocol):
    """Keeps rows. Each method connects when there is no connection, and raises StoreAway or SchemaTooNew."""

    name: str
    """"memory", "sqlite" or "postgres"."""

    def open(self) -> None:
        """Connect, and bring the tables up to date."""

    def write(self, rows: Sequence[Numbered]) -> None:
        """Write all of them or none; those that are there already are left alone. Raises StoreRefused too."""

    def report(self, question: Question) -> Report:
        """Return the sums."""

    def trim(self, before: datetime, *, most: int) -> int:
        """Delete at most so many of the requests that began before an instant; return how many there were."""

    def interrupt(self) -> None:
        """Make a call that is under way in another thread fail soon. May be called from any thread."""

    def close(self) -> None:
        """Disconnect; the next call connects again."""
