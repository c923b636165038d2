"""What is asked of the script that counts what callers use, as it reads it. Pure, but for the reading of the script.

Money is in billionths of a dollar.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Final

from pointsman.executor.allowance import Allowance, Grant
from pointsman.executor.ledger.question import Asked, Target
from pointsman.executor.purse import Term

PREFIX: Final = "pointsman:{callers}:"
"""Of every key. The braces keep all keys in one slot of a Redis Cluster, as a script must have them."""

BILLION: Final = Decimal(10**9)

TARGETS_KEPT: Final = 1024
"""Of callers that have asked last, so that each is packed once a day."""


def script() -> bytes:
    """Return the script, which all questions share."""
    return files(__package__).joinpath("callers.lua").read_bytes()


def everybody(sha: bytes) -> Target:
    """Return the target of the question who is there, and whose use has changed."""
    return Target.of((), (f"{PREFIX}lately", f"{PREFIX}replicas"), {}, sha=sha)


def target(caller: str, grant: Grant, now: datetime, sha: bytes) -> Target:
    """Return what stands for a caller in the day and the month of `now`, by the limits of this grant."""
    return _target(caller, grant, now.astimezone(UTC).date(), sha)


def begins(now: datetime) -> Mapping[str, str]:
    """Return which day and which month are meant, by the date on which each begins."""
    return _begins(now.astimezone(UTC).date())


def amounts(tokens: int, usd: Decimal) -> Asked:
    """Return what is held or used."""
    return {"tokens": tokens, "usd": _billionths(usd)}


def reading(allowance: Allowance, now: datetime) -> Asked:
    """Return the question what a caller uses; it tells what is known to be spent, in case that Redis has forgotten."""
    for purse in allowance.purses:
        purse.renew(now)
    return {"op": "read", "at_least": {purse.term.value: _billionths(purse.spent) for purse in allowance.purses}}


def dollars(billionths: str) -> Decimal:
    """Return an amount as it is told."""
    return int(billionths) / BILLION


def floor(usd: Decimal) -> Decimal:
    """Return an amount rounded down to what Redis counts."""
    return (usd * BILLION).to_integral_value(ROUND_FLOOR) / BILLION


@lru_cache(maxsize=TARGETS_KEPT)
def _target(caller: str, grant: Grant, day: date, sha: bytes) -> Target:
    key, terms = f"{PREFIX}of:{caller}", _begins(day)
    money = (f"{key}:{term}:{begin}" for term, begin in terms.items())
    keys = (key, f"{key}:calls", f"{key}:since", *money, f"{PREFIX}lately")
    return Target.of((caller,), keys, {"caller": caller, "limits": _limits(grant), "terms": terms}, sha=sha)


@lru_cache(maxsize=2)
def _begins(day: date) -> Mapping[str, str]:
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    return {term.value: term.begin(midnight).date().isoformat() for term in Term}


def _limits(grant: Grant) -> dict[str, int]:
    """Return the limits that are counted, by the names that the script has for them."""
    money = {Term.DAY: grant.usd_per_day, Term.MONTH: grant.usd_per_month}
    limits = {
        "requests": grant.requests_per_minute,
        "tokens": grant.tokens_per_minute,
        **{term.value: None if usd is None else int(floor(usd) * BILLION) for term, usd in money.items()},
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def _billionths(usd: Decimal) -> int:
    """Return an amount as Redis counts it, rounded up."""
    return int((usd * BILLION).to_integral_value(ROUND_CEILING))
