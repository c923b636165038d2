"""The simulated world: every provider of a scenario behind one door, and the strings by which tests pull it."""

from typing import Protocol

import orjson

from pointsman.domain.clock import Clock
from pointsman.simulator.anthropic import Anthropic
from pointsman.simulator.deepseek import DeepSeek
from pointsman.simulator.dialect import Dialect
from pointsman.simulator.exchange import SIMULATED_HEADER, SimRequest, SimResponse
from pointsman.simulator.faults import Fault, Script, ScriptedFault
from pointsman.simulator.gemini import Gemini
from pointsman.simulator.moonshot import Moonshot
from pointsman.simulator.ollama import Ollama
from pointsman.simulator.openai import OpenAI
from pointsman.simulator.provider import Provider
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.tally import Tallies, Witness, unwitnessed

DIALECTS: dict[str, Dialect] = {
    "openai": OpenAI(),
    "deepseek": DeepSeek(),
    "moonshot": Moonshot(),
    "anthropic": Anthropic(),
    "gemini": Gemini(),
}

OLLAMA = "ollama"

_BASE_PATHS = {
    "openai": "/openai/v1",
    "deepseek": "/deepseek",
    "moonshot": "/moonshot/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini",
    OLLAMA: "/ollama",
}


class _Endpoint(Protocol):
    is_down: bool

    async def handle(self, request: SimRequest) -> SimResponse: ...


class Simulation:
    """A world that answers requests. `base_urls` has what an adapter is to be given, by kind of provider.

    Everything is sync but `handle`: a test pulls a string and the next request feels it.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Clock,
        seed: int,
        origin: str = "http://simulator.invalid",
        witness: Witness = unwitnessed,
    ) -> None:
        """Begin with fresh accounts, cold local models, and the faults of the scenario still to come."""
        self.scenario = scenario
        self.tallies = Tallies(witness)
        self._script = Script(scenario.faults)
        self._endpoints: dict[str, _Endpoint] = {
            profile.kind: Provider(
                profile, DIALECTS[profile.kind], clock=clock, seed=seed, script=self._script, tallies=self.tallies
            )
            for profile in scenario.providers
        }
        self.local = Ollama(scenario.local, clock=clock, seed=seed, script=self._script, tallies=self.tallies)
        self._endpoints[OLLAMA] = self.local
        self.base_urls: dict[str, str] = {}
        self.move_to(origin)

    def move_to(self, origin: str, *, ollama_url: str | None = None) -> None:
        """Say where the front door is; Ollama may have one of its own."""
        self.base_urls = {kind: origin + path for kind, path in _BASE_PATHS.items() if kind in self._endpoints}
        if ollama_url:
            self.base_urls[OLLAMA] = ollama_url

    async def handle(self, request: SimRequest) -> SimResponse:
        """Answer a request whose path begins with a kind of provider. Raises ConnectionLost when none is to come."""
        _, name, *rest = request.path.split("/", 2)
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            known = ", ".join(f"/{kind}" for kind in self._endpoints)
            body = orjson.dumps({"error": f"no provider is simulated at {request.path}; try {known}"})
            return SimResponse(status=404, headers=(("content-type", "application/json"), SIMULATED_HEADER), body=body)
        inner = SimRequest(
            method=request.method,
            path="/" + "".join(rest),
            query=request.query,
            headers=request.headers,
            body=request.body,
        )
        return await endpoint.handle(inner)

    def script(self, model: str, fault: Fault, *, times: int = 1, wait_s: float = 20.0, after_events: int = 4) -> None:
        """Let the next `times` calls end with the fault; `model` may be a kind of provider too, or "*"."""
        scripted = ScriptedFault(model=model, fault=fault, times=times, wait_s=wait_s, after_events=after_events)
        self._script.add(scripted)

    def down(self, kind: str) -> None:
        """Let nobody listen at that provider any more."""
        self._endpoints[kind].is_down = True

    def up(self, kind: str) -> None:
        """Let the provider serve again, as it was."""
        self._endpoints[kind].is_down = False
