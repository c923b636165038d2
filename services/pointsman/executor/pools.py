"""Settings and the table of models to candidates and pools."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import timedelta

from pointsman.config.settings import (
    CandidateSettings,
    ExecutorSettings,
    ModelSettings,
    ProviderSettings,
    QuotaSettings,
    Settings,
)
from pointsman.domain.advice import key_advice
from pointsman.domain.errors import SettingsError
from pointsman.domain.pool import Algorithm, Candidate, Limit, Model, Policy, Pool, Scope, TimeLimits, Unit
from pointsman.executor import catalog

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

LIMITS: Mapping[str, tuple[Unit, timedelta | None]] = {
    "requests_per_minute": (Unit.REQUESTS, MINUTE),
    "requests_per_day": (Unit.REQUESTS, DAY),
    "tokens_per_minute": (Unit.TOKENS, MINUTE),
    "tokens_per_day": (Unit.TOKENS, DAY),
    "input_tokens_per_minute": (Unit.INPUT_TOKENS, MINUTE),
    "output_tokens_per_minute": (Unit.OUTPUT_TOKENS, MINUTE),
    "concurrency": (Unit.CONCURRENCY, None),
}
"""What each key of a quota counts, and over which time."""

ACCOUNT_WIDE = frozenset({"moonshot"})
"""Kinds of provider whose limits hold for all models together (provider docs and SDKs, 2026-11)."""

DEFAULTS: Mapping[str, bool | int] = {
    "takes_image_urls": False,
    "takes_tools": False,
    "follows_json_schema": False,
    "accepts_temperature": False,
    "accepts_stop": False,
    "sees_images": False,
}
"""What is assumed of a model that the table does not know: the least."""


def candidates(settings: Settings) -> dict[str, Candidate]:
    """Return every candidate of the settings by id. Raises SettingsError for a model of which too little is known."""
    return {name: _candidate(name, settings) for name in settings.candidates}


def pools(settings: Settings, known: Mapping[str, Candidate]) -> dict[str, Pool]:
    """Return the pools by category."""
    return {
        category: Pool(
            category=category,
            candidates=tuple(known[name] for name in pool.candidates),
            policy=Policy(pool.policy),
            patience=timedelta(seconds=pool.patience_s),
        )
        for category, pool in settings.pools.items()
    }


def longest_call_s(known: Iterable[Candidate]) -> float:
    """Return how long any call of these candidates may take at most, whole or as a stream."""
    return max((max(each.time_limits.attempt_s, each.time_limits.stream_s) for each in known), default=0.0)


def _candidate(name: str, settings: Settings) -> Candidate:
    chosen = settings.candidates[name]
    provider = settings.providers[chosen.provider]
    model = _model(name, chosen, provider)
    if name == settings.fallback.candidate:
        model = _within(model, settings.fallback.num_ctx)
    account = Scope(name=f"provider:{chosen.provider}", limits=_limits(provider.quota))
    group = Scope(name=f"group:{chosen.group}", limits=_limits(settings.groups[chosen.group])) if chosen.group else None
    own = Scope(name=f"model:{chosen.provider}/{chosen.model}", limits=_limits(chosen.quota))
    quota_scope = account if provider.wire in ACCOUNT_WIDE else group or own
    return Candidate(
        id=name,
        provider=chosen.provider,
        model=model,
        local=provider.local,
        api_key_env=provider.key_place,
        scopes=(account, group, own) if group else (account, own),
        quota_scope=quota_scope.name,
        default_output_tokens=chosen.default_output_tokens,
        effort=chosen.effort,
        time_limits=_time_limits(chosen, settings.executor),
        key_advice=key_advice(provider.wire, provider.key_place) if provider.key_place else "",
    )


def _time_limits(chosen: CandidateSettings, usual: ExecutorSettings) -> TimeLimits:
    own = chosen.timeouts
    return TimeLimits(
        connect_s=usual.connect_timeout_s if own.connect_s is None else own.connect_s,
        attempt_s=usual.attempt_timeout_s if own.attempt_s is None else own.attempt_s,
        first_token_s=usual.first_token_timeout_s if own.first_token_s is None else own.first_token_s,
        idle_s=usual.idle_timeout_s if own.idle_s is None else own.idle_s,
        stream_s=usual.stream_timeout_s if own.stream_s is None else own.stream_s,
    )


def _model(name: str, chosen: CandidateSettings, provider: ProviderSettings) -> Model:
    known = catalog.model(provider.wire, chosen.model)
    stated = {field.name: getattr(chosen.facts, field.name) for field in fields(ModelSettings)}
    stated = {key: value for key, value in stated.items() if value is not None}
    if known:
        return replace(known, **stated)
    for needed in ("context_tokens", "max_input_tokens", "max_output_tokens"):
        if needed not in stated:
            path = f'candidates."{name}".facts.{needed}'
            unknown = f"{chosen.model!r} at {provider.wire} is not in Pointsman's table"
            message = f"{path} is missing: {unknown}, so its size must be said"
            raise SettingsError(message, path=path)
    return Model(id=chosen.model, **{**DEFAULTS, **stated})


def _within(model: Model, num_ctx: int) -> Model:
    """Return the model with the window that its server is told to keep for it."""
    window = min(model.context_tokens, num_ctx)
    return replace(
        model,
        context_tokens=window,
        max_input_tokens=min(model.max_input_tokens, window),
        max_output_tokens=min(model.max_output_tokens, window),
    )


def _limits(quota: QuotaSettings) -> tuple[Limit, ...]:
    return tuple(
        Limit(
            unit=unit,
            amount=amount,
            period=period,
            algorithm=Algorithm(quota.algorithm) if quota.algorithm and period == MINUTE else None,
            offset=timedelta(seconds=quota.offset_s if period == MINUTE else 0.0),
        )
        for key, (unit, period) in LIMITS.items()
        if (amount := getattr(quota, key)) is not None
    )
