"""What this process last read of the ledger in Redis, for planning. A little old: the truth is in `reserve`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.cooldown import Cooldown, State
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.quota import Held, Window
from pointsman.executor.statement import FOREVER, Manner, Statement

View = Mapping[str, Any]
"""A scope as `scope.lua` tells it; instants are seconds from the moment of the answer."""


class Mirror(MemoryLedger):
    """A ledger in memory whose scopes are not counted here but taken in from Redis."""

    def __init__(self, candidates: Sequence[Candidate], *, clock: Clock, random: Random, margin_s: float) -> None:
        """Know nothing but the limits of the settings."""
        self._versions: dict[str, int] = {}
        self._of_scope: dict[str, list[str]] = {}
        self._narrowest: dict[str, list[str]] = {}
        super().__init__(candidates, clock=clock, random=random, margin_s=margin_s)

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Know whose scopes are whose; those of calls under way are kept."""
        known = tuple(candidates)
        for candidate in known:
            for scope in candidate.scopes:
                _note(self._of_scope, scope.name, candidate.id)
            _note(self._narrowest, candidate.scopes[-1].name, candidate.id)
        super().heed(known)

    def start_over(self) -> None:
        """Take in everything that comes next: another Redis, or one that has lost its memory, counts from the start."""
        self._versions.clear()

    def take_in(self, scopes: Sequence[str], views: Iterable[View], at: float) -> None:
        """Replace what is known of these scopes by what was told at an instant; tell the watchers what is new."""
        changed: set[str] = set()
        for name, view in zip(scopes, views, strict=True):
            if self._versions.get(name) == view["version"]:
                continue
            self._versions[name] = view["version"]
            self._scopes.cooldowns[name].become(_cooldown(view["cooldown"], at))
            if (too_large := view.get("too_large")) is None:
                self._too_large.pop(name, None)
            else:
                self._too_large[name] = int(too_large)
            self._take_in_windows(name, view["windows"], at)
            flights = _pairs(view["flights"])
            for id_ in self._narrowest.get(name, ()):
                self._in_flight[id_] = int(flights.get(id_, 0))
            changed.update(self._of_scope[name])
        for candidate_id in changed:
            self._tell(candidate_id)

    def scopes(self) -> Iterator[tuple[str, Cooldown, int | None, Iterable[Window]]]:
        """Yield each scope with its cooldown, the size that was too large for it, and its windows."""
        for name in self._of_scope:
            yield name, self._scopes.cooldowns[name], self._too_large.get(name), self._scopes.windows[name].values()

    def _take_in_windows(self, name: str, views: Iterable[View], at: float) -> None:
        windows, seen = self._scopes.windows[name], set[tuple[Unit, float]]()
        for view in views:
            key = Unit(view["unit"]), FOREVER if view["period_s"] < 0 else float(view["period_s"])
            seen.add(key)
            window = windows.get(key)
            if window is None:
                window = self._scopes.open(name, *key)
            _take_in_window(window, view, at)
        self._scopes.close(name, windows.keys() - seen)


def _take_in_window(window: Window, view: View, at: float) -> None:
    stated, past, learned = view.get("statement"), view.get("past", ()), view.get("learned")
    window.learned = None if learned is None else int(learned)
    window.statement = stated and Statement(
        limit=int(stated[0]),
        remaining=int(stated[1]),
        sent_at=at + stated[2],
        seen_at=at + stated[3],
        full_at=at + stated[4],
        refills=stated[5],
    )
    refilling, sliding = view["manner"]
    window.manner = Manner(refilling=int(refilling), sliding=int(sliding))
    window.forgotten_amount = int(view["forgotten"])
    if window.bucket and (level := view.get("level")):
        window.bucket.level, window.bucket.seen_at = float(level[0]), at + level[1]
    ends_in_s = view.get("ends_in_s")
    window.ends_at = FOREVER if ends_in_s is None else at + ends_in_s
    window.past.hear((at + past[index], int(past[index + 1])) for index in range(0, len(past), 2))
    window.held_amount, window.unseen_amount = int(view["held"]), int(view["unseen"])
    window.held.clear()
    if window.held_amount:
        window.held[0] = Held(since=at + view["held_since_s"], amount=window.held_amount)


def _cooldown(told: Sequence[Any], at: float) -> Cooldown:
    state, until_s, streak, under_way, allowed, cause, round_ = told
    return Cooldown(
        state=State(state),
        until=at + until_s,
        streak=int(streak),
        under_way=int(under_way),
        allowed=int(allowed),
        cause=Outcome(cause) if cause else None,
        round=int(round_),
    )


def _note(names: dict[str, list[str]], scope: str, candidate_id: str) -> None:
    known = names.setdefault(scope, [])
    if candidate_id not in known:
        known.append(candidate_id)


def _pairs(flat: Sequence[Any]) -> dict[str, str]:
    return {str(flat[index]): flat[index + 1] for index in range(0, len(flat), 2)}
