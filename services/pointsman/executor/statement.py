"""What a provider states of a window, and what its statements betray of how it counts. Pure: time is brought along."""

import math
from dataclasses import dataclass

from pointsman.domain.frozen import frozen

FOREVER = math.inf
"""An instant that time alone does not bring."""

TELLING = 3
"""Statements in a row that must look alike before it is believed how a provider counts; one against it ends that."""

MOVED_S = 3.0
"""An end that has moved by more seconds was moved by calls; by less, by the way of the answer."""

MOMENT_S = 1.0
"""What is said alike within it is one sign: the answers of a burst know of the same calls."""

NEVER = -1
"""A count of signs that one sign has ended."""


@frozen
class Statement:
    """What a provider said of a window: `remaining` of `limit`, to the call that left at `sent_at`; full at `full_at`.

    `refills` is True where the window fills continuously (a token bucket), False where it fills at once.
    """

    limit: int
    remaining: int
    sent_at: float
    seen_at: float
    full_at: float
    refills: bool

    def left(self, now: float) -> int:
        """Return what the provider has left for calls that left after `sent_at`."""
        if now >= self.full_at:
            return self.limit
        if not self.refills:
            return self.remaining
        return min(self.limit, self.remaining + math.floor(self._rate * max(0.0, now - self.seen_at)))

    def ready_at(self, wanted: int) -> float:
        """Return when at least `wanted` are left, FOREVER when the window never holds as much."""
        if wanted > self.limit:
            return FOREVER
        if wanted <= self.remaining:
            return self.seen_at
        if not self.refills:
            return self.full_at
        return min(self.full_at, self.seen_at + (wanted - self.remaining) / self._rate)

    @property
    def _rate(self) -> float:
        return (self.limit - self.remaining) / max(self.full_at - self.seen_at, 1e-3)


@dataclass(slots=True)
class Manner:
    """How a provider counts, as its statements betray it: each number is of those in favour, NEVER after one against.

    A bucket that refills is full the sooner the less is missing. The end of a sliding window moves with every call,
    that of a fixed one stands.
    """

    refilling: int = 0
    sliding: int = 0
    told_at: float = -math.inf
    """When a sign in favour of refilling was last counted."""
    anchor: Statement | None = None
    """The statement from which the end of the window has to move."""

    @property
    def refills(self) -> bool:
        """True when what was used comes back all the time."""
        return self.refilling >= TELLING

    @property
    def may_refill(self) -> bool:
        """True until a statement has shown that it does not."""
        return self.refilling != NEVER

    @property
    def slides(self) -> bool:
        """True when every call leaves the window by itself."""
        return self.sliding >= TELLING and self.refilling == NEVER

    def look(self, statement: Statement) -> None:
        """Take in one more statement."""
        if statement.remaining >= statement.limit:
            return
        if self.refilling == NEVER or not statement.refills:
            self.refilling = NEVER
        elif statement.seen_at >= self.told_at + MOMENT_S:
            self.refilling, self.told_at = self.refilling + 1, statement.seen_at
        anchor = self.anchor
        if anchor is None or anchor.full_at <= statement.seen_at:
            self.anchor = statement
        elif statement.full_at > anchor.full_at + MOVED_S:
            self.anchor = statement
            self.sliding += self.sliding != NEVER
        elif statement.sent_at > anchor.seen_at + MOVED_S:
            self.sliding = NEVER


def stricter(one: Statement, other: Statement) -> Statement:
    """Return the stricter of what one answer said twice, as OpenAI does of an account and of a project (4.5)."""
    return Statement(
        limit=min(one.limit, other.limit),
        remaining=min(one.remaining, other.remaining),
        sent_at=other.sent_at,
        seen_at=other.seen_at,
        full_at=max(one.full_at, other.full_at),
        refills=one.refills and other.refills,
    )
