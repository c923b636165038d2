"""The trace of a request over three real processes, read back from a tracing backend that nobody here wrote."""

from typing import Any

import pytest

from pointsman.simulator.simulation import Simulation
from tests.fakes.traced_request import LIMITED_MODEL, SPANS, traced_request
from tests.fakes.tracing_backend import tracing_backend

ROUTER = "pointsman.v1.RouterService/Route"
CLASSIFIER = "pointsman.v1.ClassifierService/Classify"
EXECUTOR = "pointsman.v1.ExecutorService/Execute"


def path_of(span: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Return the names from the root down to the span."""
    above = by_id.get(span["parent_id"] or "")
    return (*(path_of(above, by_id) if above else ()), span["name"])


@pytest.mark.needs_backend
@pytest.mark.timeout(240)  # the backend makes its database first
async def test_a_backend_shows_every_hop_of_three_processes_below_its_parent(simulation: Simulation) -> None:
    async with tracing_backend() as backend:
        answer = await traced_request(simulation, otlp_endpoint=backend.otlp_endpoint)
        spans = await backend.spans_of(answer.response.trace_id, count=SPANS)

    by_id = {span["context"]["span_id"]: span for span in spans}
    assert len(by_id) == len(spans)
    assert sorted(path_of(span, by_id) for span in spans) == sorted(
        [
            (ROUTER,),
            (ROUTER, CLASSIFIER),
            (ROUTER, CLASSIFIER, CLASSIFIER),
            (ROUTER, CLASSIFIER, CLASSIFIER, "pointsman.classify"),
            (ROUTER, CLASSIFIER, CLASSIFIER, "pointsman.classify", "text_completion qwen2.5:1.5b-instruct"),
            (ROUTER, EXECUTOR),
            (ROUTER, EXECUTOR, EXECUTOR),
            (ROUTER, EXECUTOR, EXECUTOR, f"chat {LIMITED_MODEL}"),
            (ROUTER, EXECUTOR, EXECUTOR, f"chat {answer.response.model}"),
        ]
    )
    assert [span["name"] for span in spans if span["status_code"] == "ERROR"] == [f"chat {LIMITED_MODEL}"]
