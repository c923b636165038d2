"""The local model that answers when no candidate does, and the queue in front of it."""

import asyncio
from dataclasses import dataclass

from pointsman.domain.pool import Candidate


@dataclass(slots=True, kw_only=True)
class Fallback:
    """`slots` bounds its answers at once, `queue` how many requests may wait for one. `timeout_s` bounds an answer."""

    candidate: Candidate
    slots: asyncio.Semaphore
    queue: int
    timeout_s: float
    waiting: int = 0

    @property
    def is_full(self) -> bool:
        """True when all slots are taken and as many wait as may."""
        return self.slots.locked() and self.waiting >= self.queue

    async def take_slot(self, within_s: float) -> bool:
        """Take a slot, which its taker releases; False when none came free in that time."""
        if within_s <= 0:
            return False
        self.waiting += 1
        try:
            async with asyncio.timeout(within_s):
                return await self.slots.acquire()
        except TimeoutError:
            return False
        finally:
            self.waiting -= 1
