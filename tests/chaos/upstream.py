"""`python -m tests.chaos.upstream KIND SEED BOOK`: one simulated provider, or Ollama, as a process of its own.

Prints its base URL as JSON. Lines on standard input ask for faults: {"fault": "stream_cut", "times": 2}.
"""

import asyncio
import json
import sys
from pathlib import Path

from pointsman.domain.clock import SystemClock
from pointsman.simulator.faults import ANY, Fault
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from tests.chaos.book import Book
from tests.chaos.world import scenario


async def main(kind: str, seed: int, path: Path) -> None:
    """Serve until standard input ends, which it does with whoever started this."""
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with serve(scenario(kind), clock=SystemClock(), seed=seed, witness=Book(path).write) as simulation:
        print(json.dumps({"url": simulation.base_urls[kind]}), flush=True)
        while line := await lines.readline():
            ask_for(simulation, json.loads(line))


def ask_for(simulation: Simulation, asked: dict[str, str]) -> None:
    """Script what is asked for."""
    simulation.script(ANY, Fault(asked["fault"]), times=int(asked["times"]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
