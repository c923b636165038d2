"""One streamed answer: the attempt loop as a task of its own, and what it makes, as it makes it."""

import asyncio
from collections.abc import AsyncGenerator

from pointsman.domain.answer import Delta
from pointsman.domain.prompt import Request
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from pointsman.executor.journal.row import NO_RULING, Ruling
from pointsman.executor.outlet import Outlet, Start


async def stream(
    engine: Execute,
    request: Request,
    category: str,
    *,
    deadline: float,
    window_s: float,
    ruling: Ruling = NO_RULING,
) -> AsyncGenerator[Start | Delta | Execution, None]:
    """Yield the start and the content of the answer, then exactly one Execution, which may be partial.

    Use under `contextlib.aclosing`: however it is left, the loop has ended and settled by then. Deltas bundle what
    comes within `window_s` seconds. Raises what `Execute.execute` raises, and only before the start.
    """
    outlet = Outlet(clock=engine.clock, window_s=window_s)
    # Not a TaskGroup: a generator may be closed from another task than it was begun in.
    running = asyncio.create_task(engine.execute(request, category, deadline=deadline, outlet=outlet, ruling=ruling))
    running.add_done_callback(lambda _: outlet.close())
    try:
        async for piece in outlet.pieces():
            yield piece
        yield await running
    finally:
        running.cancel()
        await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # seen, so that asyncio does not report it where nobody is left to hear
