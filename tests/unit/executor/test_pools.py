"""From settings to candidates and pools."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pointsman.config import Settings, load
from pointsman.config.settings import (
    CandidateSettings,
    FallbackSettings,
    JournalSettings,
    ModelSettings,
    PoolSettings,
    ProviderSettings,
    QuotaSettings,
    TimeoutSettings,
)
from pointsman.domain.errors import SettingsError
from pointsman.domain.pool import Algorithm, Candidate, Limit, Policy, TimeLimits, Unit
from pointsman.executor.pools import candidates, longest_call_s, pools

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"
FACTS = ModelSettings(context_tokens=9_000, max_input_tokens=8_000, max_output_tokens=1_000)


def settings(
    provider: ProviderSettings | None = None,
    candidate: CandidateSettings | None = None,
    *,
    groups: dict[str, QuotaSettings] | None = None,
    fallback: FallbackSettings | None = None,
) -> Settings:
    """Return settings with one provider "p" and one candidate "p/m"."""
    return Settings(
        journal=JournalSettings(url=""),
        providers={"p": provider or ProviderSettings(wire="openai", base_url="https://p.example")},
        groups=groups or {},
        candidates={"p/m": candidate or CandidateSettings(provider="p", model="gpt-6.2-sol")},
        pools={"quick": PoolSettings(candidates=("p/m",), policy="cheapest", patience_s=2.0)},
        fallback=fallback or FallbackSettings(),
    )


def only(settings: Settings) -> Candidate:
    return candidates(settings)["p/m"]


def test_the_reference_settings_resolve() -> None:
    reference = load(REFERENCE, environ={})

    known = candidates(reference)
    resolved = pools(reference, known)

    assert list(resolved) == ["reasoning", "coding", "quick", "vision", "review"]
    assert {one.id for pool in resolved.values() for one in pool.candidates} < set(known)


def test_vision_can_see() -> None:
    reference = load(REFERENCE, environ={})

    vision = pools(reference, candidates(reference))["vision"]

    assert all(one.model.sees_images for one in vision.candidates)


def test_one_model_under_two_names_shares_its_limit() -> None:
    known = candidates(load(REFERENCE, environ={}))

    assert known["anthropic/claude-vision"].quota_scope == known["anthropic/claude-sonnet"].quota_scope
    assert known["gemini/gemini-vision"].quota_scope == known["gemini/gemini-flash"].quota_scope


def test_a_pool_keeps_its_order_policy_and_patience() -> None:
    chosen = settings()

    pool = pools(chosen, candidates(chosen))["quick"]

    assert [one.id for one in pool.candidates] == ["p/m"]
    assert (pool.policy, pool.patience) == (Policy.CHEAPEST, timedelta(seconds=2))


def test_scopes_go_from_the_account_over_the_group_to_the_model() -> None:
    candidate = CandidateSettings(
        provider="p", model="gpt-6.2-sol", group="g", quota=QuotaSettings(requests_per_minute=3)
    )
    provider = ProviderSettings(wire="openai", base_url="https://p.example", quota=QuotaSettings(concurrency=1))

    found = only(settings(provider, candidate, groups={"g": QuotaSettings(tokens_per_day=2)}))

    assert [scope.name for scope in found.scopes] == ["provider:p", "group:g", "model:p/gpt-6.2-sol"]
    assert [(name, limit.unit, limit.amount) for name, limit in found.limits] == [
        ("provider:p", Unit.CONCURRENCY, 1),
        ("group:g", Unit.TOKENS, 2),
        ("model:p/gpt-6.2-sol", Unit.REQUESTS, 3),
    ]


@pytest.mark.parametrize(
    "wire, group, scope",
    [
        pytest.param("openai", "", "model:p/gpt-6.2-sol", id="a-model"),
        pytest.param("openai", "g", "group:g", id="a-group-of-models"),
        pytest.param("moonshot", "", "provider:p", id="kimi-limits-the-account"),
        pytest.param("moonshot", "g", "provider:p", id="kimi-whatever-the-group"),
    ],
)
def test_whose_quota_a_provider_speaks_of(wire: str, group: str, scope: str) -> None:
    provider = ProviderSettings(wire=wire, base_url="https://p.example")  # type: ignore[arg-type]  # a column of the table
    candidate = CandidateSettings(provider="p", model="gpt-6.2-sol", group=group, facts=FACTS)

    assert only(settings(provider, candidate, groups={"g": QuotaSettings()})).quota_scope == scope


def test_how_minutes_are_counted_goes_to_minutes_only() -> None:
    quota = QuotaSettings(
        requests_per_minute=5,
        tokens_per_minute=50,
        requests_per_day=500,
        concurrency=2,
        algorithm="fixed_window",
        offset_s=17.0,
    )

    limits = [
        limit
        for _, limit in only(
            settings(candidate=CandidateSettings(provider="p", model="gpt-6.2-sol", quota=quota))
        ).limits
    ]

    assert {(limit.unit, limit.period): (limit.algorithm, limit.offset) for limit in limits} == {
        (Unit.REQUESTS, timedelta(minutes=1)): (Algorithm.FIXED_WINDOW, timedelta(seconds=17)),
        (Unit.TOKENS, timedelta(minutes=1)): (Algorithm.FIXED_WINDOW, timedelta(seconds=17)),
        (Unit.REQUESTS, timedelta(days=1)): (None, timedelta()),
        (Unit.CONCURRENCY, None): (None, timedelta()),
    }


def test_who_says_nothing_of_how_minutes_are_counted_leaves_it_unknown() -> None:
    quota = QuotaSettings(tokens_per_minute=5)
    candidate = CandidateSettings(provider="p", model="gpt-6.2-sol", quota=quota)

    ((_, limit),) = only(settings(candidate=candidate)).limits

    assert limit.algorithm is None


@pytest.mark.parametrize(
    "key, unit, period",
    [
        ("requests_per_minute", Unit.REQUESTS, timedelta(minutes=1)),
        ("requests_per_day", Unit.REQUESTS, timedelta(days=1)),
        ("tokens_per_minute", Unit.TOKENS, timedelta(minutes=1)),
        ("tokens_per_day", Unit.TOKENS, timedelta(days=1)),
        ("input_tokens_per_minute", Unit.INPUT_TOKENS, timedelta(minutes=1)),
        ("output_tokens_per_minute", Unit.OUTPUT_TOKENS, timedelta(minutes=1)),
        ("concurrency", Unit.CONCURRENCY, None),
    ],
)
def test_what_each_key_of_a_quota_limits(key: str, unit: Unit, period: timedelta | None) -> None:
    candidate = CandidateSettings(provider="p", model="gpt-6.2-sol", quota=QuotaSettings(**{key: 5}))  # type: ignore[arg-type]  # a column of the table

    assert [limit for _, limit in only(settings(candidate=candidate)).limits] == [
        Limit(unit=unit, amount=5, period=period)
    ]


@pytest.mark.parametrize("missing", ["context_tokens", "max_input_tokens", "max_output_tokens"])
def test_a_model_of_unknown_size_is_refused_by_its_path(missing: str) -> None:
    candidate = CandidateSettings(provider="p", model="gpt-99", facts=replace(FACTS, **{missing: None}))

    with pytest.raises(SettingsError, match="is not in Pointsman's table, so its size must be said") as caught:
        candidates(settings(candidate=candidate))

    assert caught.value.metadata["path"] == f'candidates."p/m".facts.{missing}'


def test_an_unknown_model_is_trusted_with_the_least() -> None:
    model = only(settings(candidate=CandidateSettings(provider="p", model="gpt-99", facts=FACTS))).model

    assert (model.id, model.context_tokens, model.max_output_tokens) == ("gpt-99", 9_000, 1_000)
    assert not any((model.sees_images, model.takes_tools, model.follows_json_schema, model.accepts_temperature))


def test_facts_of_the_settings_beat_the_table() -> None:
    candidate = CandidateSettings(provider="p", model="gpt-6.2-sol", facts=ModelSettings(sees_images=False))

    model = only(settings(candidate=candidate)).model

    assert not model.sees_images
    assert model.context_tokens > 100_000


@pytest.mark.parametrize(
    "model, facts, num_ctx, window",
    [
        pytest.param("qwen2.5:14b-instruct-q8_0", ModelSettings(), 8_192, 8_192, id="of-the-table"),
        pytest.param("mine", FACTS, 4_096, 4_096, id="of-the-settings"),
        pytest.param("mine", FACTS, 1_000_000, 9_000, id="no-larger-than-the-model"),
    ],
)
def test_the_fallback_has_the_window_that_ollama_keeps_for_it(
    model: str, facts: ModelSettings, num_ctx: int, window: int
) -> None:
    provider = ProviderSettings(wire="ollama", base_url="http://127.0.0.1:11434", local=True)
    candidate = CandidateSettings(provider="p", model=model, facts=facts)

    found = only(settings(provider, candidate, fallback=FallbackSettings(candidate="p/m", num_ctx=num_ctx))).model

    assert found.context_tokens == window
    assert found.max_input_tokens <= window
    assert found.max_output_tokens <= window


def test_a_candidate_carries_what_its_adapter_needs() -> None:
    provider = ProviderSettings(wire="openai", base_url="https://p.example", api_key_env="P_KEY", local=True)
    candidate = CandidateSettings(provider="p", model="gpt-6.2-sol", effort="low", default_output_tokens=7)

    found = only(settings(provider, candidate))

    assert (found.id, found.provider, found.local, found.api_key_env) == ("p/m", "p", True, "P_KEY")
    assert (found.effort, found.default_output_tokens) == ("low", 7)


def test_a_candidate_may_take_as_long_as_any_unless_it_says_so() -> None:
    usual = only(settings())
    chosen = CandidateSettings(
        provider="p", model="gpt-6.2-sol", timeouts=TimeoutSettings(connect_s=9.5, first_token_s=9.0, stream_s=900.0)
    )
    own = only(settings(candidate=chosen))

    assert usual.time_limits == TimeLimits(
        connect_s=5.0, attempt_s=60.0, first_token_s=60.0, idle_s=60.0, stream_s=300.0
    )
    assert own.time_limits == TimeLimits(connect_s=9.5, attempt_s=60.0, first_token_s=9.0, idle_s=60.0, stream_s=900.0)


@pytest.mark.parametrize(
    "limits, longest_s",
    [
        pytest.param([], 0.0, id="nobody"),
        pytest.param([TimeLimits(attempt_s=60.0, stream_s=300.0)], 300.0, id="a stream"),
        pytest.param(
            [TimeLimits(attempt_s=400.0, stream_s=300.0), TimeLimits(attempt_s=1.0, stream_s=1.0)],
            400.0,
            id="a whole answer",
        ),
    ],
)
def test_the_longest_call_is_that_of_any_candidate(limits: list[TimeLimits], longest_s: float) -> None:
    known = [replace(only(settings()), time_limits=each) for each in limits]

    assert longest_call_s(known) == longest_s
