"""Router, Classifier and Executor as three `pointsman serve` processes, as on three machines."""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.fakes.command import pointsman_running


@asynccontextmanager
async def three_processes(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Start the three with this environment and yield the Router's address; at the end of the block they stop in order.

    Each gets to stop by itself, and so to send the spans that it still holds.
    """
    environment = {
        **environment,
        "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
    }
    async with (
        pointsman_running("serve", "executor", "--json", environment=environment) as executor,
        pointsman_running("serve", "classifier", "--json", environment=environment) as classifier,
    ):
        peers = {
            "POINTSMAN__ROUTER__EXECUTOR_ADDRESS": (await executor.json_line())["addresses"]["executor"],
            "POINTSMAN__ROUTER__CLASSIFIER_ADDRESS": (await classifier.json_line())["addresses"]["classifier"],
        }
        async with pointsman_running("serve", "router", "--json", environment=environment | peers) as router:
            yield (await router.json_line())["addresses"]["router"]
            for process in (router, classifier, executor):
                process.tell(signal.SIGTERM)
            for process in (router, classifier, executor):
                assert (await process.end()).code == 0
