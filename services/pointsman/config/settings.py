"""The tree of settings: every key, its type, default, unit and range. `deploy/pointsman.toml` shows each one in use."""

from dataclasses import dataclass, field
from typing import Annotated, Literal


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, both included."""

    low: float
    high: float


Seconds = Annotated[float, Range(0.0, 86_400.0)]
PositiveSeconds = Annotated[float, Range(0.001, 86_400.0)]
Count = Annotated[int, Range(0, 1_000_000_000)]
Positive = Annotated[int, Range(1, 1_000_000_000_000)]
Dollars = Annotated[float, Range(0.0, 1_000_000_000.0)]
Fraction = Annotated[float, Range(0.0, 1.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSettings:
    """What one request may weigh, and all of them together."""

    text_bytes: Positive = 4_000_000
    image_bytes: Positive = 10_000_000
    images: Count = 20
    message_bytes: Positive = 33_554_432
    metadata_bytes: Annotated[int, Range(1_024, 1_048_576)] = 16_384
    concurrent_calls: Positive = 1_024
    bytes_in_flight: Positive = 134_217_728


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Encryption between services and with callers; all paths are of PEM files. Without a certificate: plaintext.

    `authority` signed the certificates of our services, which ask each other for them; `caller_authority` those of
    callers, who then need one.
    """

    certificate: str = ""
    key: str = ""
    authority: str = ""
    caller_authority: str = ""
    plaintext_on_open_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings:
    """What one caller may ask for, use and spend. Empty lists: everything; None: no bound.

    `certificate` is a name of the certificate that it shows instead of a key; empty for none. Days and months are those
    of UTC.
    """

    certificate: str = ""
    categories: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    usd_per_day: Dollars | None = None
    usd_per_month: Dollars | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """The public service. `keys` is the file of callers' keys; empty: nobody is asked for one."""

    address: str = "127.0.0.1:50051"
    classifier_address: str = "127.0.0.1:50052"
    executor_address: str = "127.0.0.1:50053"
    default_category: str = "reasoning"
    classifier_timeout_s: PositiveSeconds = 0.8
    default_deadline_s: PositiveSeconds = 120.0
    reply_reserve_s: Seconds = 0.05
    executor_patience_s: Seconds = 10.0
    keys: str = ""
    anybody_on_open_network: bool = False
    workers: Annotated[int, Range(1, 64)] = 1
    reflection: bool = True
    grace_s: Seconds = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaSettings:
    """The one call of the Classifier to the small local model."""

    url: str = "http://127.0.0.1:11434"
    model: str = "qwen2.5:1.5b-instruct"
    num_ctx: Positive = 4096
    timeout_s: PositiveSeconds = 0.4
    concurrency: Positive = 2
    preload_timeout_s: PositiveSeconds = 300.0
    min_coverage: Fraction = 0.5
    breaker_failures: Positive = 3
    breaker_cooldown_s: PositiveSeconds = 15.0
    recheck_s: PositiveSeconds = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySettings:
    """A category beside the five: what it is, for the small model to read, and prompts that belong to it."""

    description: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierSettings:
    """The service that rules on prompts."""

    address: str = "127.0.0.1:50052"
    mode: Literal["cascade", "ollama", "embedded"] = "cascade"
    accept_confidence: Fraction = 0.8
    model_weight: Fraction = 0.6
    cache_entries: Count = 10_000
    workers: Annotated[int, Range(1, 64)] = 1
    reflection: bool = True
    grace_s: Seconds = 5.0
    ollama: OllamaSettings = field(default_factory=OllamaSettings)
    categories: dict[str, CategorySettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """The service that owns pools, quotas and money."""

    address: str = "127.0.0.1:50053"
    default_deadline_s: PositiveSeconds = 120.0
    max_attempts: Annotated[int, Range(1, 20)] = 4
    attempt_timeout_s: PositiveSeconds = 60.0
    first_token_timeout_s: PositiveSeconds = 60.0
    idle_timeout_s: PositiveSeconds = 60.0
    stream_timeout_s: PositiveSeconds = 300.0
    attempt_floor_s: Seconds = 0.25
    fallback_reserve_s: Seconds = 10.0
    reply_reserve_s: Seconds = 0.05
    coalesce_s: Annotated[float, Range(0.0, 0.02)] = 0.02
    window_margin_s: Seconds = 1.0
    connections_per_provider: Positive = 1_024
    connect_timeout_s: PositiveSeconds = 5.0
    reflection: bool = True
    grace_s: Seconds = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSettings:
    """Where Executors keep what they know of quotas. An empty URL: each in its own memory."""

    url: str = ""
    replicas: Positive = 2
    lease_margin_s: Seconds = 15.0
    timeout_s: PositiveSeconds = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """Where each request that ended is written down. An empty URL: in memory, forgotten at the stop."""

    url: str = "sqlite:///journal.sqlite"
    retention_days: Annotated[int, Range(0, 36_500)] = 90
    queue: Positive = 10_000
    content_characters: Count = 0
    grace_s: Seconds = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Where a process shows its metrics to Prometheus, by what it runs: "host:port" here, empty for nowhere."""

    up: str = ""
    router: str = ""
    classifier: str = ""
    executor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Traces, metrics and logs."""

    otlp_endpoint: str = ""
    sample_ratio: Fraction = 1.0
    content_bytes: Annotated[int, Range(0, 65_536)] = 0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    metrics_interval_s: PositiveSeconds = 15.0
    metrics: MetricsSettings = field(default_factory=MetricsSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSettings:
    """What a provider allows. None: not known here; what the provider states or what is learned holds alone.

    `algorithm` says how the provider counts minutes, empty when unknown, and `offset_s` where a fixed window begins.
    """

    requests_per_minute: Positive | None = None
    requests_per_day: Positive | None = None
    tokens_per_minute: Positive | None = None
    tokens_per_day: Positive | None = None
    input_tokens_per_minute: Positive | None = None
    output_tokens_per_minute: Positive | None = None
    concurrency: Positive | None = None
    algorithm: Literal["", "sliding_window", "fixed_window", "token_bucket"] = ""
    offset_s: Annotated[float, Range(0.0, 60.0)] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One account at one provider. Its key stands in a variable of the environment or in a file, never here."""

    wire: Literal["openai", "deepseek", "moonshot", "anthropic", "gemini", "ollama"]
    base_url: str
    api_key_env: str = ""
    api_key_file: str = ""
    api_version: str = ""
    local: bool = False
    trace_context: bool = False
    quota: QuotaSettings = field(default_factory=QuotaSettings)

    @property
    def key_place(self) -> str:
        """The name of the variable or of the file that holds the key; empty when none is needed."""
        return self.api_key_env or self.api_key_file


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Facts of a model that the built-in table does not know, or knows differently. None: as in the table."""

    context_tokens: Positive | None = None
    max_input_tokens: Positive | None = None
    max_output_tokens: Positive | None = None
    sees_images: bool | None = None
    takes_image_urls: bool | None = None
    takes_tools: bool | None = None
    follows_json_schema: bool | None = None
    accepts_temperature: bool | None = None
    accepts_stop: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutSettings:
    """How long one call of a candidate may take. None: as long as the Executor lets any call take."""

    connect_s: PositiveSeconds | None = None
    attempt_s: PositiveSeconds | None = None
    first_token_s: PositiveSeconds | None = None
    idle_s: PositiveSeconds | None = None
    stream_s: PositiveSeconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSettings:
    """One model at one provider."""

    provider: str
    model: str
    group: str = ""
    effort: str = ""
    default_output_tokens: Positive = 4_096
    quota: QuotaSettings = field(default_factory=QuotaSettings)
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings)
    facts: ModelSettings = field(default_factory=ModelSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The ordered candidates of a category."""

    candidates: tuple[str, ...]
    policy: Literal["ordered", "cheapest", "fastest"] = "ordered"
    patience_s: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackSettings:
    """The local model that answers when no candidate can. An empty candidate: none."""

    candidate: str = ""
    concurrency: Positive = 1
    queue: Count = 16
    num_ctx: Positive = 8192
    timeout_s: PositiveSeconds = 110.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything. Each service is handed its own part, never the whole."""

    router: RouterSettings = field(default_factory=RouterSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    callers: dict[str, CallerSettings] = field(default_factory=dict)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    providers: dict[str, ProviderSettings]
    groups: dict[str, QuotaSettings] = field(default_factory=dict)
    candidates: dict[str, CandidateSettings]
    pools: dict[str, PoolSettings]
    fallback: FallbackSettings = field(default_factory=FallbackSettings)
