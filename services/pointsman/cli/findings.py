"""What `doctor` concludes from what it saw: one finding a fact, with what to do about it. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pointsman.cli.invocation import program
from pointsman.cli.ollama import LOGPROBS_VERSION, Look
from pointsman.cli.ports import Holder
from pointsman.cli.readiness import Readiness, key_places, pull_advice
from pointsman.config import Settings
from pointsman.config.load import SIMULATED_KEY_ENV
from pointsman.config.settings import QuotaSettings
from pointsman.domain.advice import GET_OLLAMA, key_advice, key_missing

SILENT_WIRES: Final = frozenset({"gemini", "moonshot"})
"""Providers whose answers state no limits (docs, 2026-11): what is not configured is learned by being refused."""


class Level(StrEnum):
    """How much a finding matters. `NOTE` is less than it could be, `PROBLEM` stops something from working."""

    FINE = "ok"
    NOTE = "note"
    PROBLEM = "problem"


_PORTS: Final = {
    Holder.NOBODY: (Level.FINE, "is free", ""),
    Holder.POINTSMAN: (Level.FINE, "is held by a running Pointsman", ""),
    Holder.STRANGER: (
        Level.PROBLEM,
        "is taken by another program",
        "stop it, or set ROOM.address to another port",
    ),
    Holder.UNUSABLE: (
        Level.PROBLEM,
        "cannot be listened on",
        "set ROOM.address to 127.0.0.1 with a port from 1024 on",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact about `subject`; `advice` is empty when nothing needs to be done."""

    subject: str
    level: Level
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """The classifier's question, asked once. `coverage` is 0 to 1; `problem` is empty when it was answered.

    `is_calibrated` is whether anything was fitted for this model under these instructions.
    """

    coverage: float = 0.0
    is_calibrated: bool = False
    problem: str = ""


def port_finding(room: str, address: str, found: Holder) -> Finding:
    """Return what to think of the port of a service."""
    level, message, advice = _PORTS[found]
    return Finding(
        subject=f"port {room}", level=level, message=f"{address} {message}", advice=advice.replace("ROOM", room)
    )


def ollama_finding(found: Look, used_by: str) -> Finding:
    """Return what to think of an Ollama server; `used_by` says who asks it."""
    subject = f"ollama {found.url}"
    if found.problem:
        return Finding(subject=subject, level=Level.NOTE, message=f"{found.problem} (for {used_by})", advice=GET_OLLAMA)
    if not found.gives_logprobs:
        floor = ".".join(map(str, LOGPROBS_VERSION))
        message = f"version {found.version} gives no log-probabilities, so the small model cannot classify"
        return Finding(subject=subject, level=Level.NOTE, message=message, advice=f"update Ollama to {floor} or newer")
    version = f"version {found.version}, simulated" if found.is_simulated else f"version {found.version}"
    return Finding(subject=subject, level=Level.FINE, message=f"{version} (for {used_by})")


def model_finding(settings: Settings, found: Look, model: str, used_for: str) -> Finding:
    """Return whether a server that answers has a model."""
    subject = f"model {model}"
    if found.has(model):
        return Finding(subject=subject, level=Level.FINE, message=f"is there (for {used_for})")
    advice = pull_advice(settings, model)
    return Finding(subject=subject, level=Level.NOTE, message=f"is not there (for {used_for})", advice=advice)


def self_test_finding(settings: Settings, test: SelfTest) -> Finding:
    """Return whether the small model answers the classifier's question with a category."""
    floor, subject = settings.classifier.ollama.min_coverage, "self-test"
    instead = "verdicts come from the embedded classifier until then"
    if test.problem:
        return Finding(
            subject=subject, level=Level.NOTE, message=f"{test.problem}; {instead}", advice="see Ollama's log"
        )
    message = f"label coverage {test.coverage:.2f}, at least {floor:.2f} needed"
    if test.coverage >= floor:
        told = "calibrated" if test.is_calibrated else "uncalibrated: the model counts half at most"
        return Finding(subject=subject, level=Level.FINE, message=f"{message}; {told}")
    advice = f"set classifier.ollama.model back to qwen2.5:1.5b-instruct (it is {settings.classifier.ollama.model})"
    return Finding(subject=subject, level=Level.NOTE, message=f"{message}; {instead}", advice=advice)


def key_findings(settings: Settings, present_keys: Collection[str]) -> Iterator[Finding]:
    """Yield whether each provider has a key, by the name of its variable or file only."""
    for provider, place in key_places(settings).items():
        if place == SIMULATED_KEY_ENV:
            yield Finding(subject=f"key {provider}", level=Level.FINE, message="simulated: answers are invented")
        elif place in present_keys:
            told = "holds a key" if settings.providers[provider].api_key_file else "is set"
            yield Finding(subject=f"key {provider}", level=Level.FINE, message=f"{place} {told}")
        else:
            advice = key_advice(settings.providers[provider].wire, place)
            yield Finding(subject=f"key {provider}", level=Level.NOTE, message=key_missing(place), advice=advice)


def quota_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the candidates without limits at providers that state none."""
    for name, candidate in settings.candidates.items():
        provider = settings.providers[candidate.provider]
        known = (provider.quota, settings.groups.get(candidate.group, QuotaSettings()), candidate.quota)
        if provider.wire in SILENT_WIRES and all(quota == QuotaSettings() for quota in known):
            yield Finding(
                subject=f"quota {name}",
                level=Level.NOTE,
                message=f"no limit is set, and {candidate.provider} states none in its answers",
                advice=f'put your console\'s numbers into candidates."{name}".quota; else a wasted call teaches each',
            )


def pool_findings(settings: Settings, readiness: Readiness) -> Iterator[Finding]:
    """Yield what each pool can call now."""
    for category, pool in settings.pools.items():
        ready = [name for name in pool.candidates if name in readiness.usable]
        subject = f"pool {category}"
        if ready:
            yield Finding(
                subject=subject, level=Level.FINE, message=f"{len(ready)} of {len(pool.candidates)}: {', '.join(ready)}"
            )
        elif readiness.fallback:
            message = f"none of {len(pool.candidates)} can be called; {readiness.fallback} answers alone"
            yield Finding(subject=subject, level=Level.NOTE, message=message, advice="set one of the keys above")
        else:
            message = f"none of {len(pool.candidates)} can be called, and no local model either"
            advice = f"set one of the keys above, or bring the local model: {program()} pull --only fallback"
            yield Finding(subject=subject, level=Level.PROBLEM, message=message, advice=advice)
