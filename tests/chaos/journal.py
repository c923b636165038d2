"""What the Executors wrote into their journal: one line an attempt."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from tests.chaos.book import id_of

_SELECT: Final = """
SELECT candidate, outcome, http_status, provider_request_id, input_tokens, output_tokens,
       cost_usd, is_estimated, is_local, started_us
FROM attempts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One attempt. `id` is the provider's own, empty where its answer had none; money and tokens None where unknown.

    `started_at` is by the Executor's own clock, which may have been set wrong.
    """

    candidate: str
    outcome: str
    id: str
    http_status: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    is_estimated: bool
    is_local: bool
    started_at: datetime


def read(path: Path) -> list[Noted]:
    """Return all attempts; none where there is no journal."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        return [
            Noted(
                candidate=candidate,
                outcome=outcome,
                id=id_of(request_id),
                http_status=status,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cost_usd=None if cost is None else Decimal(cost),
                is_estimated=bool(is_estimated),
                is_local=bool(is_local),
                started_at=datetime.fromtimestamp(started_us / 1e6, UTC),
            )
            for (
                candidate, outcome, status, request_id, input_tokens, output_tokens, cost, is_estimated, is_local,
                started_us,
            ) in connection.execute(_SELECT)
        ]  # fmt: skip
