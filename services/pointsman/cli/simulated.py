"""Settings over the simulated world: the reference pools, with the limits of the simulated accounts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pointsman.cli.rehearsal import aimed_at
from pointsman.config import Settings
from pointsman.config.settings import CandidateSettings, QuotaSettings
from pointsman.domain.pool import Unit
from pointsman.simulator.scenario import LimitProfile, Scenario

QUOTA_KEYS: Mapping[tuple[Unit, bool], str] = {
    (Unit.REQUESTS, False): "requests_per_minute",
    (Unit.REQUESTS, True): "requests_per_day",
    (Unit.TOKENS, False): "tokens_per_minute",
    (Unit.TOKENS, True): "tokens_per_day",
    (Unit.INPUT_TOKENS, False): "input_tokens_per_minute",
    (Unit.OUTPUT_TOKENS, False): "output_tokens_per_minute",
    (Unit.CONCURRENCY, False): "concurrency",
}
"""Which setting says the same as a limit of the simulated world, by unit and whether it is the day's."""


def over(settings: Settings, scenario: Scenario, base_urls: Mapping[str, str]) -> Settings:
    """Return the settings aimed at a simulated world, with its limits in them as its owner would write them down.

    The Classifier goes by its embedded weights: the simulated small model invents its answers too.
    """
    accounts = {profile.kind: _quota(profile.limits) for profile in scenario.providers}
    models = {
        (profile.kind, model.id): _quota(model.limits) for profile in scenario.providers for model in profile.models
    }
    aimed, none = aimed_at(settings, base_urls), QuotaSettings()

    def own(candidate: CandidateSettings) -> QuotaSettings:
        return models.get((aimed.providers[candidate.provider].wire, candidate.model), none)

    grouped = {candidate.group: own(candidate) for candidate in aimed.candidates.values() if candidate.group}
    return replace(
        aimed,
        providers={name: replace(each, quota=accounts.get(each.wire, none)) for name, each in aimed.providers.items()},
        groups={name: grouped.get(name, none) for name in aimed.groups},
        candidates={
            name: replace(each, quota=none if each.group else own(each)) for name, each in aimed.candidates.items()
        },
        classifier=replace(aimed.classifier, mode="embedded"),
        journal=replace(aimed.journal, url=""),  # what is invented must not be summed up with what is real
    )


def without_limits(settings: Settings) -> Settings:
    """Return the settings of an owner who wrote no limit down."""
    none = QuotaSettings()
    return replace(
        settings,
        providers={name: replace(provider, quota=none) for name, provider in settings.providers.items()},
        groups=dict.fromkeys(settings.groups, none),
        candidates={name: replace(candidate, quota=none) for name, candidate in settings.candidates.items()},
    )


def _quota(limits: tuple[LimitProfile, ...]) -> QuotaSettings:
    known: dict[str, Any] = {
        QUOTA_KEYS[limit.unit, limit.is_daily and limit.unit is not Unit.CONCURRENCY]: limit.amount for limit in limits
    }
    minutes = [limit for limit in limits if limit.unit is not Unit.CONCURRENCY and not limit.is_daily]
    if minutes:  # an account counts all its minutes alike
        known |= {"algorithm": minutes[0].algorithm.value, "offset_s": minutes[0].offset_s % 60}
    return QuotaSettings(**known)
