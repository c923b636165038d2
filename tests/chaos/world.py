"""The outside world under chaos: each provider an account with the limits of `chaos.toml`, quick, and an Ollama."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from pointsman.cli.rehearsal_world import accounts
from pointsman.config import Settings, load
from pointsman.executor.pools import candidates
from pointsman.simulator.scenario import LatencyProfile, LocalProfile, ProviderProfile, Scenario
from pointsman.simulator.scenarios import BUSY_HOUR

SETTINGS: Final = Path(__file__).parent / "chaos.toml"
OLLAMA: Final = "ollama"
QUICK: Final = LatencyProfile(first_token_s=0.15, spread=0.4, per_token_s=0.002, rejection_s=0.05)


def settings() -> Settings:
    """Return the settings of the stack, without the addresses that only a run knows."""
    return load(SETTINGS, environ={})


def kinds() -> tuple[str, ...]:
    """Return the providers beyond this machine, each a process of its own."""
    return tuple(name for name, provider in settings().providers.items() if not provider.local)


def scenario(kind: str) -> Scenario:
    """Return the world of one process: one provider, or Ollama alone."""
    if kind == OLLAMA:
        return Scenario(local=_local())
    known = settings()
    return Scenario(providers=(_quick(accounts(known, candidates(known))[kind]),))


def _quick(account: ProviderProfile) -> ProviderProfile:
    models = (replace(model, latency=QUICK, output_tokens=60, reasoning_tokens=0) for model in account.models)
    return replace(account, models=tuple(models))


def _local() -> LocalProfile:
    models = (
        replace(model, load_s=0.5, prompt_tokens_per_s=20_000.0, output_tokens_per_s=250.0, output_tokens=40)
        for model in BUSY_HOUR.local.models
    )
    return replace(BUSY_HOUR.local, models=tuple(models))
