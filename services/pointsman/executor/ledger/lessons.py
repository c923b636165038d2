"""What the end of a call says about capacity, read in one way by every home of the ledger. Pure."""

from datetime import UTC, datetime

from pointsman.domain.advice import GET_OLLAMA
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome, Skip
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.attempt import RULES
from pointsman.executor.ledger.port import Settlement
from pointsman.executor.quota import DAY_S, MINUTE_S, Estimate
from pointsman.executor.statement import FOREVER

LONG_RESET_S = 2 * MINUTE_S
"""A window that takes longer than this to fill is the day's, where the provider does not say which one it speaks of."""

MAYBE_RUN = frozenset(
    {
        Outcome.ANSWERED,
        Outcome.CONTENT_BLOCKED,
        Outcome.SERVER_ERROR,
        Outcome.TIMED_OUT,
        Outcome.NETWORK,
        Outcome.CANCELLED,
    }
)
"""Ends after which the provider may have generated, and counted, everything; the others are refusals at the door."""

OF_THE_MODEL = frozenset({Outcome.FORBIDDEN, Outcome.MODEL_NOT_FOUND, Outcome.CONTEXT_TOO_LONG})
"""Outcomes that say nothing of the other models under the same quota."""

NEVER = datetime.max.replace(tzinfo=UTC)


def used_by(estimate: Estimate, settlement: Settlement) -> Estimate:
    """Return what the call really used. One that broke may have run to its end over there, and counts as estimated.

    Of tokens together, the output that was asked for counts, however little was made: OpenAI and Moonshot charge it
    when a call arrives, and give nothing back (provider docs and SDKs, 2026-11).
    """
    usage = settlement.usage
    if usage is None and settlement.outcome in MAYBE_RUN:
        return estimate
    if usage is None:
        return Estimate(input_tokens=0, output_tokens=0, admitted_tokens=0)
    return Estimate(
        input_tokens=max(0, usage.input_tokens - usage.cached_input_tokens),
        output_tokens=usage.output_tokens,
        admitted_tokens=usage.input_tokens + max(usage.output_tokens, estimate.admitted_tokens - estimate.input_tokens),
    )


def scope_of(candidate: Candidate, outcome: Outcome) -> str:
    """Return the name of the scope that an outcome speaks of."""
    if RULES[outcome].account_wide:
        return candidate.scopes[0].name
    return candidate.scopes[-1].name if outcome in OF_THE_MODEL else candidate.quota_scope


def stated_period_s(stated: StatedQuota, full_in_s: float | None) -> float:
    """Return the period of the window that a provider speaks of, derived where it does not say."""
    if stated.unit is Unit.CONCURRENCY:
        return FOREVER
    if stated.period:
        return stated.period.total_seconds()
    return DAY_S if full_in_s is not None and full_in_s > LONG_RESET_S else MINUTE_S


def longer(one: Skip | None, other: Skip | None) -> Skip | None:
    """Return the skip that holds longer: longest what no waiting ends, then what only an event ends."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda skip: (not skip.waits, skip.ready_at is None, skip.ready_at or NEVER))


def how_to_run(candidate: Candidate, cause: Outcome | None) -> str:
    """Return what to do about a local model that is out."""
    if cause is Outcome.MODEL_NOT_FOUND:
        return f"Ollama does not have {candidate.model.id}; run `pointsman pull`"
    return f"Ollama does not answer; {GET_OLLAMA}; then run `pointsman pull`"
