"""What this Executor last heard of what callers use. A little old: the truth is in Redis."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pointsman.domain.clock import Clock
from pointsman.executor.allowance import Allowance
from pointsman.executor.ledger.caller_asking import begins, dollars
from pointsman.executor.quota import Held, Window

View = Mapping[str, Any]
"""A caller's use as `callers.lua` tells it; instants are seconds from the moment of the answer."""


class CallerMirror:
    """Allowances whose use is not counted here but taken in from Redis."""

    def __init__(self, clock: Clock) -> None:
        """Know nobody yet."""
        self._clock = clock
        self.known: Mapping[str, Allowance] = {}
        """What is taken in is put into these; before, they know what the journal has charged them with."""
        self.due: set[str] = set()
        """Whose use is to be asked for with the next look."""

    def start_over(self) -> None:
        """Ask for everybody's use with the next look: another Redis may tell something else."""
        self.due = {caller for caller, allowance in self.known.items() if allowance.is_shared}

    def take_in(self, scopes: Sequence[str], views: Iterable[View], at: float) -> None:
        """Replace what is known of these callers by what was told at an instant of the monotonic clock."""
        for caller, view in zip(scopes, views, strict=True):
            if allowance := self.known.get(caller):  # whom newer settings may not name any more
                self._take_in(allowance, view, at)

    def _take_in(self, allowance: Allowance, view: View, at: float) -> None:
        if allowance.requests:
            _hear(allowance.requests, view["requests"], 0, at)
        if allowance.tokens:
            _hear(allowance.tokens, view["tokens"], int(view["held_tokens"]), at)
        now = self._clock.now()
        told, begun = view["terms"], begins(now)
        for purse in allowance.purses:
            purse.renew(now)
            purse.held = dollars(view["held_usd"])
            if told[purse.term] == begun[purse.term]:  # else it was asked before midnight, or told late
                purse.spent = dollars(view[purse.term])


def _hear(window: Window, bins: Sequence[float], held: int, at: float) -> None:
    """Make a window remember what was heard of its past, and of what is held in it."""
    window.past.hear((at + bins[index], int(bins[index + 1])) for index in range(0, len(bins), 2))
    window.held, window.held_amount = {0: Held(since=at, amount=held)}, held
