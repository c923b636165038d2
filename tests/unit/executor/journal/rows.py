"""Rows as tests need them, and a store for them."""

from datetime import timedelta
from decimal import Decimal

from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Attempt, Outcome, Skip, Trail
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict
from pointsman.executor.journal.database import Database, Dialect
from pointsman.executor.journal.records import Recorder
from pointsman.executor.journal.row import Ending, Row, Ruling
from pointsman.executor.journal.sequential import SequentialFallback
from pointsman.executor.journal.sqlite import SqliteDialect
from tests.fakes.clock import START
from tests.unit.executor.making import attempt, candidate, prices, usage

A = candidate("a/m")
B = candidate("b/m")

ANSWERED = attempt(usage=usage(10, 5), cost_usd=Decimal("0.02"))
LIMITED = attempt("b/m", Outcome.RATE_LIMITED, wasted=True)
BROKEN = attempt("b/m", Outcome.SERVER_ERROR, usage=usage(3, 0))
FALLBACK = attempt("local/m", usage=usage(7, 7), cost_usd=Decimal(0), fallback=True)


def row(
    *steps: Attempt | Skip,
    answered: bool = True,
    ending: Ending | None = None,
    category: str = "quick",
    labels: tuple[tuple[str, str], ...] = (),
    day: float = 0,
    duration_s: float = 1.0,
    confidence: float | None = None,
) -> Row:
    """Return the row of a request whose last step answered it, unless it says otherwise."""
    last = steps[-1] if steps else None
    answered_by = last if answered and ending is None and isinstance(last, Attempt) else None
    verdict = None
    if confidence is not None:
        verdict = Verdict(
            category=category,
            confidence=confidence,
            decided_by=DecidedBy.EMBEDDED,
            model_hop=ModelHop.CONFIDENT,
            probabilities=((category, confidence),),
        )
    return Row(
        at=START + timedelta(days=day),
        category=category,
        trail=Trail(steps=[*steps]),
        answered_by=answered_by,
        ending=ending or (Ending.ANSWERED if answered_by else Ending.FAILED),
        duration_s=duration_s,
        labels=labels,
        ruling=Ruling(verdict=verdict, waited_s=None if verdict is None else 0.002),
        policy="ordered",
        settings_hash="0123456789ab",
    )


def recorder(*candidates: Candidate) -> Recorder:
    known = candidates or (A, B)
    credentials = frozenset(each.provider for each in known)
    return Recorder(SequentialFallback(known, prices(*known), credentials=credentials))


def database(dialect: Dialect | None = None) -> Database:
    return Database(dialect or SqliteDialect(None), recorder())
