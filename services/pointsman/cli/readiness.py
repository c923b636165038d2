"""Which candidates can be called on this machine now, what the others lack, and how to get it. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pointsman.cli.invocation import program
from pointsman.cli.ollama import Look
from pointsman.config import Settings
from pointsman.config.load import SIMULATED_KEY_ENV
from pointsman.domain.advice import GET_OLLAMA, key_advice, key_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """One thing that is missing, what to do about it, and the candidates that wait for it."""

    missing: str
    advice: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What can be called and what cannot, in the order of the settings.

    `fallback` is the id of the local fallback when it can answer, else empty; `simulated` are the providers whose
    answers are invented.
    """

    usable: tuple[str, ...]
    lacks: tuple[Lack, ...]
    fallback: str
    simulated: tuple[str, ...] = ()

    @property
    def can_answer(self) -> bool:
        """True when at least one candidate, the fallback included, can be called."""
        return bool(self.usable)

    @property
    def warning(self) -> str:
        """Whose answers are invented, as a sentence; empty where nobody's are."""
        return f"SIMULATED: what {', '.join(self.simulated)} answer is invented." if self.simulated else ""


def judge(settings: Settings, *, present_keys: Collection[str], looks: Mapping[str, Look]) -> Readiness:
    """Return what can be called.

    `present_keys` are names of variables and files that hold a key; `looks` has what each Ollama server of the
    settings showed, by URL.
    """
    waiting: dict[tuple[str, str], list[str]] = {}
    usable: list[str] = []
    for name in settings.candidates:
        lack = _lack(name, settings, present_keys, looks)
        if lack is None:
            usable.append(name)
        else:
            waiting.setdefault(lack, []).append(name)
    fallback = settings.fallback.candidate
    return Readiness(
        usable=tuple(usable),
        lacks=tuple(
            Lack(missing=missing, advice=advice, candidates=tuple(names))
            for (missing, advice), names in waiting.items()
        ),
        fallback=fallback if fallback in usable else "",
        simulated=tuple(_simulated(settings, looks)),
    )


def ollama_urls(settings: Settings) -> tuple[str, ...]:
    """Return the servers that candidates run on, each once."""
    used = (settings.providers[candidate.provider] for candidate in settings.candidates.values())
    return tuple(dict.fromkeys(provider.base_url for provider in used if provider.wire == "ollama"))


def key_places(settings: Settings) -> dict[str, str]:
    """Return the variable or the file that holds the key of each provider that needs one, by provider."""
    return {name: provider.key_place for name, provider in settings.providers.items() if provider.key_place}


def pull_advice(settings: Settings, model: str) -> str:
    """Return the command that brings a local model."""
    fallback = settings.candidates.get(settings.fallback.candidate)
    if fallback and fallback.model == model:
        return f"{program()} pull --only fallback"
    if settings.classifier.ollama.model == model:
        return f"{program()} pull --only classifier"
    return f"ollama pull {model}"


def _lack(
    name: str, settings: Settings, present_keys: Collection[str], looks: Mapping[str, Look]
) -> tuple[str, str] | None:
    candidate = settings.candidates[name]
    provider = settings.providers[candidate.provider]
    if provider.key_place and provider.key_place not in present_keys:
        return key_missing(provider.key_place), key_advice(provider.wire, provider.key_place)
    if provider.wire != "ollama":
        return None
    found = looks[provider.base_url]
    if found.problem:
        return found.problem, GET_OLLAMA
    if not found.has(candidate.model):
        return f"Ollama at {provider.base_url} does not have {candidate.model}", pull_advice(settings, candidate.model)
    return None


def _simulated(settings: Settings, looks: Mapping[str, Look]) -> Iterator[str]:
    """Yield the providers with the simulator's key, or on an Ollama that says it is simulated."""
    for name, provider in settings.providers.items():
        found = looks.get(provider.base_url) if provider.wire == "ollama" else None
        if provider.api_key_env == SIMULATED_KEY_ENV or (found is not None and found.is_simulated):
            yield name
