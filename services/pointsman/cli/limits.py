"""The limits that a settings file states, and how the minutes of each are counted. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final

from pointsman.cli.columns import JOINT
from pointsman.config import Settings
from pointsman.config.settings import QuotaSettings

_UNITS: Final = {
    "requests_per_minute": "requests/min",
    "requests_per_day": "requests/day",
    "tokens_per_minute": "tokens/min",
    "tokens_per_day": "tokens/day",
    "input_tokens_per_minute": "input tokens/min",
    "output_tokens_per_minute": "output tokens/min",
    "concurrency": "at once",
}
_ALGORITHMS: Final = {
    "": "how its minutes are counted is not said",
    "sliding_window": "each minute counts the 60 s before a call",
    "token_bucket": "minutes fill up again bit by bit",
}


def limits(settings: Settings) -> Iterator[str]:
    """Yield one line for each provider, group and candidate with limits, and one for those without any."""
    for kind, known in limits_known(settings).items():
        for name, quota in known.items():
            numbers = [f"{quota[key]:,} {unit}" for key, unit in _UNITS.items() if key in quota]
            yield f"limits of {kind.removesuffix('s')} {name}: {JOINT.join((*numbers, *_minutes(quota)))}"
    if without := [name for name in settings.candidates if not _has_limits(settings, name)]:
        yield f"no limits are set for {', '.join(without)}: what a provider states or refuses teaches them"


def limits_known(settings: Settings) -> dict[str, dict[str, dict[str, object]]]:
    """Return what is set, by "providers", "groups" and "candidates", then by name, then by key."""
    quotas: Mapping[str, Mapping[str, QuotaSettings]] = {
        "providers": {name: provider.quota for name, provider in settings.providers.items()},
        "groups": settings.groups,
        "candidates": {name: candidate.quota for name, candidate in settings.candidates.items()},
    }
    return {
        kind: {name: _stated(quota) for name, quota in each.items() if quota != QuotaSettings()}
        for kind, each in quotas.items()
    }


def _stated(quota: QuotaSettings) -> dict[str, object]:
    return {key: value for key, value in asdict(quota).items() if value}


def _minutes(quota: Mapping[str, object]) -> Iterator[str]:
    """Yield how the minutes are counted, where a limit has any."""
    if not any(key.endswith("_per_minute") for key in quota):
        return
    algorithm = str(quota.get("algorithm", ""))
    if algorithm == "fixed_window":
        yield f"each minute begins at its second {quota.get('offset_s', 0.0):g}"
    else:
        yield _ALGORITHMS[algorithm]


def _has_limits(settings: Settings, name: str) -> bool:
    candidate = settings.candidates[name]
    provider = settings.providers[candidate.provider].quota
    group = settings.groups.get(candidate.group, QuotaSettings())
    return any(quota != QuotaSettings() for quota in (provider, group, candidate.quota))
