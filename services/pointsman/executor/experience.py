"""How many calls in a minute each provider has let in before, where nobody says how many it allows. Pure.

As many are no risk. More are tried a few at a time, so that finding a limit costs a few refusals and not a burst.
"""

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field

from pointsman.domain.trail import Outcome
from pointsman.executor.attempt import RULES

MINUTE_S = 60.0

FEW = 2
"""So many calls at once try new ground, or a part of what was let in before, if that is more."""

PART = 8
"""Which part: with every answer time the ground grows by an eighth."""

SHAKEN = 0.75
"""How much of what had been let in is still believed after a refusal."""

NO_VERDICT = frozenset({Outcome.NETWORK, Outcome.CANCELLED, Outcome.OVERLOADED})
"""Ends that say nothing of any limit."""


@dataclass(slots=True)
class Ground:
    """What one quota scope has let in: second by second of the last minute, and at most in any minute."""

    most: int = 0
    under_way: int = 0
    is_shaken: bool = False
    """True when a refusal has shown that there is a limit; new ground is then tried by one call at a time."""
    past: deque[tuple[float, int]] = field(default_factory=deque)
    past_amount: int = 0

    def let_in(self, left_at: float, now: float) -> None:
        """Count a call that was let in."""
        self.past_amount += 1
        end = math.floor(left_at) + 1.0
        for index in range(len(self.past) - 1, -1, -1):
            if self.past[index][0] == end:
                self.past[index] = (end, self.past[index][1] + 1)
                break
            if self.past[index][0] < end:
                self.past.insert(index + 1, (end, 1))
                break
        else:
            self.past.appendleft((end, 1))
        self.most = max(self.most, self.in_last_minute(now))

    def in_last_minute(self, now: float) -> int:
        """Return how many were let in during the minute that ends now."""
        while self.past and self.past[0][0] + MINUTE_S <= now:
            self.past_amount -= self.past.popleft()[1]
        return self.past_amount


@dataclass(slots=True)
class Experience:
    """Ground by quota scope. Each process has its own."""

    grounds: defaultdict[str, Ground] = field(default_factory=lambda: defaultdict(Ground))

    def risk(self, scope: str, now: float) -> int:
        """Return how far one more call would be beyond the few that may try new ground; 0 when it is one of them."""
        ground = self.grounds[scope]
        few = 1 if ground.is_shaken else max(FEW, ground.most // PART)
        return max(0, ground.in_last_minute(now) + ground.under_way + 1 - ground.most - few)

    def leave(self, scope: str) -> None:
        """Count a call that leaves."""
        self.grounds[scope].under_way += 1

    def end(self, scope: str, outcome: Outcome, *, left_at: float, now: float) -> bool:
        """Count a call that came back; return whether it was refused although as many had been let in before."""
        ground = self.grounds[scope]
        ground.under_way = max(0, ground.under_way - 1)
        if outcome in NO_VERDICT:
            return False
        if not RULES[outcome].wasted:
            ground.let_in(left_at, now)
            return False
        so_far = ground.in_last_minute(now)
        was_familiar = so_far < math.floor(SHAKEN * ground.most)
        if not was_familiar:
            ground.most, ground.is_shaken = math.floor(SHAKEN * so_far), True
        return was_familiar
