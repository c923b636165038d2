"""A task that stays with Redis for as long as a block lasts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Never


@asynccontextmanager
async def keeping(stay: Coroutine[None, None, Never], tried: asyncio.Event) -> AsyncIterator[None]:
    """Run `stay` until the block ends; the block begins when Redis has been looked for once, which `tried` says."""
    staying = asyncio.create_task(stay)
    looked = asyncio.create_task(tried.wait())
    try:
        await asyncio.wait({staying, looked}, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        for task in (looked, staying):
            task.cancel()
        # Not by awaiting them under `suppress`, which would swallow it too when whoever leaves is cancelled here.
        await asyncio.wait({looked, staying})
        if staying.done() and not staying.cancelled():
            staying.result()
