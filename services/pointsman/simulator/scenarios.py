"""The ready-made world: accounts of a low tier in a busy hour, for the models of the reference settings.

Limits and speeds are invented and plausible; prices are the providers' of 2026-11-22.
"""

from decimal import Decimal

from pointsman.domain.pool import Unit
from pointsman.simulator.scenario import (
    Algorithm,
    LatencyProfile,
    LimitProfile,
    LocalModelProfile,
    LocalProfile,
    ModelProfile,
    PeakHours,
    ProviderProfile,
    Scenario,
)

_DAY_S = 86_400.0


def _limit(
    unit: Unit, amount: int, algorithm: Algorithm = Algorithm.TOKEN_BUCKET, *, offset_s: float = 0.0
) -> LimitProfile:
    return LimitProfile(unit=unit, amount=amount, algorithm=algorithm, offset_s=offset_s)


def _per_day(amount: int) -> LimitProfile:
    return LimitProfile(unit=Unit.REQUESTS, amount=amount, period_s=_DAY_S, algorithm=Algorithm.PACIFIC_DAY)


_ANTHROPIC = ProviderProfile(
    kind="anthropic",
    models=(
        ModelProfile(
            id="claude-opus-5-5",
            group="claude-opus",
            output_tokens=320,
            reasoning_tokens=160,
            limits=(
                _limit(Unit.REQUESTS, 5),
                _limit(Unit.INPUT_TOKENS, 60_000),
                _limit(Unit.OUTPUT_TOKENS, 12_000),
            ),
            latency=LatencyProfile(first_token_s=0.9, per_token_s=0.0045, rejection_s=0.3),
            usd_per_mtok_input=Decimal("4.00"),
            usd_per_mtok_cached_input=Decimal("0.20"),
            usd_per_mtok_output=Decimal("20.00"),
        ),
        ModelProfile(
            id="claude-sonnet-5-5",
            group="claude-sonnet",
            output_tokens=300,
            reasoning_tokens=120,
            limits=(
                _limit(Unit.REQUESTS, 8),
                _limit(Unit.INPUT_TOKENS, 80_000),
                _limit(Unit.OUTPUT_TOKENS, 16_000),
            ),
            latency=LatencyProfile(first_token_s=0.7, per_token_s=0.0038, rejection_s=0.3),
            usd_per_mtok_input=Decimal("2.00"),
            usd_per_mtok_cached_input=Decimal("0.10"),
            usd_per_mtok_output=Decimal("10.00"),
        ),
        ModelProfile(
            id="claude-haiku-5-5",
            group="claude-haiku",
            output_tokens=70,
            always_reasons=False,
            limits=(
                _limit(Unit.REQUESTS, 50),
                _limit(Unit.INPUT_TOKENS, 200_000),
                _limit(Unit.OUTPUT_TOKENS, 40_000),
            ),
            latency=LatencyProfile(first_token_s=0.45, per_token_s=0.003, rejection_s=0.2),
            usd_per_mtok_input=Decimal("0.10"),
            usd_per_mtok_cached_input=Decimal("0.01"),
            usd_per_mtok_output=Decimal("0.50"),
        ),
    ),
)

_GEMINI = ProviderProfile(
    kind="gemini",
    models=(
        ModelProfile(
            id="gemini-4-argon",
            output_tokens=300,
            reasoning_tokens=150,
            context_tokens=1_048_576,
            max_input_tokens=1_048_576,
            max_output_tokens=65_536,
            max_plain_output_tokens=32_768,
            limits=(
                _limit(Unit.REQUESTS, 8, Algorithm.FIXED_WINDOW, offset_s=17.0),
                _limit(Unit.INPUT_TOKENS, 100_000, Algorithm.FIXED_WINDOW, offset_s=17.0),
                _per_day(1_000),
            ),
            latency=LatencyProfile(first_token_s=0.8, per_token_s=0.0045, rejection_s=0.25),
            usd_per_mtok_input=Decimal("2.00"),
            usd_per_mtok_cached_input=Decimal("0.10"),
            usd_per_mtok_output=Decimal("10.00"),
        ),
        ModelProfile(
            id="gemini-3.8-flash",
            output_tokens=70,
            reasoning_tokens=30,
            context_tokens=1_048_576,
            max_input_tokens=1_048_576,
            max_output_tokens=65_536,
            limits=(
                _limit(Unit.REQUESTS, 10, Algorithm.FIXED_WINDOW, offset_s=17.0),
                _limit(Unit.INPUT_TOKENS, 250_000, Algorithm.FIXED_WINDOW, offset_s=17.0),
                _per_day(10_000),
            ),
            latency=LatencyProfile(first_token_s=0.5, per_token_s=0.003, rejection_s=0.2),
            usd_per_mtok_input=Decimal("0.75"),
            usd_per_mtok_cached_input=Decimal("0.075"),
            usd_per_mtok_output=Decimal("3.75"),
        ),
    ),
)

_OPENAI = ProviderProfile(
    kind="openai",
    counts_refused=True,
    charges_requested_output=True,
    models=(
        ModelProfile(
            id="gpt-6.2-sol",
            output_tokens=280,
            reasoning_tokens=150,
            context_tokens=1_050_000,
            max_input_tokens=922_000,
            limits=(_limit(Unit.REQUESTS, 10), _limit(Unit.TOKENS, 100_000)),
            latency=LatencyProfile(first_token_s=0.8, per_token_s=0.0045, rejection_s=0.25),
            usd_per_mtok_input=Decimal("2.00"),
            usd_per_mtok_cached_input=Decimal("0.10"),
            usd_per_mtok_output=Decimal("10.00"),
        ),
    ),
)

_DEEPSEEK = ProviderProfile(
    kind="deepseek",
    states_quota=False,
    models=(
        ModelProfile(
            id="deepseek-v4-pro",
            output_tokens=300,
            reasoning_tokens=120,
            max_output_tokens=393_216,
            sees_images=False,
            always_reasons=False,
            limits=(LimitProfile(unit=Unit.CONCURRENCY, amount=6),),
            latency=LatencyProfile(first_token_s=1.0, per_token_s=0.005, rejection_s=0.25),
            usd_per_mtok_input=Decimal("1.32"),
            usd_per_mtok_cached_input=Decimal("0.044"),
            usd_per_mtok_output=Decimal("3.96"),
            # Chinese public holidays cost the share too, and are left out (provider docs, 2026-11).
            peak_hours=PeakHours(spans=((1, 4), (6, 10)), share_outside=Decimal("0.5")),
        ),
    ),
)

_MOONSHOT = ProviderProfile(
    kind="moonshot",
    states_quota=False,
    charges_requested_output=True,
    limits=(
        _limit(Unit.REQUESTS, 20, Algorithm.SLIDING_WINDOW),
        _limit(Unit.TOKENS, 200_000, Algorithm.SLIDING_WINDOW),
        LimitProfile(unit=Unit.CONCURRENCY, amount=10),
    ),
    models=(
        ModelProfile(
            id="kimi-k3.1-pro",
            output_tokens=280,
            reasoning_tokens=140,
            context_tokens=1_048_576,
            max_input_tokens=1_048_576,
            max_output_tokens=1_048_576,
            latency=LatencyProfile(first_token_s=0.9, per_token_s=0.005, rejection_s=0.25),
            usd_per_mtok_input=Decimal("2.00"),
            usd_per_mtok_cached_input=Decimal("0.20"),
            usd_per_mtok_output=Decimal("10.00"),
        ),
    ),
)

_LOCAL = LocalProfile(
    models=(
        LocalModelProfile(
            id="qwen2.5:1.5b-instruct",
            size_bytes=986_061_892,
            parameter_size="1.5B",
            quantization="Q4_K_M",
            load_s=1.5,
            prompt_tokens_per_s=1_170.0,
            output_tokens_per_s=100.0,
        ),
        LocalModelProfile(
            id="qwen2.5:14b-instruct-q8_0",
            size_bytes=15_701_601_280,
            parameter_size="14.8B",
            quantization="Q8_0",
            output_tokens=70,  # kept short, so that a rehearsal of an outage does not take minutes
            load_s=6.0,
            prompt_tokens_per_s=140.0,
            output_tokens_per_s=12.0,
        ),
    ),
)

BUSY_HOUR = Scenario(providers=(_ANTHROPIC, _GEMINI, _OPENAI, _DEEPSEEK, _MOONSHOT), local=_LOCAL)
"""Low tiers under heavy use: the preferred model of a pool runs out of quota again and again."""

CALM = BUSY_HOUR.without_limits()
"""The same models with no limits."""

INSTANT = CALM.without_waiting()
"""The same models with no limits, answering at once: for tests that are about neither."""
