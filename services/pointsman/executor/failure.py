"""Which error a request ends with that nobody answered. Pure: read off the trail."""

from pointsman.domain.errors import (
    CallerOverBudget,
    CallerOverRate,
    CandidatesForbidden,
    InvalidRequest,
    Missing,
    NoAnswer,
    NoCredentials,
    OutOfTime,
    PointsmanError,
    PoolExhausted,
    Violation,
)
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.executor.attempt import RULES

UNABLE = frozenset(
    {
        SkipReason.NO_IMAGES,
        SkipReason.NO_IMAGE_URLS,
        SkipReason.NO_TOOLS,
        SkipReason.NO_JSON_SCHEMA,
        SkipReason.CONTEXT_TOO_SMALL,
        SkipReason.OUTPUT_TOO_SMALL,
        SkipReason.REQUEST_EXCEEDS_QUOTA,
        SkipReason.NOT_LOCAL,
        SkipReason.TOO_EXPENSIVE,
        SkipReason.NOT_ALLOWED,
    }
)
"""Reasons that lie in the request and in who makes it: the same request will never be served."""

CALLERS_OWN = {SkipReason.CALLER_OVER_RATE: CallerOverRate, SkipReason.CALLER_OVER_BUDGET: CallerOverBudget}
"""Reasons that lie in what the caller has used, and what to say when nothing else stands in the way."""

UNEQUIPPED = frozenset({SkipReason.NO_CREDENTIALS, SkipReason.NOT_RUNNING})
"""Reasons that lie in the installation: something was never set up."""

NEVER_SET_UP = frozenset({Outcome.NETWORK, Outcome.MODEL_NOT_FOUND})
"""Ends of a local attempt that mean the same: Ollama does not run, or does not have the model."""


def failure(trail: Trail, *, is_late: bool = False) -> PointsmanError:
    """Return the error of a request whose trail ends without an answer; `is_late` when its deadline has come."""
    steps = trail.steps
    if any(isinstance(step, Attempt) and step.outcome is Outcome.INVALID_REQUEST for step in steps):
        return _rejected(trail)
    if steps and all(isinstance(step, Skip) and step.reason is SkipReason.NOT_ALLOWED for step in steps):
        names = ", ".join(step.candidate for step in steps)
        return CandidatesForbidden(f"the caller may use none of {names}, and no other could answer", trail=trail)
    if all(_is_unequipped(step) or _is_unable(step) for step in steps):
        return _never(trail)
    if all(_is_callers_own(step) or _is_unequipped(step) or _is_unable(step) for step in steps):
        return _over_limit(trail)
    if any(map(_passes, steps)) and all(isinstance(step, Skip) or _passes(step) for step in steps):
        message = "no candidate is free, and no local model can answer; try again when the first quota renews"
        return PoolExhausted(message, trail=trail, ready_at=trail.ready_at)
    tried = sum(1 for _ in trail.attempts)
    if is_late or any(isinstance(step, Skip) and step.reason is SkipReason.NO_TIME for step in steps):
        whom = "another" if tried else "any"
        message = f"the deadline leaves too little time for {whom} candidate; allow more, or ask for less"
        return OutOfTime(message, trail=trail)
    message = f"no answer: {tried} tried and failed, {len(steps) - tried} left out; the trail says why"
    return NoAnswer(message, trail=trail, ready_at=trail.ready_at)


def _passes(step: Skip | Attempt) -> bool:
    """Return whether waiting helps: a quota that is used up renews."""
    return step.waits if isinstance(step, Skip) else RULES[step.outcome].wasted


def _is_unequipped(step: Skip | Attempt) -> bool:
    if isinstance(step, Skip):
        return step.reason in UNEQUIPPED
    return step.local and step.outcome in NEVER_SET_UP


def _is_unable(step: Skip | Attempt) -> bool:
    return isinstance(step, Skip) and step.reason in UNABLE


def _is_callers_own(step: Skip | Attempt) -> bool:
    return isinstance(step, Skip) and step.reason in CALLERS_OWN


def _over_limit(trail: Trail) -> PointsmanError:
    """Return the error of the limit that ends first, which is the one to wait for."""
    own = [skip for skip in trail.skips if _is_callers_own(skip)]
    first = min(own, key=lambda skip: (skip.ready_at is None, skip.ready_at or 0))
    why = "; ".join(f"{skip.candidate}: {skip.detail}" for skip in own)
    message = f"the caller's limits leave no candidate: {why}. Come back later, or ask for fewer output tokens"
    return CALLERS_OWN[first.reason](message, trail=trail, ready_at=first.ready_at)


def _never(trail: Trail) -> PointsmanError:
    missing = tuple(_missing(step) for step in trail.steps if _is_unequipped(step))
    if missing:
        what = "; ".join(f"{each.subject}: {each.advice}" for each in missing)
        return NoCredentials(
            f"no model can be used yet: {what}. `pointsman doctor` shows every step", missing=missing, trail=trail
        )
    why = "; ".join(f"{skip.candidate}: {skip.detail}" for skip in trail.skips)
    violation = Violation(
        field="messages", reason="NO_CANDIDATE_ABLE", message=f"no candidate of the pool can serve this request: {why}"
    )
    return InvalidRequest(violation, trail=trail)


def _missing(step: Skip | Attempt) -> Missing:
    reason = step.reason if isinstance(step, Skip) else step.outcome
    return Missing(subject=step.candidate, reason=reason.name, advice=_advice(step))


def _advice(step: Skip | Attempt) -> str:
    if isinstance(step, Attempt) and step.outcome is Outcome.MODEL_NOT_FOUND:
        return "Ollama does not have the model; run `pointsman pull`"
    if isinstance(step, Attempt):
        return "Ollama does not answer; start it, then run `pointsman pull`"
    return step.detail


def _rejected(trail: Trail) -> PointsmanError:
    last = next(attempt for attempt in trail.attempts if attempt.outcome is Outcome.INVALID_REQUEST)
    message = f"{last.candidate} refused the request as malformed (HTTP {last.http_status}): {last.detail}"
    return InvalidRequest(Violation(field="messages", reason="REQUEST_REJECTED", message=message), trail=trail)
