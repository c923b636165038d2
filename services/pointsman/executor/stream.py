"""One streamed answer: the attempt loop as a task of its own, beside whoever reads what it makes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pointsman.domain.prompt import Request
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from pointsman.executor.journal.row import NO_RULING, Ruling
from pointsman.executor.outlet import Outlet


@asynccontextmanager
async def answering(
    engine: Execute,
    request: Request,
    category: str,
    *,
    outlet: Outlet,
    deadline: float,
    ruling: Ruling = NO_RULING,
) -> AsyncGenerator[asyncio.Task[Execution], None]:
    """Have the answer made, which comes out of the outlet; yield its Execution, to be awaited behind the content.

    However the block is left, the loop has ended and settled by then. The Execution may be partial; awaiting it raises
    what `Execute.execute` raises, and only where there was no content.
    """
    # Not a TaskGroup: who reads wants the error itself, and only behind the end of the outlet.
    running = asyncio.create_task(engine.execute(request, category, deadline=deadline, outlet=outlet, ruling=ruling))
    running.add_done_callback(lambda _: outlet.close())
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # seen, so that asyncio does not report it where nobody is left to hear
