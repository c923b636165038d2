"""Limits that nobody names, found by trying: narrowed after refusals, widened after many answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.ledger.port import Settlement
from pointsman.executor.ledger.terms import WindowKey
from pointsman.executor.quota import MINUTE_S, Window
from pointsman.executor.statement import FOREVER

CALM_CALLS: Final = 100
"""Answers at a guessed limit before it grows: a guess that is too high wastes 1 % at most."""

GUESSABLE: Final = 3
"""Calls of ours in a minute from which on a refusal that says nothing is taken for our own doing."""

PER_MINUTE: Final[WindowKey] = (Unit.REQUESTS, MINUTE_S)
"""What is guessed at where a provider refuses and says nothing."""

AT_ONCE: Final[WindowKey] = (Unit.CONCURRENCY, FOREVER)
"""What is guessed at where a provider refuses because of other calls, and does not say how many it allows."""

Windows = Mapping[WindowKey, Window]
"""Those of one scope."""


@dataclass(slots=True)
class Calm:
    """Answers at a guessed limit since it was last changed, and by how much it grows next: twice as much each time."""

    answers: int = 0
    step: int = 1


class Guesses:
    """Which limits of which quota scopes are guesses, and how they do. The limits stand in the windows."""

    def __init__(self) -> None:
        """Guess at nothing yet."""
        self._at_once: dict[str, int] = {}
        self._a_minute: dict[str, Calm] = {}

    def slow(self, scope: str, windows: Windows, settlement: Settlement, left_at: float, *, is_first: bool) -> None:
        """Learn from a refusal that says nothing: so many calls a minute, as far as we know.

        `is_first` says that it is the first refusal of its burst.
        """
        if settlement.outcome is not Outcome.RATE_LIMITED or settlement.stated:
            return
        if any(window.statement for window in windows.values() if window.period_s == MINUTE_S):
            return
        window, guess = windows[PER_MINUTE], windows[PER_MINUTE].let_in_before(left_at)
        if guess < GUESSABLE:
            return
        # What has just been refused was thought to fit, so the guess was too high by one at least; once a burst.
        window.learned = guess if window.learned is None else max(1, min(guess, window.learned - is_first))
        self._a_minute[scope] = Calm()

    def narrow(self, scope: str, window: Window, settlement: Settlement, left_at: float) -> bool:
        """Allow no more calls at once than had left before the one that was refused, unless the provider said how many.

        Half of those under way is the least, because calls overtake each other on their way.
        Return False where none was under way. Then others use up what the account may, and only waiting helps.
        """
        others = len(window.held)
        if any(stated.unit is Unit.CONCURRENCY for stated in settlement.stated):
            self._at_once.pop(scope, None)
        else:
            window.learned = max(1, (others + 1) // 2, window.let_in_before(left_at))
            self._at_once[scope] = 0
        return others > 0

    def widen(self, scope: str, windows: Windows, now: float) -> None:
        """Raise limits that were only guessed after many answers at them."""
        if scope in self._at_once:
            window = windows[AT_ONCE]
            learned = window.learned or 1
            self._at_once[scope] += len(window.held) + 1 >= learned
            if self._at_once[scope] >= CALM_CALLS:
                self._at_once[scope] = 0
                window.learned = learned + 1
        if scope in self._a_minute:
            window, calm = windows[PER_MINUTE], self._a_minute[scope]
            learned = window.learned or 1
            calm.answers += window.used(now) >= learned
            if calm.answers >= CALM_CALLS:
                window.learned = learned + calm.step
                calm.answers, calm.step = 0, calm.step * 2
