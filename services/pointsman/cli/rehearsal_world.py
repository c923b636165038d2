"""The providers of a rehearsal: accounts that enforce the very limits of the user's settings. Pure values.

Speeds and lengths of answers are the simulator's where it knows the model; else its usual ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from pointsman.config import Settings
from pointsman.config.settings import CandidateSettings, QuotaSettings
from pointsman.domain.pool import Candidate, Limit, Unit
from pointsman.simulator.scenario import (
    Algorithm,
    LimitProfile,
    LocalModelProfile,
    ModelProfile,
    ProviderProfile,
)
from pointsman.simulator.scenarios import BUSY_HOUR
from pointsman.simulator.traffic import DAY_S

ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    "anthropic": Algorithm.TOKEN_BUCKET,
    "openai": Algorithm.TOKEN_BUCKET,
    "gemini": Algorithm.FIXED_WINDOW,
    "moonshot": Algorithm.SLIDING_WINDOW,
    "deepseek": Algorithm.SLIDING_WINDOW,
}
"""How each kind counts a minute; the reasons stand in simulator/README.md."""

GEMINI_OFFSET_S: Final = 17.0
STATES_QUOTA: Final = frozenset({"anthropic", "openai"})
CHARGES_REQUESTED: Final = frozenset({"moonshot", "openai"})
COUNTS_REFUSED: Final = frozenset({"openai"})

USUAL_LOCAL: Final = LocalModelProfile(
    id="", size_bytes=0, parameter_size="", quantization="", prompt_tokens_per_s=140.0, output_tokens_per_s=12.0
)
"""A local model that the simulator does not know: as slow as 14 billion parameters on 32 GB."""

KNOWN: Final = {(kind, model.id): model for kind, model in BUSY_HOUR.models}
KNOWN_LOCAL: Final = {model.id: model for model in BUSY_HOUR.local.models}
LOCAL_PARALLEL: Final = BUSY_HOUR.local.parallel


def accounts(settings: Settings, known: Mapping[str, Candidate]) -> dict[str, ProviderProfile]:
    """Return what stands for each provider of the settings that is not local, by its name there."""
    return {
        name: ProviderProfile(
            kind=provider.wire,
            models=_models(name, provider.wire, settings, known),
            limits=_limits(provider.wire, _of_scope(known, f"provider:{name}")),
            states_quota=provider.wire in STATES_QUOTA,
            counts_refused=provider.wire in COUNTS_REFUSED,
            charges_requested_output=provider.wire in CHARGES_REQUESTED,
        )
        for name, provider in settings.providers.items()
        if not provider.local
    }


def local_model(candidate: Candidate) -> LocalModelProfile:
    """Return how a model on this machine is simulated."""
    return KNOWN_LOCAL.get(candidate.model.id) or replace(USUAL_LOCAL, id=candidate.model.id)


def unlimited(settings: Settings) -> list[str]:
    """Return the candidates at providers for which the settings name no limit at all: nothing can bind there."""
    none = QuotaSettings()

    def is_limited(chosen: CandidateSettings) -> bool:
        group = settings.groups.get(chosen.group, none)
        return any(quota != none for quota in (settings.providers[chosen.provider].quota, group, chosen.quota))

    return [
        name
        for name, chosen in settings.candidates.items()
        if not settings.providers[chosen.provider].local and not is_limited(chosen)
    ]


def _models(provider: str, wire: str, settings: Settings, known: Mapping[str, Candidate]) -> tuple[ModelProfile, ...]:
    made: dict[str, ModelProfile] = {}
    for name, chosen in settings.candidates.items():
        if chosen.provider == provider:
            scope = f"group:{chosen.group}" if chosen.group else f"model:{provider}/{chosen.model}"
            like = KNOWN.get((wire, chosen.model)) or ModelProfile(id=chosen.model)
            model = known[name].model
            made[chosen.model] = replace(
                like,
                group=chosen.group,
                limits=_limits(wire, _of_scope(known, scope)),
                max_output_tokens=model.max_output_tokens,
                max_plain_output_tokens=None,
            )
    return tuple(made.values())


def _of_scope(known: Mapping[str, Candidate], scope: str) -> Sequence[Limit]:
    """Return the limits of a scope; where candidates name the same one twice, the stricter holds, as in the ledger."""
    strictest: dict[tuple[object, object], Limit] = {}
    for candidate in known.values():
        for name, limit in candidate.limits:
            key = limit.unit, limit.period
            if name == scope and (key not in strictest or limit.amount < strictest[key].amount):
                strictest[key] = limit
    return tuple(strictest.values())


def _limits(wire: str, limits: Sequence[Limit]) -> tuple[LimitProfile, ...]:
    return tuple(_limit(wire, limit) for limit in limits)


def _limit(wire: str, limit: Limit) -> LimitProfile:
    if limit.unit is Unit.CONCURRENCY or limit.period is None:
        return LimitProfile(unit=limit.unit, amount=limit.amount)
    if limit.period.total_seconds() >= DAY_S:  # as the reference settings say of every day
        return LimitProfile(unit=limit.unit, amount=limit.amount, period_s=DAY_S, algorithm=Algorithm.PACIFIC_DAY)
    if limit.algorithm:  # who wrote it down knows better
        algorithm, offset_s = Algorithm(limit.algorithm), limit.offset.total_seconds()
    else:
        algorithm = ALGORITHMS.get(wire, Algorithm.SLIDING_WINDOW)
        offset_s = GEMINI_OFFSET_S if algorithm is Algorithm.FIXED_WINDOW else 0.0
    return LimitProfile(unit=limit.unit, amount=limit.amount, algorithm=algorithm, offset_s=offset_s)
