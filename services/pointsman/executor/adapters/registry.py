"""From a provider in the settings to its adapter: the one place that knows every wire format."""

from collections.abc import Callable, Mapping
from typing import Final

import httpx

from pointsman.config.settings import ProviderSettings
from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.domain.secret import Key, fits_header
from pointsman.executor.adapters import openai_dialect
from pointsman.executor.adapters.anthropic import Anthropic
from pointsman.executor.adapters.base import Adapter, Wire
from pointsman.executor.adapters.carrier import Carrier
from pointsman.executor.adapters.gemini import Gemini
from pointsman.executor.adapters.http import HttpAdapter
from pointsman.executor.adapters.network import Network
from pointsman.executor.adapters.ollama import Ollama
from pointsman.executor.adapters.openai import OpenAI
from pointsman.executor.adapters.stand_in import StandIn

Transport = httpx.AsyncBaseTransport
"""What carries HTTP: the network, or the simulated world in this process."""

WIRES: Final[Mapping[str, Callable[[Key, str], Wire]]] = {
    "openai": lambda key, _: OpenAI(openai_dialect.OPENAI, key),
    "deepseek": lambda key, _: OpenAI(openai_dialect.DEEPSEEK, key),
    "moonshot": lambda key, _: OpenAI(openai_dialect.MOONSHOT, key),
    "anthropic": lambda key, version: Anthropic(key, api_version=version),
    "gemini": lambda key, version: Gemini(key, api_version=version),
    "ollama": lambda key, _: Ollama(key),
}
"""How each `wire` of the settings is made from a key and an API version, which may be empty."""


def make_adapter(
    provider: ProviderSettings,
    *,
    api_key: Key,
    clock: Clock,
    connections: int,
    connect_timeout_s: float,
    transport: Transport | None = None,
) -> Adapter:
    """Return the adapter of a provider. Its connections open with the first call.

    `transport` stands in for the network: a rehearsal has the providers in its own process.
    Raises SettingsError when no HTTP header can carry the key.
    """
    if not fits_header(api_key):
        raise SettingsError(
            f"{provider.key_place} holds white space or characters that no API key has; copy the key again."
        )
    wire = WIRES[provider.wire](api_key, provider.api_version)
    base_url = provider.base_url
    carrier: Carrier = (
        StandIn(transport, base_url=base_url, connect_timeout_s=connect_timeout_s)
        if transport is not None
        else Network(base_url=base_url, connections=connections, connect_timeout_s=connect_timeout_s)
    )
    return HttpAdapter(wire, carrier, clock=clock, tells_trace=provider.trace_context)
