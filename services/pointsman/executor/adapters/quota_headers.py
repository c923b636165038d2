"""What providers state about quotas in headers: every dialect, read without raising and in linear time."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Unit
from pointsman.executor.adapters.base import StatedQuota

Headers = Mapping[str, str]

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=31)
"""Longest wait that is believed: spend limits renew monthly, nothing renews later."""
_MINUTE_S: Final = MINUTE.total_seconds()
_DAY_S: Final = DAY.total_seconds()
_LONGEST_S: Final = LONGEST.total_seconds()

_LONGEST_TEXT: Final = 64
_PIECE: Final = re.compile(r"([0-9]++(?:\.[0-9]++)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_ROUNDING: Final = 0.05
_MILLISECOND: Final = 0.001
_MINUTE_AT_MOST_S: Final = 90.0
"""A reset that is longer belongs to a day; the half minute is for clocks and roundings."""

_LONGEST_NUMBER: Final = 15


@frozen
class _Window:
    """One window as headers name it."""

    unit: Unit
    limit: str
    remaining: str
    reset: str


_OPENAI: Final = tuple(
    _Window(
        unit=unit,
        limit=f"x-ratelimit-limit-{name}",
        remaining=f"x-ratelimit-remaining-{name}",
        reset=f"x-ratelimit-reset-{name}",
    )
    for name, unit in (("requests", Unit.REQUESTS), ("tokens", Unit.TOKENS), ("project-tokens", Unit.TOKENS))
)
*_ANTHROPIC, _ANTHROPIC_TOTAL = (
    _Window(
        unit=unit,
        limit=f"anthropic-ratelimit-{name}-limit",
        remaining=f"anthropic-ratelimit-{name}-remaining",
        reset=f"anthropic-ratelimit-{name}-reset",
    )
    for name, unit in (
        ("requests", Unit.REQUESTS),
        ("input-tokens", Unit.INPUT_TOKENS),
        ("output-tokens", Unit.OUTPUT_TOKENS),
        ("tokens", Unit.TOKENS),
    )
)


def duration_s(text: str) -> float | None:
    """Return seconds of a duration such as "6m0s", "20ms" or the bare "120"; None when it is none."""
    text = text.strip()
    if not text or len(text) > _LONGEST_TEXT:
        return None
    if not text[-1].isalpha():
        return seconds(text)
    total, position = 0.0, 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            return None
        total += float(piece[1]) * _SECONDS[piece[2]]
        position = piece.end()
    return min(total, _LONGEST_S)


def seconds(text: str) -> float | None:
    """Return a plain number of seconds, capped; None when it is no number, negative or not finite."""
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return min(value, _LONGEST_S) if math.isfinite(value) and value >= 0 else None


def retry_after_s(status: int, headers: Headers, now: datetime) -> float | None:
    """Return how many seconds the provider wants us to wait; None when it does not say.

    Only a 429 or a 5xx is asked: Anthropic sends `retry-after` with successes too (recorded traffic, 2026-08).
    """
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    milliseconds = seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "").strip()
    plain = seconds(text)
    return plain if plain is not None else _until_http_date(text, now)


def openai_quota(headers: Headers, now: datetime) -> tuple[StatedQuota, ...]:
    """Return what `x-ratelimit-*` states. Resets are durations until the window is full again."""
    return tuple([q for window in _OPENAI if window.limit in headers and (q := _openai_quota(headers, now, window))])


def anthropic_quota(headers: Headers, now: datetime) -> tuple[StatedQuota, ...]:
    """Return what `anthropic-ratelimit-*` states. Resets are instants at which the bucket is full again.

    The `tokens` bucket repeats the most restrictive of the others (docs, 2026-11); it is reported only when it says
    something else.
    """
    stated = [
        quota for window in _ANTHROPIC if window.limit in headers and (quota := _anthropic_quota(headers, now, window))
    ]
    total = _anthropic_quota(headers, now, _ANTHROPIC_TOTAL) if _ANTHROPIC_TOTAL.limit in headers else None
    if total and not any((q.limit, q.remaining) == (total.limit, total.remaining) for q in stated):
        stated.append(total)
    return tuple(stated)


def instant(text: str) -> datetime | None:
    """Return the instant of an RFC 3339 text, in UTC; None when it is none."""
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def whole(text: str) -> int | None:
    """Return a whole number ≥ 0; None when it is none, as in "-1", which stands for unknown."""
    text = text.strip()
    is_whole = text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_whole else None


def _until_http_date(text: str, now: datetime) -> float | None:
    if not text or len(text) > _LONGEST_TEXT:
        return None
    try:
        found = parsedate_to_datetime(text)
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        wait_s = (moment - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, wait_s), _LONGEST_S)


def _openai_quota(headers: Headers, now: datetime, window: _Window) -> StatedQuota | None:
    limit = whole(headers.get(window.limit, ""))
    if not limit:  # 0 and -1 were seen where there is no limit (Azure, 2026)
        return None
    remaining = whole(headers.get(window.remaining, ""))
    reset_s = duration_s(headers.get(window.reset, ""))
    period, refills = _kind(limit, remaining, reset_s)
    if period is None and window.unit is Unit.TOKENS:
        period = MINUTE
    if reset_s == 0.0:
        remaining = limit
    return StatedQuota(
        unit=window.unit,
        limit=limit,
        remaining=None if remaining is None else min(remaining, limit),
        full_at=None if reset_s is None else now + timedelta(seconds=reset_s),
        period=period,
        refills=refills,
    )


def _kind(limit: int, remaining: int | None, reset_s: float | None) -> tuple[timedelta | None, bool]:
    """Return which window these headers speak of, and whether it refills continuously; None when they do not tell.

    Per minute and per day share the same names. A bucket that refills gives itself away: what is missing comes back at
    `limit` a period, so 1 of 10 000 a day takes 8.64 s. An empty one looks like a window that has just begun, and is
    taken for a bucket, as OpenAI's are.
    """
    if not reset_s or remaining is None or remaining >= limit:
        return None, False
    missing = limit - remaining
    if _refills(missing, reset_s, _MINUTE_S / limit):
        return MINUTE, True
    day_share_s = _DAY_S / limit
    if reset_s > _MINUTE_AT_MOST_S:
        return DAY, _refills(missing, reset_s, day_share_s)
    if math.isclose(reset_s, missing * day_share_s, rel_tol=_ROUNDING):
        return DAY, True
    return MINUTE, False


def _refills(missing: int, reset_s: float, share_s: float) -> bool:
    """Return whether `missing` pieces, each coming back after `share_s`, take `reset_s`.

    What remains is stated as a whole number, so most of one more piece may be there already.
    """
    earliest_s, latest_s = (missing - 1) * share_s, missing * share_s
    return earliest_s * (1 - _ROUNDING) <= reset_s <= latest_s * (1 + _ROUNDING) + _MILLISECOND


def _anthropic_quota(headers: Headers, now: datetime, window: _Window) -> StatedQuota | None:
    limit = whole(headers.get(window.limit, ""))
    if not limit:
        return None
    remaining = whole(headers.get(window.remaining, ""))
    full_at = instant(headers.get(window.reset, ""))
    if full_at is not None and full_at - now > LONGEST:
        full_at = None
    if full_at is not None and full_at <= now:
        full_at, remaining = now, limit
    left = None if remaining is None else min(remaining, limit)
    return StatedQuota(unit=window.unit, limit=limit, remaining=left, full_at=full_at, period=MINUTE, refills=True)
