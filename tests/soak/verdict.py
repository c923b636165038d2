"""What a soak came to: the trend of each service's memory, its descriptors, and how long calls took. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.soak.course import Look, Soak, Timed
from tests.soak.trend import Trend, trend

MIB: Final = 1 << 20
HOUR_S: Final = 3_600.0
MINUTE_S: Final = 60.0

MIB_AN_HOUR: Final = 8.0
"""A slope is no leak while its interval stays below this, or holds zero: a gigabyte would take five days."""

MORE_DESCRIPTORS: Final = 8
"""How many more may be open at most in the last quarter than in the second: connections come and go."""

LEAST_MINUTES: Final = 5
"""Whole minutes below which nothing is said of how p99 goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one service held: its memory at the start and in the end, its trend over the second half in MiB an hour."""

    service: str
    first_mib: float
    last_mib: float
    memory: Trend | None
    descriptors_before: int
    descriptors_after: int

    @property
    def falls_short(self) -> Iterable[str]:
        """Say what is not flat."""
        trended = self.memory
        if trended is None:
            yield f"{self.service}: too few looks to say anything of its memory"
        elif not trended.is_flat and trended.high >= MIB_AN_HOUR:
            interval = f"{trended.low:+.1f} to {trended.high:+.1f}"
            grows = f"memory grows by {trended.slope:+.1f} MiB an hour ({interval})"
            yield f"{self.service}: {grows}, bound {MIB_AN_HOUR:g}"
        more = self.descriptors_after - self.descriptors_before
        if more > MORE_DESCRIPTORS:
            yield f"{self.service}: {more} descriptors more in the last quarter, bound {MORE_DESCRIPTORS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """How long the calls of one whole minute took."""

    number: int
    calls: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Everything together. `p99` is its trend in milliseconds a minute, None of fewer than LEAST_MINUTES."""

    kept: tuple[Kept, ...]
    minutes: tuple[Minute, ...]
    p99: Trend | None
    calls: int
    failed: int

    @property
    def falls_short(self) -> list[str]:
        """Say what does not hold."""
        short = [sentence for kept in self.kept for sentence in kept.falls_short]
        if self.failed:
            short.append(f"{self.failed} of {self.failed + self.calls} calls were not answered")
        if self.p99 and self.p99.low > 0 and self.p99.slope * len(self.minutes) > _median_p99(self.minutes):
            short.append(f"p99 grows by {self.p99.slope:+.2f} ms a minute, and has more than doubled")
        return short


def judge(seen: Soak, random: Random) -> Verdict:
    """Return what the soak came to."""
    services = sorted({look.service for look in seen.looks})
    minutes = tuple(_minutes(seen.calls, seen.seconds))
    times, p99s = [float(minute.number) for minute in minutes], [minute.p99_ms for minute in minutes]
    return Verdict(
        kept=tuple(
            _kept(service, [each for each in seen.looks if each.service == service], random) for service in services
        ),
        minutes=minutes,
        p99=trend(times, p99s, random) if len(minutes) >= LEAST_MINUTES else None,
        calls=len(seen.calls),
        failed=seen.failed,
    )


def _kept(service: str, looks: Sequence[Look], random: Random) -> Kept:
    half, quarter = looks[len(looks) // 2 :], max(1, len(looks) // 4)
    times, sizes = [look.at_s / HOUR_S for look in half], [look.rss_bytes / MIB for look in half]
    return Kept(
        service=service,
        first_mib=looks[0].rss_bytes / MIB,
        last_mib=looks[-1].rss_bytes / MIB,
        memory=trend(times, sizes, random),
        descriptors_before=max(look.descriptors for look in looks[quarter : 2 * quarter] or looks),
        descriptors_after=max(look.descriptors for look in looks[-quarter:]),
    )


def _minutes(calls: Sequence[Timed], seconds: float) -> Iterable[Minute]:
    """Yield each minute; what is left at the end and is none stays out, unless there is nothing else."""
    length_s = min(MINUTE_S, seconds)
    for number in range(max(1, int(seconds // MINUTE_S))):
        took = sorted(call.took_s * 1e3 for call in calls if number <= call.at_s / length_s < number + 1)
        if took:
            yield Minute(number=number + 1, calls=len(took), p50_ms=_share(took, 0.5), p99_ms=_share(took, 0.99))


def _share(ascending: Sequence[float], share: float) -> float:
    """Return the value that this share of all is not above."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def _median_p99(minutes: Sequence[Minute]) -> float:
    return _share(sorted(minute.p99_ms for minute in minutes), 0.5)
