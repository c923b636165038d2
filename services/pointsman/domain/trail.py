"""How an answer came about: the candidates left out and the calls made, in order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pointsman.domain.answer import Usage


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """A candidate left out; costs nothing. `ready_at` is None when time alone does not help."""

    candidate: str
    reason: SkipReason
    ready_at: datetime | None = None
    detail: str = ""

    @property
    def waits(self) -> bool:
        """True when time, or the end of another call, brings the candidate back without anybody's doing."""
        return self.ready_at is not None or self.reason in {SkipReason.COOLING, SkipReason.OUT_OF_CONCURRENCY}


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(slots=True)
class Trail:
    """Skips and attempts in the order in which they happened."""

    steps: list[Skip | Attempt] = field(default_factory=list)

    def add(self, step: Skip | Attempt) -> None:
        """Append what happened next."""
        self.steps.append(step)

    @property
    def attempts(self) -> Iterator[Attempt]:
        """The attempts alone, in order."""
        return (step for step in self.steps if isinstance(step, Attempt))

    @property
    def skips(self) -> Iterator[Skip]:
        """The skips alone, in order."""
        return (step for step in self.steps if isinstance(step, Skip))

    @property
    def usage(self) -> Usage:
        """The sum of what all attempts used."""
        return sum((attempt.usage for attempt in self.attempts if attempt.usage), Usage())

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
        """The earliest instant at which a skipped candidate can be called again."""
        return min((skip.ready_at for skip in self.skips if skip.ready_at), default=None)
