"""`pointsman simulate`: the APIs of the providers and of Ollama on this machine, with invented answers, to rehearse."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pointsman.cli.failure import Misuse
from pointsman.cli.invocation import program
from pointsman.cli.loop import run, stop_signals
from pointsman.cli.rehearsal import overrides
from pointsman.cli.terminal import print_json, say, screen
from pointsman.config import Settings, load
from pointsman.config.load import PREFIX
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.simulator import scenarios
from pointsman.simulator.faults import Fault, ScriptedFault
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.server import serve

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "busy-hour": scenarios.BUSY_HOUR,
    "calm": scenarios.CALM,
    "instant": scenarios.INSTANT,
}

JOURNAL: Final = "sqlite:///simulated.sqlite"
"""Where a stack over the simulator keeps its journal: beside the real one, not to be summed up with it."""

INVENTED: Final = "Everything that answers here is INVENTED: no provider is called, no model runs, nothing costs money."


_FAULT: Final = re.compile(r"(?P<model>[^=]+)=(?P<fault>[a-z_]+)(?::(?P<times>[1-9][0-9]{0,5}))?")


def simulate(config: Path | None, *, port: int, seed: int, scenario: str, faults: Sequence[str], as_json: bool) -> None:
    """Serve a scenario, with what of it is to go wrong, until a signal. Raises Misuse, and SettingsError for a port."""
    world = replace(SCENARIOS[scenario], faults=tuple(map(fault_of, faults)))
    run(_simulate(load(config), world, port=port, seed=seed, scenario=scenario, as_json=as_json))


def fault_of(words: str) -> ScriptedFault:
    """Return the fault that is asked for as MODEL=FAULT or MODEL=FAULT:TIMES. Raises Misuse."""
    read = _FAULT.fullmatch(words)
    if read is None or read["fault"] not in set(Fault):
        known = ", ".join(Fault)
        raise Misuse(f"--fault {words}: write MODEL=FAULT or MODEL=FAULT:TIMES; the faults are {known}")
    return ScriptedFault(model=read["model"], fault=Fault(read["fault"]), times=int(read["times"] or 1))


async def _simulate(settings: Settings, world: Scenario, *, port: int, seed: int, scenario: str, as_json: bool) -> None:
    ollama_port = port + 1 if port else 0
    with stop_signals(lambda: None) as stopped:
        try:
            async with serve(world, clock=SystemClock(), seed=seed, port=port, ollama_port=ollama_port) as simulation:
                variables = overrides(settings, simulation.base_urls) | _own_journal(settings)
                if as_json:
                    print_json({"simulated": True, "base_urls": simulation.base_urls, "environment": variables})
                else:
                    _explain(simulation.base_urls, variables, scenario=scenario, seed=seed)
                await stopped.wait()
        except OSError as error:
            ports = f"port {port} or {ollama_port}"
            message = f"cannot listen on {ports}: {error.strerror}; choose another with --port, 0 for any"
            raise SettingsError(message, port=str(port)) from error


def _own_journal(settings: Settings) -> dict[str, str]:
    """Return what keeps invented requests apart from real ones; a journal in memory is apart already."""
    return {f"{PREFIX}JOURNAL__URL": JOURNAL} if settings.journal.url else {}


def _explain(base_urls: Mapping[str, str], variables: Mapping[str, str], *, scenario: str, seed: int) -> None:
    out = screen()
    say(out, INVENTED, style="bold")
    out.print(f"Scenario {scenario}, seed {seed}. Ctrl-C stops it.\n")
    for kind, url in base_urls.items():
        out.print(f"  {kind:10} {url}")
    out.print("\nTo start Pointsman against it, paste this into another terminal:\n")
    for name, value in variables.items():
        out.print(f"  export {name}={shlex.quote(value)}", soft_wrap=True)
    out.print(f"  {program()} up", soft_wrap=True)
