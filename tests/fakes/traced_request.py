"""One request over three processes that send spans: the small model is asked, and the first candidate refuses."""

from pathlib import Path

from pointsman.cli.rehearsal import overrides
from pointsman.config import load
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from pointsman.v1 import types_pb2
from pointsman_client import Answer, Client
from tests.fakes.three_processes import three_processes

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
PROMPT = "2+2는?"
LIMITED_MODEL = "gemini-3.8-flash"
SPANS = 9
"""Router, Classifier and Executor with the calls between them, the verdict, the small model, two attempts."""


async def traced_request(simulation: Simulation, *, otlp_endpoint: str) -> Answer:
    """Return the answer once the three have stopped, and so have sent all their spans."""
    environment = overrides(load(REFERENCE, environ={}), simulation.base_urls) | {
        "POINTSMAN_CONFIG": str(REFERENCE),
        "POINTSMAN__CLASSIFIER__MODE": "ollama",
        "POINTSMAN__CLASSIFIER__CACHE_ENTRIES": "0",
        # Three answers that are late by a busy machine would silence the small model for fifteen seconds.
        "POINTSMAN__CLASSIFIER__OLLAMA__TIMEOUT_S": "20",
        "POINTSMAN__ROUTER__CLASSIFIER_TIMEOUT_S": "20",
        "POINTSMAN__TELEMETRY__OTLP_ENDPOINT": otlp_endpoint,
    }
    async with three_processes(environment) as router, Client(router) as client:
        while not await _asks_the_model(client):
            pass
        simulation.script(LIMITED_MODEL, Fault.MINUTE_LIMIT)
        return await client.route(PROMPT)


async def _asks_the_model(client: Client) -> bool:
    """Return whether the small model is loaded and has its say."""
    explanation = await client.explain("Is the model there?")
    return explanation.response.verdict.model_hop == types_pb2.MODEL_HOP_ANSWERED
