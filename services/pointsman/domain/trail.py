"""How an answer came about: the candidates left out and the calls made, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from pointsman.domain.answer import Usage
from pointsman.domain.frozen import frozen


class Outcome(StrEnum):
    """How an attempt ended; what follows from each one stands in `executor/attempt.py`."""

    ANSWERED = "answered"
    RATE_LIMITED = "rate_limited"
    CONCURRENCY_LIMITED = "concurrency_limited"
    DAILY_QUOTA = "daily_quota"
    BILLING = "billing"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMED_OUT = "timed_out"
    NETWORK = "network"
    CONTEXT_TOO_LONG = "context_too_long"
    REQUEST_EXCEEDS_QUOTA = "request_exceeds_quota"
    CONTENT_BLOCKED = "content_blocked"
    INVALID_REQUEST = "invalid_request"
    CANCELLED = "cancelled"


class SkipReason(StrEnum):
    """Why a candidate was left out."""

    NO_CREDENTIALS = "no_credentials"
    NO_IMAGES = "no_images"
    NO_IMAGE_URLS = "no_image_urls"
    NO_TOOLS = "no_tools"
    NO_JSON_SCHEMA = "no_json_schema"
    CONTEXT_TOO_SMALL = "context_too_small"
    OUTPUT_TOO_SMALL = "output_too_small"
    REQUEST_EXCEEDS_QUOTA = "request_exceeds_quota"
    NOT_LOCAL = "not_local"
    COOLING = "cooling"
    OUT_OF_QUOTA = "out_of_quota"
    OUT_OF_CONCURRENCY = "out_of_concurrency"
    OUT_OF_SERVICE = "out_of_service"
    TOO_EXPENSIVE = "too_expensive"
    NO_TIME = "no_time"
    ATTEMPTS_SPENT = "attempts_spent"
    NOT_RUNNING = "not_running"
    NOT_ALLOWED = "not_allowed"
    CALLER_OVER_RATE = "caller_over_rate"
    CALLER_OVER_BUDGET = "caller_over_budget"


WAITING = frozenset({SkipReason.COOLING, SkipReason.OUT_OF_QUOTA, SkipReason.OUT_OF_CONCURRENCY})
"""Reasons that pass by themselves, even where nobody can say when."""


@frozen
class Skip:
    """A candidate left out; costs nothing. `ready_at` is None when time alone does not help."""

    candidate: str
    reason: SkipReason
    ready_at: datetime | None = None
    detail: str = ""

    @property
    def waits(self) -> bool:
        """True when time, or the end of another call, brings the candidate back without anybody's doing."""
        return self.ready_at is not None or self.reason in WAITING


@frozen
class Attempt:
    """One call that left for a provider.

    `usage` is None when nothing is known to have been used; `cost_usd` is None when the price is unknown, never 0 for
    unknown. `retry_after_s` is what the provider asked for. `detail` is our own sentence, never the provider's text.
    """

    candidate: str
    outcome: Outcome
    started_at: datetime
    duration_s: float
    time_to_first_token_s: float | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    wasted: bool = False
    local: bool = False
    fallback: bool = False
    simulated: bool = False
    provider_request_id: str = ""
    http_status: int = 0
    detail: str = ""
    retry_after_s: float | None = None
    price_version: str = ""
    ignored_options: tuple[str, ...] = ()

    @property
    def ready_at(self) -> datetime | None:
        """When the wait that the provider asked for is over; None when it asked for none."""
        if self.retry_after_s is None:
            return None
        return self.started_at + timedelta(seconds=self.duration_s + self.retry_after_s)


@dataclass(slots=True)
class Trail:
    """Skips and attempts in the order in which they happened."""

    steps: list[Skip | Attempt] = field(default_factory=list)

    def add(self, step: Skip | Attempt) -> None:
        """Append what happened next."""
        self.steps.append(step)

    def knows(self, skip: Skip) -> bool:
        """Return whether the same candidate was left out for the same reason before."""
        return any(known.candidate == skip.candidate and known.reason is skip.reason for known in self.skips)

    @property
    def tried(self) -> frozenset[str]:
        """The ids of the candidates that were called."""
        return frozenset([step.candidate for step in self.steps if isinstance(step, Attempt)])

    def attempt_of(self, candidate_id: str) -> Attempt | None:
        """Return the latest call of a candidate, None when there was none."""
        return next((each for each in reversed(self.attempts) if each.candidate == candidate_id), None)

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts alone, in order."""
        return [step for step in self.steps if isinstance(step, Attempt)]

    @property
    def skips(self) -> Sequence[Skip]:
        """The skips alone, in order."""
        return [step for step in self.steps if isinstance(step, Skip)]

    @property
    def usage(self) -> Usage:
        """The sum of what all attempts used."""
        used = [attempt.usage for attempt in self.attempts if attempt.usage]
        return sum(used[1:], used[0]) if used else Usage()

    @property
    def cost_usd(self) -> Decimal | None:
        """The sum of what all attempts cost; None when a price of one that used tokens is unknown."""
        total = Decimal(0)
        for attempt in self.attempts:
            if attempt.cost_usd is not None:
                total += attempt.cost_usd
            elif attempt.usage is not None:
                return None
        return total

    @property
    def ready_at(self) -> datetime | None:
        """The earliest instant at which one of the candidates can be called again; None when nobody can say."""
        return min((step.ready_at for step in self.steps if step.ready_at), default=None)
