"""What the last minute looked like, for whoever watches. In memory, and of this Executor alone.

Pure: instants are handed in. What is kept for longer stands in the journal.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pointsman.domain.frozen import frozen
from pointsman.executor.attempt import RULES
from pointsman.executor.journal.row import Row
from pointsman.executor.journal.sums import Hop

MINUTE_S: Final = 60
"""Seconds that are looked back on, the one that is not over yet among them."""

SAMPLES: Final = 1_024
"""Durations of one hop that are kept, the latest ones: enough for a 95th percentile, and little to sort."""

_HOPS: Final = (Hop.CLASSIFY, Hop.QUEUE, Hop.PROVIDER, Hop.EXECUTE)
"""Those that every row tells of, in the order in which they are shown."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """Sums of requests that ended. `answered_locally` is a part of `answered`, which is of whole answers."""

    requests: int = 0
    answered: int = 0
    answered_locally: int = 0
    attempts: int = 0
    wasted: int = 0
    unproductive: int = 0
    cost_usd: Decimal = Decimal(0)
    attempts_without_price: int = 0

    def add(self, row: Row) -> None:
        """Count one request more."""
        self.requests += 1
        if row.answered_by is not None:
            self.answered += 1
            self.answered_locally += row.answered_by.local
        for attempt in row.trail.attempts:
            self.attempts += 1
            self.wasted += attempt.wasted
            self.unproductive += RULES[attempt.outcome].unproductive
            if attempt.cost_usd is not None:
                self.cost_usd += attempt.cost_usd
            elif attempt.usage is not None:
                self.attempts_without_price += 1

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sums of both."""
        return Counts(
            requests=self.requests + other.requests,
            answered=self.answered + other.answered,
            answered_locally=self.answered_locally + other.answered_locally,
            attempts=self.attempts + other.attempts,
            wasted=self.wasted + other.wasted,
            unproductive=self.unproductive + other.unproductive,
            cost_usd=self.cost_usd + other.cost_usd,
            attempts_without_price=self.attempts_without_price + other.attempts_without_price,
        )


@frozen
class HopLatency:
    """How long one hop took lately, in seconds, and how many durations that is known from."""

    hop: Hop
    count: int
    p50_s: float
    p95_s: float


@frozen
class Lately:
    """The last minute, `window_s` of it, and all since the start.

    `by_second` has the requests that ended in each second, the oldest first; the last second is not over yet.
    """

    window_s: float
    last_minute: Counts
    since_start: Counts
    by_second: tuple[int, ...]
    hops: tuple[HopLatency, ...]


class Activity:
    """A ring of the sums of each second, and the latest durations. Instants are seconds of one monotonic clock."""

    def __init__(self, *, started_s: float) -> None:
        """Begin with nothing."""
        self._started_s = started_s
        self._before = Counts()
        """All but the requests of the latest second."""
        self._seconds: deque[tuple[int, Counts]] = deque(maxlen=MINUTE_S)
        self._durations = {hop: deque[tuple[float, float]](maxlen=SAMPLES) for hop in _HOPS}

    def add(self, row: Row, now_s: float) -> None:
        """Count a request that ended now; `now_s` never goes back."""
        second = math.floor(now_s)
        if not self._seconds or self._seconds[-1][0] != second:
            self._before = self._since_start
            self._seconds.append((second, Counts()))
        self._seconds[-1][1].add(row)
        for hop, duration_s in _durations(row):
            self._durations[hop].append((now_s, duration_s))

    def lately(self, now_s: float) -> Lately:
        """Return what there is to tell at this instant, which is none before the latest request."""
        first = max(math.floor(now_s) - MINUTE_S + 1, math.floor(self._started_s))
        seconds = {second: counts for second, counts in self._seconds if second >= first}
        return Lately(
            window_s=now_s - max(first, self._started_s),
            last_minute=sum(seconds.values(), Counts()),
            since_start=self._since_start,
            by_second=tuple(
                seconds[second].requests if second in seconds else 0 for second in range(first, math.floor(now_s) + 1)
            ),
            hops=tuple(_latencies(self._durations.items(), first)),
        )

    @property
    def _since_start(self) -> Counts:
        """The sums of all requests, as a value of its own."""
        return self._before + (self._seconds[-1][1] if self._seconds else Counts())


def _durations(row: Row) -> Iterator[tuple[Hop, float]]:
    """Yield how long each part of the request's way took, in seconds."""
    if row.ruling.waited_s is not None:
        yield Hop.CLASSIFY, row.ruling.waited_s
    attempts = row.attempts
    if attempts:
        # By the wall clock, which may be set back meanwhile.
        yield Hop.QUEUE, max((attempts[0].started_at - row.at).total_seconds(), 0.0)
    for attempt in attempts:
        yield Hop.PROVIDER, attempt.duration_s
    yield Hop.EXECUTE, row.duration_s


def _latencies(kept: Iterable[tuple[Hop, Iterable[tuple[float, float]]]], since_s: float) -> Iterator[HopLatency]:
    for hop, samples in kept:
        if known := sorted(duration_s for ended_s, duration_s in samples if ended_s >= since_s):
            yield HopLatency(hop=hop, count=len(known), p50_s=_quantile(known, 0.5), p95_s=_quantile(known, 0.95))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of them does not exceed; there is at least one."""
    return ordered[math.ceil(share * len(ordered)) - 1]
