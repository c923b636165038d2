"""What is asked of the script that counts what callers use, as it reads it. Pure, but for the reading of the script.

Money is in billionths of a dollar.
"""

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from importlib.resources import files
from typing import Final

from pointsman.executor.allowance import Allowance, Term
from pointsman.executor.ledger.question import Asked, Target

PREFIX: Final = "pointsman:{callers}:"
"""Of every key. The braces keep all keys in one slot of a Redis Cluster, as a script must have them."""

BILLION: Final = Decimal(10**9)


def script() -> bytes:
    """Return the script, which all questions share."""
    return files(__package__).joinpath("callers.lua").read_bytes()


def everybody(sha: bytes) -> Target:
    """Return the target of the question who is there, and whose use has changed."""
    return Target.of((), (f"{PREFIX}lately", f"{PREFIX}replicas"), {}, sha=sha)


def target(allowance: Allowance, now: datetime, sha: bytes) -> Target:
    """Return what stands for a caller in the day and the month of `now`, by the limits of this allowance."""
    key, terms = f"{PREFIX}of:{allowance.caller}", begins(now)
    money = (f"{key}:{term}:{begin}" for term, begin in terms.items())
    keys = (key, f"{key}:calls", f"{key}:since", *money, f"{PREFIX}lately")
    about = {"caller": allowance.caller, "limits": _limits(allowance), "terms": terms}
    return Target.of((allowance.caller,), keys, about, sha=sha)


def begins(now: datetime) -> dict[str, str]:
    """Return which day and which month are meant, by the date on which each begins."""
    return {term.value: term.begin(now).date().isoformat() for term in Term}


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


def _limits(allowance: Allowance) -> dict[str, int]:
    grant = allowance.grant
    rates = {"requests": grant.requests_per_minute, "tokens": grant.tokens_per_minute}
    money = {purse.term.value: int(floor(purse.limit) * BILLION) for purse in allowance.purses}
    return {name: limit for name, limit in rates.items() if limit is not None} | money


def _billionths(usd: Decimal) -> int:
    """Return an amount as Redis counts it, rounded up."""
    return int((usd * BILLION).to_integral_value(ROUND_CEILING))
