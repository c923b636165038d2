"""What the preferred model's provider allows, how it counts, and what it says of it: the limits of the waste matrix."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from pointsman.cli.simulated import over, without_limits
from pointsman.config import Settings, load
from pointsman.config.settings import CandidateSettings, JournalSettings, PoolSettings
from pointsman.domain.pool import Unit
from pointsman.simulator import scenarios
from pointsman.simulator.scenario import (
    Algorithm,
    LatencyProfile,
    LimitProfile,
    ModelProfile,
    ProviderProfile,
    Scenario,
)

PER_MINUTE = 12
"""Requests a minute that the preferred model takes, whatever its limit counts."""

PER_DAY = 150
OFFSET_S = 17.0
"""How far the provider's minutes lie from ours."""

LONG_PROMPT_BYTES = 4_000
TOKENS_PER_MINUTE = 2_500 * PER_MINUTE
"""A long prompt is charged with some 2,500 tokens, its bound of output among them."""

CALLS_AT_ONCE = 2
SLOW = LatencyProfile(first_token_s=1.0, per_token_s=0.02)
"""A call takes some ten seconds: two at once are twelve a minute."""

PREFERRED, SECOND = "preferred", "second"
POOL = "quick"


class Says(StrEnum):
    """What the provider says of its limits."""

    ALL = "headers + Retry-After"
    HEADERS = "headers only"
    WAIT = "Retry-After only"
    NOTHING = "nothing"
    TEXT = "hint in the text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One account: how it counts and what it says.

    `note_bytes` is the median length of what is added to the prompts sent to it; `latency` is the model's when None.
    """

    counts: str
    says: Says
    kind: str
    limit: LimitProfile
    note_bytes: int = 0
    latency: LatencyProfile | None = None

    @property
    def name(self) -> str:
        """The words for people."""
        return f"{self.counts}, {self.says}"

    @property
    def is_stated(self) -> bool:
        """True when each answer says what is left."""
        return self.says in {Says.ALL, Says.HEADERS}

    @property
    def provider(self) -> ProviderProfile:
        """The account as it is simulated, with its one model."""
        return ProviderProfile(
            kind=self.kind,
            models=(self.model,),
            states_quota=self.is_stated,
            hints_wait=self.says in {Says.ALL, Says.WAIT, Says.TEXT},
            names_limit=self.says in {Says.ALL, Says.TEXT},
            counts_refused=self.kind == "openai",
            charges_requested_output=self.kind == "openai",
        )

    @property
    def model(self) -> ModelProfile:
        """The model that is preferred."""
        ready_made = next(model for kind, model in scenarios.BUSY_HOUR.models if kind == self.kind)
        return replace(ready_made, group="", limits=(self.limit,), latency=self.latency or ready_made.latency)


def _requests(algorithm: Algorithm) -> LimitProfile:
    return LimitProfile(unit=Unit.REQUESTS, amount=PER_MINUTE, algorithm=algorithm, offset_s=OFFSET_S)


_TOKENS = LimitProfile(unit=Unit.TOKENS, amount=TOKENS_PER_MINUTE)
_SLOTS = LimitProfile(unit=Unit.CONCURRENCY, amount=CALLS_AT_ONCE)
_UTC_DAY = LimitProfile(
    unit=Unit.REQUESTS, amount=PER_DAY, period_s=86_400.0, algorithm=Algorithm.FIXED_WINDOW, offset_s=8 * 3_600.0
)
_PACIFIC_DAY = LimitProfile(unit=Unit.REQUESTS, amount=PER_DAY, period_s=86_400.0, algorithm=Algorithm.PACIFIC_DAY)


def _all_terms() -> Iterator[Terms]:
    for counts, algorithm in (
        ("fixed minute", Algorithm.FIXED_WINDOW),
        ("sliding minute", Algorithm.SLIDING_WINDOW),
        ("token bucket", Algorithm.TOKEN_BUCKET),
    ):
        for says in (Says.ALL, Says.HEADERS, Says.WAIT, Says.NOTHING):
            yield Terms(counts=counts, says=says, kind="openai", limit=_requests(algorithm))
    for says in (Says.ALL, Says.HEADERS, Says.WAIT, Says.NOTHING):
        yield Terms(counts="tokens a minute", says=says, kind="openai", limit=_TOKENS, note_bytes=LONG_PROMPT_BYTES)
    yield Terms(counts="calls at once", says=Says.TEXT, kind="moonshot", limit=_SLOTS, latency=SLOW)
    yield Terms(counts="calls at once", says=Says.NOTHING, kind="deepseek", limit=_SLOTS, latency=SLOW)
    yield Terms(counts="requests a day", says=Says.ALL, kind="openai", limit=_UTC_DAY)
    yield Terms(counts="requests a day", says=Says.TEXT, kind="gemini", limit=_PACIFIC_DAY)
    yield Terms(counts="requests a day", says=Says.NOTHING, kind="openai", limit=_UTC_DAY)


TERMS = tuple(_all_terms())


def world(terms: Terms) -> Scenario:
    """Return the idea's topology: the preferred model under these terms, and a second one that is free."""
    free = next(provider for provider in scenarios.CALM.providers if provider.kind == "anthropic")
    second = next(model for model in free.models if model.id == "claude-haiku-5-5")
    return Scenario(providers=(terms.provider, replace(free, models=(replace(second, group=""),))))


def settings(terms: Terms, base_urls: dict[str, str], *, configured: bool) -> Settings:
    """Return settings with the two models in one pool; the limits are written down when `configured`."""
    scenario = world(terms)
    (kind, preferred), (second_kind, second) = scenario.models
    known = _reference().providers  # named after their wire formats
    plain = Settings(
        journal=JournalSettings(url=""),
        providers={each: known[each] for each in (kind, second_kind)},
        candidates={
            PREFERRED: CandidateSettings(provider=kind, model=preferred.id),
            SECOND: CandidateSettings(provider=second_kind, model=second.id),
        },
        pools={POOL: PoolSettings(candidates=(PREFERRED, SECOND))},
    )
    aimed = over(plain, scenario, base_urls)
    return aimed if configured else without_limits(aimed)


@cache
def _reference() -> Settings:
    return load(environ={})
