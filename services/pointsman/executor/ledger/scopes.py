"""Windows and cooldowns by scope, and which of them hold for a candidate."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Unit
from pointsman.executor.cooldown import Cooldown
from pointsman.executor.ledger.terms import WindowKey, go_by, strictest
from pointsman.executor.quota import AMOUNTS, DAY_S, STATED_FOR_S, Amount, Window, next_midnight

DAY_ZONE: Final = ZoneInfo("America/Los_Angeles")
"""Gemini's days end at midnight Pacific (docs, 2026-11); for other providers it is as good a guess as any."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What holds for one candidate, from the widest of its scopes to the narrowest."""

    candidate: Candidate
    windows: tuple[tuple[str, Window, Amount], ...]
    """Each with the name of its scope, and with what a call occupies of it."""
    fixed: tuple[Window, ...]
    """Those that begin anew at certain instants."""
    cooldowns: tuple[tuple[str, Cooldown], ...]


class Scopes:
    """What is known by the name of a scope. A window or a cooldown that is there stays the same object."""

    def __init__(self, *, clock: Clock, margin_s: float) -> None:
        """Know nothing yet. `margin_s` is added to every window."""
        self._clock = clock
        self._margin_s = margin_s
        self.windows: defaultdict[str, dict[WindowKey, Window]] = defaultdict(dict)
        self.cooldowns: defaultdict[str, Cooldown] = defaultdict(Cooldown)
        self._found: dict[str, InForce] = {}
        """By candidate. Settings may change what is known by an id while calls are under way."""

    def open(self, scope: str, unit: Unit, period_s: float) -> Window:
        """Return a new window of a scope that has none like it, by which nothing is counted yet."""
        window = Window(unit=unit, period_s=period_s, margin_s=self._margin_s)
        self.windows[scope][unit, period_s] = window
        self._found.clear()
        return window

    def close(self, scope: str, keys: Iterable[WindowKey]) -> None:
        """Forget windows of a scope."""
        for key in keys:
            del self.windows[scope][key]
            self._found.clear()

    def go_by(self, candidates: Iterable[Candidate], now: float) -> set[str]:
        """Have windows counted by the limits of these candidates; return the scopes to which that is new."""
        limits, changed = strictest(candidates), set[str]()
        for scope, windows in self.windows.items():
            for key, window in windows.items():
                if go_by(window, limits.get(scope, {}).get(key), now):
                    changed.add(scope)
        self._found.clear()
        return changed

    def in_force(self, candidate: Candidate, now: float) -> InForce:
        """Return what holds for a candidate now: what is over has begun anew, and old statements are forgotten."""
        found = self.as_left(candidate)
        for window in found.fixed:
            self._renew(window, now)
        for _, window, _ in found.windows:
            statement = window.statement
            if statement is not None and now >= statement.seen_at + STATED_FOR_S:  # else it is too early in any case
                window.expire(now)
        return found

    def as_left(self, candidate: Candidate) -> InForce:
        """Return what holds for a candidate, as it was when somebody last looked."""
        found = self._found.get(candidate.id)
        if found is None or found.candidate is not candidate:
            found = self._found[candidate.id] = self._find(candidate)
        return found

    def _find(self, candidate: Candidate) -> InForce:
        names = [scope.name for scope in candidate.scopes]
        windows = [(name, window) for name in names for window in self.windows[name].values()]
        return InForce(
            candidate=candidate,
            windows=tuple((name, window, AMOUNTS[window.unit]) for name, window in windows),
            fixed=tuple(window for _, window in windows if window.offset_s is not None or window.period_s == DAY_S),
            cooldowns=tuple((name, self.cooldowns[name]) for name in names),
        )

    def _renew(self, window: Window, now: float) -> None:
        """Begin the next fixed window when the last one is over."""
        if not window.is_over(now):
            return
        here = self._clock.now()
        if window.offset_s is None:
            lasts_s = (next_midnight(here, DAY_ZONE) - here).total_seconds()
        else:
            lasts_s = window.period_s - (here.timestamp() - window.offset_s) % window.period_s
        window.renew(now + lasts_s)
