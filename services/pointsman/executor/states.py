"""What is known about each candidate at this moment, for people and dashboards."""

from collections.abc import Container, Iterable, Mapping
from datetime import date

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.trail import Skip, SkipReason
from pointsman.executor.journal.journal import Journal
from pointsman.executor.ledger.port import Ledger, WindowState
from pointsman.executor.quota import Estimate

SMALL_CALL = Estimate(input_tokens=1, output_tokens=1, admitted_tokens=2)
"""What "ready" means in a list: a call as small as can be could leave."""


@frozen
class CandidateState:
    """One candidate; `blocked` is None when a small call could leave now."""

    candidate: Candidate
    categories: tuple[str, ...]
    fallback: bool
    blocked: Skip | None
    windows: tuple[WindowState, ...]
    in_flight: int
    wasted_today: int


def states(
    candidates: Iterable[Candidate],
    pools: Mapping[str, Pool],
    *,
    fallback_id: str,
    credentials: Container[str],
    ledger: Ledger,
    journal: Journal,
    today: date,
) -> list[CandidateState]:
    """Return the state of each candidate, in the given order; `today` is a day of UTC."""
    return [
        CandidateState(
            candidate=candidate,
            categories=tuple(name for name, pool in pools.items() if candidate in pool.candidates),
            fallback=candidate.id == fallback_id,
            blocked=_blocked(candidate, credentials, ledger),
            windows=ledger.windows(candidate),
            in_flight=ledger.in_flight(candidate),
            wasted_today=journal.wasted_on(today, candidate.id),
        )
        for candidate in candidates
    ]


def _blocked(candidate: Candidate, credentials: Container[str], ledger: Ledger) -> Skip | None:
    if candidate.provider not in credentials:
        return Skip(candidate=candidate.id, reason=SkipReason.NO_CREDENTIALS, detail=candidate.key_advice)
    return ledger.skip(candidate, SMALL_CALL)
