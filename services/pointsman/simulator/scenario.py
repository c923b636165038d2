"""What is simulated: providers, their models, limits, speed and prices. Plain values; nothing here runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from pointsman.domain.pool import Unit
from pointsman.simulator.faults import ScriptedFault

_DAY_S = 86_400.0
_SATURDAY = 5


class Algorithm(StrEnum):
    """How a provider counts."""

    FIXED_WINDOW = "fixed_window"
    SLIDING_WINDOW = "sliding_window"
    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - a name of an algorithm, not a secret
    PACIFIC_DAY = "pacific_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitProfile:
    """At most `amount` of `unit` in `period_s` seconds.

    `offset_s` shifts the borders of a fixed window from the full minute, hour or day of UTC. `burst` is the size of a
    token bucket; None means `amount`. Concurrency has neither period nor algorithm.
    """

    unit: Unit
    amount: int
    period_s: float = 60.0
    algorithm: Algorithm = Algorithm.TOKEN_BUCKET
    offset_s: float = 0.0
    burst: int | None = None

    @property
    def is_daily(self) -> bool:
        """True when waiting for it means waiting for another day."""
        return self.period_s >= _DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyProfile:
    """How long a model takes: a log-normal time to the first token (`spread` is its sigma), then a time for each token.

    `rejection_s` is the median time that a refusal takes.
    """

    first_token_s: float = 0.5
    spread: float = 0.25
    per_token_s: float = 0.004
    rejection_s: float = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakHours:
    """Spans of whole hours of UTC, from Monday to Friday, that cost the full price; all others cost a share of it."""

    spans: tuple[tuple[int, int], ...]
    share_outside: Decimal

    def share_at(self, now: float) -> Decimal:
        """Return which share of the price is asked of a request that comes in at `now`, in seconds since 1970."""
        at = datetime.fromtimestamp(now, UTC)
        is_peak = at.weekday() < _SATURDAY and any(start <= at.hour < end for start, end in self.spans)
        return Decimal(1) if is_peak else self.share_outside


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """One model: what it can do, what it says, how fast, under which limits, at which price.

    `output_tokens` and `reasoning_tokens` are medians. Models with the same `group` share their limits; an empty group
    means alone. `cached_share` is the part of each prompt that comes from the provider's cache. `always_reasons` models
    refuse sampling parameters. `max_plain_output_tokens` is the ceiling of an answer that is not streamed, where that
    is lower. Without `peak_hours` it costs the same at every hour.
    """

    id: str
    output_tokens: int = 200
    reasoning_tokens: int = 0
    context_tokens: int = 1_000_000
    max_input_tokens: int = 1_000_000
    max_output_tokens: int = 128_000
    max_plain_output_tokens: int | None = None
    sees_images: bool = True
    always_reasons: bool = True
    group: str = ""
    limits: tuple[LimitProfile, ...] = ()
    latency: LatencyProfile = field(default_factory=LatencyProfile)
    cached_share: float = 0.0
    usd_per_mtok_input: Decimal = Decimal(0)
    usd_per_mtok_cached_input: Decimal = Decimal(0)
    usd_per_mtok_output: Decimal = Decimal(0)
    peak_hours: PeakHours | None = None

    def price_share(self, now: float) -> Decimal:
        """Return which share of its prices a request costs that comes in at `now`, in seconds since 1970."""
        return self.peak_hours.share_at(now) if self.peak_hours else Decimal(1)

    def cached_tokens(self, input_tokens: int) -> int:
        """Return how many of these come from the cache."""
        return int(input_tokens * self.cached_share)

    @property
    def limit_scope(self) -> str:
        """The name under which its limits are counted."""
        return f"group:{self.group}" if self.group else f"model:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderProfile:
    """One account at one provider of `kind` (openai, anthropic, gemini, deepseek, moonshot).

    `keys` are the good keys; empty accepts any that is not empty. `limits` hold for the whole account. `states_quota`
    sends the quota headers of dialects that have them, `hints_wait` says how long to wait in refusals, `names_limit`
    which limit it was (OpenAI and its kin; where it is off, every minute's limit looks the same).
    `counts_refused` lets refused requests use up the request limit, as OpenAI does. `charges_requested_output` counts
    the asked-for output against token limits at admission. `balance_usd` is the prepaid money; None never runs out.
    """

    kind: str
    models: tuple[ModelProfile, ...]
    keys: tuple[str, ...] = ()
    limits: tuple[LimitProfile, ...] = ()
    states_quota: bool = True
    hints_wait: bool = True
    names_limit: bool = True
    counts_refused: bool = False
    charges_requested_output: bool = False
    balance_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelProfile:
    """One model of the simulated Ollama; `is_pulled` models are on the disk. Speeds are tokens a second."""

    id: str
    size_bytes: int
    parameter_size: str
    quantization: str
    output_tokens: int = 150
    load_s: float = 4.0
    prompt_tokens_per_s: float = 1_170.0
    output_tokens_per_s: float = 100.0
    is_pulled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProfile:
    """One simulated Ollama server. `parallel` is OLLAMA_NUM_PARALLEL, `max_queue` OLLAMA_MAX_QUEUE.

    `has_logprobs` off is a server older than v0.12.11. `pull_s` is how long a pull takes.
    """

    models: tuple[LocalModelProfile, ...] = ()
    version: str = "0.33.0"
    parallel: int = 2
    max_queue: int = 512
    max_loaded: int = 2
    has_logprobs: bool = True
    pull_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The whole outside world of Pointsman, and the faults that are to happen in it."""

    providers: tuple[ProviderProfile, ...] = ()
    local: LocalProfile = field(default_factory=LocalProfile)
    faults: tuple[ScriptedFault, ...] = ()

    @property
    def models(self) -> Iterator[tuple[str, ModelProfile]]:
        """Every model with the kind of its provider."""
        return ((provider.kind, model) for provider in self.providers for model in provider.models)

    def without_waiting(self) -> "Scenario":
        """Return the same world in which everything happens at once, for tests that are not about time."""
        at_once = LatencyProfile(first_token_s=0.0, spread=0.0, per_token_s=0.0, rejection_s=0.0)
        local = (
            replace(model, load_s=0.0, prompt_tokens_per_s=1e12, output_tokens_per_s=1e12)
            for model in self.local.models
        )
        return replace(
            self,
            providers=tuple(
                replace(provider, models=tuple(replace(model, latency=at_once) for model in provider.models))
                for provider in self.providers
            ),
            local=replace(self.local, pull_s=0.0, models=tuple(local)),
        )

    def without_limits(self) -> "Scenario":
        """Return the same world in which no provider limits anything."""
        return replace(
            self,
            providers=tuple(
                replace(provider, limits=(), models=tuple(replace(model, limits=()) for model in provider.models))
                for provider in self.providers
            ),
        )
