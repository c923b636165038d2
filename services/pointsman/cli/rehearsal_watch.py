"""Who was passed over in a rehearsal, and which limit was behind it."""

from typing import Final

from pointsman.cli.rehearsal_tally import Bound, Tally
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Skip, SkipReason
from pointsman.executor.ledger.port import Ledger
from pointsman.executor.quota import Estimate

LOOK_EVERY_S: Final = 20.0
"""How often it is looked which of its limits keeps a candidate from being called; to look costs more than to skip."""

FULL: Final = frozenset({SkipReason.OUT_OF_QUOTA, SkipReason.OUT_OF_CONCURRENCY, SkipReason.REQUEST_EXCEEDS_QUOTA})
"""Skips that a limit explains."""


class Watch:
    """Counts skips once a request, and the limits behind them once a minute."""

    def __init__(self, tally: Tally, ledger: Ledger) -> None:
        """Begin with nothing seen."""
        self._tally = tally
        self._ledger = ledger
        self._looked: dict[tuple[str, SkipReason], int] = {}
        self._bound_in: dict[Bound, int] = {}

    def note(
        self, noted: set[tuple[str, SkipReason]], candidate: Candidate, estimate: Estimate, skip: Skip, now: float
    ) -> None:
        """Count a skip unless it is among those `noted` of its request."""
        key = candidate.id, skip.reason
        if key not in noted:
            noted.add(key)
            self._tally.lines[candidate.id].skipped[skip.reason] += 1
        look = int(now // LOOK_EVERY_S)
        if skip.reason in FULL and self._looked.get(key) != look:
            self._looked[key] = look
            self._bind(candidate, estimate, int(now // 60))

    def _bind(self, candidate: Candidate, estimate: Estimate, minute: int) -> None:
        for window in self._ledger.windows(candidate):
            if window.remaining < estimate.amount(window.unit):
                bound = Bound(window.scope, window.unit, window.period_s or 0.0, window.limit)
                if self._bound_in.get(bound) != minute:
                    self._bound_in[bound] = minute
                    self._tally.bind(bound, minute)
