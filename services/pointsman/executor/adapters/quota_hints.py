"""What providers let slip about quotas in the prose of their errors: numbers, taken out without keeping the prose.

All of it works on the lower-case beginning of a message (`errors.readable`), in linear time, and never raises.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pointsman.domain.pool import Unit
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.adapters.quota_headers import DAY, MINUTE, duration_s, instant, whole
from pointsman.executor.quota import next_midnight

_PACIFIC: Final = ZoneInfo("America/Los_Angeles")
_MOST_DIGITS: Final = 15
_NUMERIC: Final = frozenset("0123456789,")
_BETWEEN: Final = " :="

_OPENAI_WINDOWS: Final = (
    ("(rpm)", Unit.REQUESTS, MINUTE),
    ("(tpm)", Unit.TOKENS, MINUTE),
    ("(rpd)", Unit.REQUESTS, DAY),
    ("(tpd)", Unit.TOKENS, DAY),
)
_ANTHROPIC_WINDOWS: Final = (
    ("input tokens per minute", Unit.INPUT_TOKENS),
    ("output tokens per minute", Unit.OUTPUT_TOKENS),
    ("requests per minute", Unit.REQUESTS),
)
_MOONSHOT_WINDOWS: Final[tuple[tuple[str, str, Unit, timedelta | None], ...]] = (
    ("max rpm", "max rpm", Unit.REQUESTS, MINUTE),
    ("max concurrency", "max concurrency", Unit.CONCURRENCY, None),
    ("tpm rate limit", "limit:", Unit.TOKENS, MINUTE),
    ("tpd rate limit", "limit:", Unit.TOKENS, DAY),
)


def number_after(message: str, marker: str) -> int | None:
    """Return the whole number behind the first `marker`, thousands commas allowed; None when there is none."""
    at = message.find(marker)
    if at < 0:
        return None
    rest = message[at + len(marker) : at + len(marker) + 2 * _MOST_DIGITS].lstrip(_BETWEEN)
    length = next((index for index, char in enumerate(rest) if char not in _NUMERIC), len(rest))
    return whole(rest[:length].replace(",", ""))


def wait_after(message: str, marker: str) -> float | None:
    """Return the seconds of the duration behind `marker`, as in "try again in 6m0s."; None when there is none."""
    at = message.find(marker)
    if at < 0:
        return None
    words = message[at + len(marker) : at + len(marker) + 64].split(maxsplit=1)
    return duration_s(words[0].rstrip(".,;")) if words else None


def openai_limit(message: str) -> tuple[StatedQuota, ...]:
    """Return the window that "… on tokens per min (TPM): Limit 30000, Used 29000, …" names."""
    limit = number_after(message, ": limit ")
    window = next((window for window in _OPENAI_WINDOWS if window[0] in message), None)
    if not limit or window is None:
        return ()
    _, unit, period = window
    return (StatedQuota(unit=unit, limit=limit, period=period),)


def anthropic_limit(message: str) -> tuple[StatedQuota, ...]:
    """Return the window that "… rate limit of 2,000,000 input tokens per minute" names."""
    limit = number_after(message, "rate limit of ")
    unit = next((unit for words, unit in _ANTHROPIC_WINDOWS if words in message), None)
    return (StatedQuota(unit=unit, limit=limit, period=MINUTE, refills=True),) if limit and unit else ()


def moonshot_limit(message: str) -> tuple[StatedQuota, ...]:
    """Return the window that "… max RPM: 3, …" and its like name."""
    for name, marker, unit, period in _MOONSHOT_WINDOWS:
        limit = number_after(message, marker) if name in message else None
        if limit:
            return (StatedQuota(unit=unit, limit=limit, period=period),)
    return ()


def moonshot_wait_s(message: str) -> float | None:
    """Return the wait that the message asks for, or the spacing of its RPM where that is longer.

    New accounts have 3 RPM while the text says "after 1 seconds" (third-party reports, 2026).
    """
    asked = wait_after(message, "try again after ")
    rpm = number_after(message, "max rpm")
    spacing = 60.0 / rpm if rpm else None
    return max((wait for wait in (asked, spacing) if wait is not None), default=None)


def regained_at(message: str) -> datetime | None:
    """Return the instant of "You will regain access on 2026-12-01 at 00:00 UTC"; None when none is named."""
    at = message.find("regain access on ")
    if at < 0:
        return None
    words = message[at + len("regain access on ") :][:64].split()
    if not words:
        return None
    clock = words[2] if len(words) > 2 and words[1] == "at" else "00:00"  # noqa: PLR2004 - date, "at", time
    return instant(f"{words[0].rstrip('.,')}t{clock.rstrip('.,')}".upper()) or instant(words[0].rstrip(".,"))


def next_month(now: datetime) -> datetime:
    """Return the first instant of the next month in UTC, when Anthropic's spend limits renew."""
    here = now.astimezone(UTC)
    year, month = (here.year + 1, 1) if here.month == 12 else (here.year, here.month + 1)  # noqa: PLR2004 - December
    return datetime(year, month, 1, tzinfo=UTC)


def next_pacific_day(now: datetime) -> datetime:
    """Return when Gemini's daily quotas renew: the next midnight in California, in UTC."""
    return next_midnight(now, _PACIFIC).astimezone(UTC)
