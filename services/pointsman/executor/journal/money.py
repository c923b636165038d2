"""Dollars as exact decimal text, and their sums in SQL, where neither SQLite nor a float keeps them exact."""

from decimal import Decimal
from typing import Final

PLACES: Final = 12
"""Decimals of every amount: costs are rounded to a trillionth of a dollar (see prices.py)."""

_EXACT: Final = f".{PLACES}f"
NOTHING: Final = format(Decimal(0), _EXACT)
"""No dollars, as text."""

_MOST: Final = Decimal(10) ** 12
"""A provider's slip in counting tokens must cost a false number and not the batch."""


def as_text(dollars: Decimal) -> str:
    """Return an amount, 0 or more, with exactly PLACES decimals."""
    return format(min(dollars, _MOST), _EXACT) if dollars else NOTHING


def sums_of(column: str) -> str:
    """Return two SQL sums over such a text: of whole dollars, and of what stands behind the point.

    Integers on both sides, so that SQLite and PostgreSQL say the same, exactly.
    """
    whole = f"CAST(substr({column}, 1, length({column}) - {PLACES + 1}) AS BIGINT)"
    rest = f"CAST(substr({column}, length({column}) - {PLACES - 1}) AS BIGINT)"
    return f"COALESCE(SUM({whole}), 0), COALESCE(SUM({rest}), 0)"


def from_sums(whole: int, rest: int) -> Decimal:
    """Return the amount that two such sums mean."""
    return Decimal(int(whole)) + Decimal(int(rest)).scaleb(-PLACES)
