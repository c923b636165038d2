"""What is asked of the ledger's scripts in Redis, as they read it. Pure, but for the reading of the scripts."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.resources import files

from pointsman.domain.pool import Algorithm, Candidate, Limit, Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.cooldown import wait_s
from pointsman.executor.ledger.guesses import PER_MINUTE
from pointsman.executor.ledger.lessons import scope_of, stated_period_s, used_by
from pointsman.executor.ledger.memory import LONGEST_COOLDOWN_S
from pointsman.executor.ledger.port import Settlement
from pointsman.executor.ledger.question import Asked, Target
from pointsman.executor.ledger.terms import WindowKey, strictest
from pointsman.executor.quota import MINUTE_S, Estimate

PREFIX = "pointsman:{ledger}:"
"""Of every key. The braces keep all keys in one slot of a Redis Cluster, as a script must have them."""

PARTS = ("quota.lua", "cooldown.lua", "scope.lua", "operations.lua")

MOST = 2**53
"""The largest whole number that Lua counts exactly."""

Limits = Mapping[str, Mapping[WindowKey, Limit | None]]
"""Limits of the settings by scope and window; None for one that is counted before a limit is known."""

WAITING = frozenset({Effect.COOL, Effect.COOL_DAY, Effect.BREAK, Effect.NARROW})
"""Effects that may keep calls away for a while."""


def script() -> bytes:
    """Return the script, which all questions share."""
    folder = files(__package__)
    return "\n".join(folder.joinpath(part).read_text(encoding="utf-8") for part in PARTS).encode()


def ceilings(candidates: Iterable[Candidate]) -> Limits:
    """Return the limits of the settings; of two for one window, the stricter."""
    known = tuple(candidates)
    found: dict[str, dict[WindowKey, Limit | None]] = {scope: {**limits} for scope, limits in strictest(known).items()}
    for candidate in known:
        found[candidate.quota_scope].setdefault(PER_MINUTE, None)
    return found


def target(scopes: Iterable[str], limits: Limits, sha: bytes, candidate: Candidate | None = None) -> Target:
    """Return what stands for these scopes in every question; with the candidate, where they are one's own."""
    names = tuple(scopes)
    about: dict[str, object] = {
        "limits": [
            [[unit, _period(period_s), *_terms(limit)] for (unit, period_s), limit in limits[name].items()]
            for name in names
        ]
    }
    if candidate:
        about |= {"candidate": candidate.id, "quota_scope": names.index(candidate.quota_scope) + 1}
    keys = [f"{PREFIX}clock", *(f"{PREFIX}{name}" for name in names)]
    return Target.of(names, keys, about, sha=sha)


def sizes(estimate: Estimate) -> list[int]:
    """Return an estimate as the scripts read it."""
    return [estimate.input_tokens, estimate.output_tokens, estimate.admitted_tokens]


def settling(
    candidate: Candidate, estimate: Estimate, settlement: Settlement, *, now: datetime, spread: float
) -> Asked:
    """Return what settles a call which has just ended; `spread` from 0 to 1 lengthens derived waits."""
    outcome = settlement.outcome
    wait: Asked = {"derived": _waits_s(outcome, spread)[settlement.was_familiar :], "most": LONGEST_COOLDOWN_S}
    asked_s = settlement.retry_after_s
    if settlement.out_until is not None:
        asked_s = (settlement.out_until - now).total_seconds()
    if asked_s is not None:
        wait["asked"] = min(asked_s, LONGEST_COOLDOWN_S) if asked_s > 0 else 0.0  # what is no number is no wait
    return {
        "used": sizes(used_by(estimate, settlement)),
        "stated": [_stated(stated, now) for stated in settlement.stated if stated.limit >= 1],
        "is_refused": RULES[outcome].wasted and not settlement.stated,
        "names_concurrency": any(stated.unit is Unit.CONCURRENCY for stated in settlement.stated),
        "effect": RULES[outcome].effect,
        "cause": outcome,
        "scope": scope_index(candidate, scope_of(candidate, outcome)),
        "at_once": settlement.retry_after_s is not None,
    } | ({"wait": wait} if RULES[outcome].effect in WAITING else {})


def scope_index(candidate: Candidate, name: str) -> int:
    """Return which of the candidate's scopes has this name, counted from 1 as Lua does."""
    return [scope.name for scope in candidate.scopes].index(name) + 1


def _terms(limit: Limit | None) -> list[object]:
    """Return what the settings say of a window; a window that slides needs no words."""
    if limit is None:
        return []
    slides = limit.algorithm in {None, Algorithm.SLIDING_WINDOW}
    return [limit.amount, *([] if slides else [limit.algorithm, limit.offset.total_seconds()])]


def _stated(stated: StatedQuota, now: datetime) -> Asked:
    full_in_s = (stated.full_at - now).total_seconds() if stated.full_at else None
    period_s = stated_period_s(stated, full_in_s)
    asked: Asked = {"unit": stated.unit, "period_s": _period(period_s), "limit": min(stated.limit, MOST)}
    if stated.remaining is not None:
        asked["remaining"] = max(0, min(stated.remaining, stated.limit, MOST))
        # Nothing takes longer to fill than its period: an instant beyond it comes of a clock that is wrong.
        asked["full_in_s"] = min(MINUTE_S if full_in_s is None else max(0.0, full_in_s), period_s)
        asked["refills"] = stated.refills
    return asked


def _period(period_s: float) -> float:
    """Return a period as JSON can say it."""
    return -1 if math.isinf(period_s) else period_s


def _waits_s(outcome: Outcome, spread: float) -> list[float]:
    """Return the derived waits after one, two … ends of this kind in a row; the last one repeats."""
    waits = [wait_s(outcome, 1, spread)]
    while (longer := wait_s(outcome, len(waits) + 1, spread)) > waits[-1]:
        waits.append(longer)
    return waits
