"""The port to what is known about capacity. `reserve` and `settle` are atomic; nothing else changes the ledger."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from pointsman.domain.answer import Usage
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome, Skip
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.quota import Estimate


@frozen
class Reservation:
    """Quota set aside for one call that leaves now; it ends with `settle`, whatever became of the call."""

    id: int
    candidate: Candidate
    estimate: Estimate
    left_at: float


@frozen
class Settlement:
    """What became of a call, as far as the ledger cares. `usage` is None when nothing is known to have been used."""

    outcome: Outcome
    usage: Usage | None = None
    stated: tuple[StatedQuota, ...] = ()
    retry_after_s: float | None = None
    was_familiar: bool = False
    """True for a refusal although as many calls had been let in before: then it is no limit of a minute."""
    out_until: datetime | None = None


@frozen
class WindowState:
    """One window as people see it. `period_s` is None for concurrency; `renews_at` is None when it is full."""

    scope: str
    unit: Unit
    period_s: float | None
    limit: int
    remaining: int
    reserved: int
    renews_at: datetime | None
    source: str


class Ledger(Protocol):
    """The only owner of what is known about provider capacity."""

    name: str
    """Where it is kept: "memory", "redis" or "redis-away"."""

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Count by the limits of these candidates from now on.

        What is known of scopes and used in windows stays so, and so do the calls under way, whoever made them.
        """

    def skip(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        """Return why the candidate could not be called now and until when, None when it could. Sets nothing aside."""

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        """Set quota aside for a call that leaves now, or return why not."""

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace what was set aside by what was used, and take in what the outcome teaches.

        Settling twice changes nothing.
        """

    def take_out(self, candidate: Candidate, cause: Outcome) -> None:
        """Leave the candidate out until `revive`: a free probe found that it cannot work."""

    def revive(self, candidate: Candidate) -> None:
        """Let one call try whether a candidate that was taken out works again."""

    def is_out(self, candidate: Candidate) -> Outcome | None:
        """Return why the candidate is out until a person acts or a free probe passes, None when it is not."""

    def is_told(self, candidate: Candidate) -> bool:
        """Return whether settings or the provider itself say how much it allows; else limits are found by trying."""

    def windows(self, candidate: Candidate) -> tuple[WindowState, ...]:
        """Return the windows that hold for the candidate and have a limit."""

    def in_flight(self, candidate: Candidate) -> int:
        """Return the number of calls under way."""

    def watch(self, changed: Callable[[str], None]) -> Callable[[], None]:
        """Call `changed` with the id of a candidate after each reserve and settle; return what ends this."""
