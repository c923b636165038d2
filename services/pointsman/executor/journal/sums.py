"""What a report is made of: sums of requests, and what stands beside them."""

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pointsman.domain.answer import Usage
from pointsman.domain.frozen import frozen
from pointsman.domain.trail import Outcome, SkipReason

CONFIDENCE_STEPS: Final = 10
"""Bars of the histogram of confidence, equally wide; the last one holds 1 too."""


class ReportBy(StrEnum):
    """How a report is grouped."""

    ALL = "all"
    CATEGORY = "category"
    CANDIDATE = "candidate"
    CALLER = "caller"
    DAY = "day"
    LABEL = "label"


class Hop(StrEnum):
    """A part of a request's way that takes time."""

    CLASSIFY = "classify"
    """The Router waits for the verdict."""
    SMALL_MODEL = "small_model"
    """The Classifier waits for the small local model."""
    EXECUTE = "execute"
    """From the arrival at the Executor to the end."""
    QUEUE = "queue"
    """From the arrival at the Executor until the first call leaves."""
    PROVIDER = "provider"
    """One call of a provider."""


@frozen
class Question:
    """What a report is to say. `since` is None for all that is kept; `with_details` adds what is beside the sums."""

    group_by: ReportBy = ReportBy.ALL
    since: datetime | None = None
    with_details: bool = False


@frozen
class Sums:
    """Sums of one group of requests; durations are in seconds, and 0 without requests.

    `unproductive_cost_usd` is what attempts without an answer cost. `simulated_…` is the part of requests for which a
    simulated provider was called. `sequential_…` is what sequential fallback would
    have done with the same requests.
    """

    key: str = ""
    requests: int = 0
    answered: int = 0
    answered_by_fallback: int = 0
    cancelled: int = 0
    partial: int = 0
    attempts: int = 0
    wasted: int = 0
    unproductive: int = 0
    skips: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal = Decimal(0)
    unproductive_cost_usd: Decimal = Decimal(0)
    attempts_without_price: int = 0
    mean_s: float = 0.0
    p95_s: float = 0.0
    sequential_attempts: int = 0
    sequential_cost_usd: Decimal = Decimal(0)
    simulated_requests: int = 0
    simulated_cost_usd: Decimal = Decimal(0)


@frozen
class HopTimes:
    """How long one hop took, in seconds."""

    hop: Hop
    count: int
    mean_s: float
    p95_s: float
    longest_s: float


@frozen
class Calls:
    """Attempts of one candidate that ended in one way."""

    candidate: str
    outcome: Outcome
    count: int
    cost_usd: Decimal


@frozen
class Skips:
    """How often one candidate was left out for one reason."""

    candidate: str
    reason: SkipReason
    count: int


@frozen
class Verdicts:
    """Requests of one category whose category was decided in one way; `decided_by` is empty when nobody ruled."""

    category: str
    decided_by: str
    count: int


@frozen
class Details:
    """What stands beside the sums.

    `confidence` counts verdicts that a classifier ruled, from unsure to sure in CONFIDENCE_STEPS equal steps.
    """

    hops: tuple[HopTimes, ...] = ()
    calls: tuple[Calls, ...] = ()
    skips: tuple[Skips, ...] = ()
    verdicts: tuple[Verdicts, ...] = ()
    confidence: tuple[int, ...] = ()


@frozen
class Report:
    """The sums of all requests, and of each group, the largest first. `first_at` is None when nothing is kept."""

    total: Sums
    groups: tuple[Sums, ...]
    first_at: datetime | None = None
    details: Details = field(default_factory=Details)
