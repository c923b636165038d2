"""Settings pointed at the simulator instead of the providers: for `simulate`, the demo and the tests. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from pointsman.config import Settings
from pointsman.config.load import PREFIX, SIMULATED_KEY_ENV
from pointsman.config.settings import ProviderSettings


def aimed_at(settings: Settings, base_urls: Mapping[str, str]) -> Settings:
    """Return the settings with every provider, and the classifier's Ollama, at the simulator's URL of its wire format.

    Real keys are out of reach then: each provider is given the simulator's own. A provider whose wire format is not
    simulated stays as it is.
    """
    providers = {name: _simulated(provider, base_urls) for name, provider in settings.providers.items()}
    ollama = replace(settings.classifier.ollama, url=base_urls.get("ollama", settings.classifier.ollama.url))
    return replace(settings, providers=providers, classifier=replace(settings.classifier, ollama=ollama))


def overrides(settings: Settings, base_urls: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that do the same to a stack which is started elsewhere."""
    variables: dict[str, str] = {}
    for name, provider in aimed_at(settings, base_urls).providers.items():
        if provider.wire in base_urls:
            here = f"{PREFIX}PROVIDERS__{_segment(name)}__"
            variables[f"{here}BASE_URL"] = provider.base_url
            if settings.providers[name].api_key_file:
                variables[f"{here}API_KEY_FILE"] = '""'
            if provider.api_key_env:
                variables[f"{here}API_KEY_ENV"] = provider.api_key_env
    if "ollama" in base_urls:
        variables[f"{PREFIX}CLASSIFIER__OLLAMA__URL"] = base_urls["ollama"]
    return variables


def _simulated(provider: ProviderSettings, base_urls: Mapping[str, str]) -> ProviderSettings:
    if provider.wire not in base_urls:
        return provider
    key_env = SIMULATED_KEY_ENV if provider.key_place else ""
    return replace(provider, base_url=base_urls[provider.wire], api_key_env=key_env, api_key_file="")


def _segment(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name).upper()
