"""Who can answer: models, the candidates made of them, and the ordered pools of the categories."""

import math
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from pointsman.domain.frozen import frozen


class Unit(StrEnum):
    """What a quota counts. `TOKENS` is input and output together."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"
    CONCURRENCY = "concurrency"


class Algorithm(StrEnum):
    """How a provider counts.

    A sliding window holds what was used in the period that ends now. A fixed one begins anew at the end of each period.
    A token bucket of the size of the limit gives back all the time, in each period as much as the limit.
    """

    SLIDING_WINDOW = "sliding_window"
    FIXED_WINDOW = "fixed_window"
    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - a name of an algorithm, not a secret


@frozen
class Limit:
    """At most `amount` of `unit` in any `period`; the period is None for concurrency.

    `algorithm` is None where nobody said; then we count so that none of them is exceeded, as a sliding window does.
    `offset` is how long after the full minute of UTC a fixed window begins. A day ends at midnight Pacific in any case.
    """

    unit: Unit
    amount: int
    period: timedelta | None
    algorithm: Algorithm | None = None
    offset: timedelta = timedelta()


@frozen
class Scope:
    """Whose limits these are: "provider:openai", "group:claude-sonnet" or "model:openai/gpt-4"."""

    name: str
    limits: tuple[Limit, ...]


@frozen
class Model:
    """What one model at one provider can do. Token counts are ceilings."""

    id: str
    context_tokens: int
    max_input_tokens: int
    max_output_tokens: int
    sees_images: bool
    takes_image_urls: bool
    takes_tools: bool
    follows_json_schema: bool
    accepts_temperature: bool
    accepts_stop: bool


@frozen
class TimeLimits:
    """How long one call of a candidate may take, in seconds; infinity where there is no limit.

    `connect_s` is for a new connection and `attempt_s` for a whole answer. A stream has `first_token_s` until its first
    content, `idle_s` between two arrivals of anything, and `stream_s` in all.
    """

    connect_s: float = math.inf
    attempt_s: float = math.inf
    first_token_s: float = math.inf
    idle_s: float = math.inf
    stream_s: float = math.inf


@frozen
class Candidate:
    """One model at one provider, with the limits that hold for it.

    `scopes` go from the widest (the provider account) to the narrowest (the model); `quota_scope` names the one that
    the provider's own statements and rate limits speak of. `effort` is the provider's own word for how hard to think,
    or empty for its default. `default_output_tokens` is asked for when the caller named no bound. `api_key_env`
    names the variable that holds the key, or the file; it is empty when no key is needed.
    """

    id: str
    provider: str
    model: Model
    local: bool
    api_key_env: str
    scopes: tuple[Scope, ...]
    quota_scope: str
    default_output_tokens: int
    effort: str = ""
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    key_advice: str = ""
    """What to do when the key is missing; empty when none is needed."""

    @property
    def limits(self) -> tuple[tuple[str, Limit], ...]:
        """Every limit with the name of its scope, widest scope first."""
        return tuple((scope.name, limit) for scope in self.scopes for limit in scope.limits)


class Policy(StrEnum):
    """How the ready candidates of a pool are put in order."""

    ORDERED = "ordered"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


@frozen
class Pool:
    """The candidates of a category, preferred first.

    A preferred candidate that is ready within `patience` is waited for.
    """

    category: str
    candidates: tuple[Candidate, ...]
    policy: Policy = Policy.ORDERED
    patience: timedelta = field(default_factory=timedelta)
