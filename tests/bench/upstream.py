"""The simulated providers without latency and without limits, so that what is measured is Pointsman."""

import asyncio
import json

from pointsman.domain.clock import SystemClock
from pointsman.simulator.scenarios import INSTANT
from pointsman.simulator.server import serve


async def main() -> None:
    """Serve, print the base URLs as JSON, and stay until killed."""
    async with serve(INSTANT, clock=SystemClock(), seed=1) as simulation:
        print(json.dumps(simulation.base_urls), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
