"""How the settings say that windows are counted: limits of candidates to the terms of windows. Pure."""

from collections.abc import Iterable, Mapping

from pointsman.domain.pool import Algorithm, Candidate, Limit, Unit
from pointsman.executor.bucket import Bucket
from pointsman.executor.quota import Window
from pointsman.executor.statement import FOREVER

WindowKey = tuple[Unit, float]
"""What is counted, and over how many seconds."""


def strictest(candidates: Iterable[Candidate]) -> Mapping[str, Mapping[WindowKey, Limit]]:
    """Return the limits by scope and window. Two candidates may each name one for a window; the stricter holds."""
    found: dict[str, dict[WindowKey, Limit]] = {}
    for candidate in candidates:
        for scope in candidate.scopes:
            known = found.setdefault(scope.name, {})
            for limit in scope.limits:
                key = limit.unit, limit.period.total_seconds() if limit.period else FOREVER
                known[key] = min(known.get(key, limit), limit, key=lambda each: each.amount)
    return found


def go_by(window: Window, limit: Limit | None, now: float) -> bool:
    """Have a window counted as a limit says, without one where it is None; return whether that is new to it."""
    ceiling, drains_per_s, offset_s = _terms(limit, window.period_s)
    known = window.ceiling, window.bucket.drains_per_s if window.bucket else None, window.offset_s
    if known == (ceiling, drains_per_s, offset_s):
        return False
    bucket = None if drains_per_s is None else Bucket(drains_per_s, window.margin_s)
    window.recount(ceiling, now, bucket=bucket, offset_s=offset_s)
    return True


def _terms(limit: Limit | None, period_s: float) -> tuple[int | None, float | None, float | None]:
    if limit is None:
        return None, None, None
    drains_per_s = limit.amount / period_s if limit.algorithm is Algorithm.TOKEN_BUCKET else None
    offset_s = limit.offset.total_seconds() if limit.algorithm is Algorithm.FIXED_WINDOW else None
    return limit.amount, drains_per_s, offset_s
