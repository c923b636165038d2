"""What is written down of one request that ended. Holds no prompt and no answer unless the settings want their text."""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pointsman.domain.frozen import frozen
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Trail
from pointsman.domain.verdict import DegradedReason, Verdict

CALLER_LABEL: Final = "caller"
"""The label by which callers name themselves where nobody asks them for a key."""


class Ending(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    PARTIAL = "partial"
    """A stream that broke after its first content."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The caller went away."""


@frozen
class Ruling:
    """Why the request is of its category.

    `verdict` is None when nobody ruled. `waited_s` is how long the Router waited for it; None when it asked nobody.
    """

    verdict: Verdict | None = None
    waited_s: float | None = None


NO_RULING: Final = Ruling()


@frozen
class Needs:
    """What a candidate must be able to do for the request."""

    images: bool = False
    image_urls: bool = False
    tools: bool = False
    json_schema: bool = False
    local_only: bool = False


@frozen
class Row:
    """One request that ended.

    `answered_by` is None when nobody answered, or not to the end. `reason` is that of the error that the caller got.
    `asked_by` is whose key came with it; empty where nobody is asked. `first_token_s` counts from the arrival of the
    request; None when it was not streamed or had no content.
    """

    at: datetime
    category: str
    trail: Trail
    answered_by: Attempt | None
    ending: Ending
    duration_s: float
    reason: str = ""
    first_token_s: float | None = None
    request_id: str = ""
    session_id: str = ""
    trace_id: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    asked_by: str = ""
    ruling: Ruling = NO_RULING
    policy: str = ""
    settings_hash: str = ""
    degraded: tuple[DegradedReason, ...] = ()
    needs: Needs = field(default_factory=Needs)
    prompt: str = ""
    answer: str = ""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The calls that left for providers, in order."""
        return self.trail.attempts

    @property
    def caller(self) -> str:
        """Who asked, by the key, else as the caller says; empty when it does not."""
        return self.asked_by or next((value for name, value in self.labels if name == CALLER_LABEL), "")

    @property
    def known_cost_usd(self) -> Decimal:
        """The sum of what its attempts cost, as far as that is known."""
        return sum((attempt.cost_usd or Decimal(0) for attempt in self.trail.attempts), Decimal(0))


def needs_of(request: Request) -> Needs:
    """Return what a candidate must be able to do for a request."""
    prompt, options = request.prompt, request.options
    return Needs(
        images=prompt.has_image,
        image_urls=prompt.has_image_url,
        tools=bool(options.tools),
        json_schema=bool(options.json_schema),
        local_only=options.local_only,
    )
