"""What follows from the end of an attempt: one row an outcome, and nothing of it anywhere else."""

from enum import StrEnum

from pointsman.domain.frozen import frozen
from pointsman.domain.trail import Outcome


class Next(StrEnum):
    """Where the attempt loop goes."""

    STOP = "stop"
    CANDIDATE = "candidate"
    LARGER_CANDIDATE = "larger_candidate"


class Effect(StrEnum):
    """What the ledger keeps of it, beside the settled quota."""

    NONE = "none"
    CLOSE = "close"
    """It works: end a cooldown, ramp up."""
    COOL = "cool"
    """Leave it alone until the instant that was stated or derived."""
    COOL_DAY = "cool_day"
    """Leave it alone until the day's quota renews."""
    NARROW = "narrow"
    """Allow fewer calls at once."""
    BREAK = "break"
    """Count towards the breaker; a hinted wait holds at once."""
    TAKE_OUT = "take_out"
    """Out until a person acts or a free probe passes."""
    REMEMBER_SIZE = "remember_size"
    """Do not send a request of this size again."""


@frozen
class Rule:
    """One row: `account_wide` says that the effect holds for every model of the provider account."""

    next: Next
    effect: Effect
    wasted: bool = False
    unproductive: bool = False
    account_wide: bool = False


RULES: dict[Outcome, Rule] = {
    Outcome.ANSWERED: Rule(next=Next.STOP, effect=Effect.CLOSE),
    Outcome.RATE_LIMITED: Rule(next=Next.CANDIDATE, effect=Effect.COOL, wasted=True),
    Outcome.CONCURRENCY_LIMITED: Rule(next=Next.CANDIDATE, effect=Effect.NARROW, wasted=True),
    Outcome.DAILY_QUOTA: Rule(next=Next.CANDIDATE, effect=Effect.COOL_DAY, wasted=True),
    Outcome.BILLING: Rule(next=Next.CANDIDATE, effect=Effect.TAKE_OUT, unproductive=True, account_wide=True),
    Outcome.UNAUTHORIZED: Rule(next=Next.CANDIDATE, effect=Effect.TAKE_OUT, unproductive=True, account_wide=True),
    Outcome.FORBIDDEN: Rule(next=Next.CANDIDATE, effect=Effect.TAKE_OUT, unproductive=True),
    Outcome.MODEL_NOT_FOUND: Rule(next=Next.CANDIDATE, effect=Effect.TAKE_OUT, unproductive=True),
    Outcome.OVERLOADED: Rule(next=Next.CANDIDATE, effect=Effect.BREAK, unproductive=True),
    Outcome.SERVER_ERROR: Rule(next=Next.CANDIDATE, effect=Effect.BREAK, unproductive=True),
    Outcome.TIMED_OUT: Rule(next=Next.CANDIDATE, effect=Effect.BREAK, unproductive=True),
    Outcome.NETWORK: Rule(next=Next.CANDIDATE, effect=Effect.BREAK, unproductive=True),
    Outcome.CONTEXT_TOO_LONG: Rule(next=Next.LARGER_CANDIDATE, effect=Effect.REMEMBER_SIZE, unproductive=True),
    Outcome.REQUEST_EXCEEDS_QUOTA: Rule(next=Next.LARGER_CANDIDATE, effect=Effect.REMEMBER_SIZE, unproductive=True),
    Outcome.CONTENT_BLOCKED: Rule(next=Next.STOP, effect=Effect.CLOSE),
    Outcome.INVALID_REQUEST: Rule(next=Next.STOP, effect=Effect.NONE, unproductive=True),
    Outcome.CANCELLED: Rule(next=Next.STOP, effect=Effect.NONE, unproductive=True),
}
