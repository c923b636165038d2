"""When something that failed may be called again: a state machine a scope. Pure: time is brought along.

OPEN ──failure──► COOLING ──time──► PROBING ──success──► RAMPING ──successes──► OPEN
                     ▲                 └──failure──┐        └──failure──┐
                     └─────────────────────────────┴────────────────────┘
Any state ──take out──► OUT ──revive──► PROBING. A cooldown only ever extends.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pointsman.domain.trail import Outcome

BREAKER_FAILURES = 3
"""Failures in a row that open the breaker, where the provider gave no wait of its own."""

RAMP_CLOSES_AT = 16
"""Calls at once from which on nothing is held back any more."""

FIRST_WAIT_S = {Outcome.DAILY_QUOTA: 900.0, Outcome.OVERLOADED: 2.0}
LONGEST_WAIT_S = {Outcome.DAILY_QUOTA: 3600.0}
"""First and longest wait in seconds where nothing better is known, doubled from one to the other; else 1 s and 30 s."""

RATE_LIMITED_WAITS_S = (5.0, 60.0, 1_800.0, 3_600.0)
"""Waits after rate limits in a row. Every minute's limit lets somebody in within a minute; after that it is a day's."""


class State(StrEnum):
    """Where a cooldown stands."""

    OPEN = "open"
    COOLING = "cooling"
    PROBING = "probing"
    RAMPING = "ramping"
    OUT = "out"


OPEN: Final = State.OPEN
COOLING: Final = State.COOLING
SHUT: Final = frozenset({State.COOLING, State.OUT})
"""By names of their own: every call asks for them in each of its scopes, and members are looked up slowly (3.11)."""


def wait_s(outcome: Outcome, streak: int, spread: float) -> float:
    """Return how long to stay away after `streak` ends of this kind in a row, when the provider did not say.

    `spread` from 0 to 1 lengthens the wait by up to a quarter, so that replicas do not come back together.
    """
    if outcome is Outcome.RATE_LIMITED:
        return RATE_LIMITED_WAITS_S[min(max(streak, 1), len(RATE_LIMITED_WAITS_S)) - 1] * (1 + spread / 4)
    first, longest = FIRST_WAIT_S.get(outcome, 1.0), LONGEST_WAIT_S.get(outcome, 30.0)
    return float(min(longest, first * 2 ** min(max(streak - 1, 0), 16)) * (1 + spread / 4))


@dataclass(slots=True)
class Cooldown:
    """The state of one scope: a model, a group of models, or a provider account."""

    state: State = OPEN
    until: float = -math.inf
    streak: int = 0
    under_way: int = 0
    allowed: int = 1
    cause: Outcome | None = None
    round: int = 0
    """Grows whenever it closes. Calls that left in an earlier round are not waited for, and what they bring is late."""

    def ready_at(self, now: float) -> float:
        """Return when a call may leave: `now`, the end of the cooldown, or infinity when only an event can tell."""
        if self.state is OPEN:
            return now
        match self.state:
            case State.OUT:
                return math.inf
            case State.COOLING if now < self.until:
                return self.until
            case State.COOLING | State.PROBING:
                return now if self.under_way == 0 else math.inf
            case State.RAMPING:
                return now if self.under_way < self.allowed else math.inf

    def leave(self) -> int:
        """Count a call that leaves and return its round; the caller has asked `ready_at` before."""
        if self.state is COOLING:
            self.state, self.allowed = State.PROBING, 1
        self.under_way += 1
        return self.round

    def end(self, left_in: int) -> None:
        """Count a call of a round that came back, however it ended."""
        if left_in == self.round:
            self.under_way = max(0, self.under_way - 1)

    def succeed(self, left_in: int) -> None:
        """Take in a success: a probe opens the ramp, and each one more doubles it until it is open."""
        if left_in != self.round or self.state in SHUT:
            return
        self.streak = 0
        if self.state is OPEN:
            return
        self.state, self.allowed = State.RAMPING, self.allowed * 2
        if self.allowed >= RAMP_CLOSES_AT:
            self.state, self.cause = State.OPEN, None

    def cool(self, until: float, cause: Outcome, left_in: int) -> None:
        """Stay away until an instant, or longer if that was so already. The calls of one burst are one failure."""
        if self.state is State.OUT:
            return
        if left_in == self.round:
            self.streak += 1
            self._close()
        self.state, self.cause, self.until = State.COOLING, cause, max(self.until, until)

    def fail(self, until: float, cause: Outcome, left_in: int, *, at_once: bool) -> None:
        """Count a failure; stay away when the provider asked for it (`at_once`), in a probe, and after several."""
        if at_once or self.state is State.COOLING:
            self.cool(until, cause, left_in)
        elif left_in != self.round:
            return
        elif self.state is not State.OPEN or self.streak + 1 >= BREAKER_FAILURES:
            self.cool(until, cause, left_in)
        else:
            self.streak += 1

    def take_out(self, cause: Outcome) -> None:
        """Stay away until `revive`."""
        if self.state is not State.OUT:
            self.streak += 1
            self._close()
        self.state, self.cause = State.OUT, cause

    def revive(self) -> None:
        """Let one call probe whether it works again."""
        if self.state is State.OUT:
            self.state, self.allowed, self.until = State.PROBING, 1, -math.inf

    def become(self, told: "Cooldown") -> None:
        """Stand where another one stands, which somebody else counts."""
        self.state, self.until, self.streak = told.state, told.until, told.streak
        self.under_way, self.allowed = told.under_way, told.allowed
        self.cause, self.round = told.cause, told.round

    def _close(self) -> None:
        self.round += 1
        self.under_way = 0
