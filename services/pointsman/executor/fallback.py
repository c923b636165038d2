"""The local model that answers when no candidate does, and the queue in front of it, in which callers take turns."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from pointsman.domain.places import Denied, Places
from pointsman.domain.pool import Candidate


@dataclass(slots=True, kw_only=True)
class Fallback:
    """`concurrency` bounds its answers at once, `queue` has the places of those who wait. `timeout_s` bounds an answer.

    A slot that comes free goes to the caller whose turn it is, and with that caller to who has waited longest.
    """

    candidate: Candidate
    concurrency: int
    queue: Places
    timeout_s: float
    _busy: int = 0
    _lines: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    """Who waits, by caller; the first caller is the next one."""

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self.queue.taken

    @property
    def is_busy(self) -> bool:
        """True when no slot is free."""
        return self._busy >= self.concurrency

    def denied(self, caller: str) -> Denied | None:
        """Return whose limit keeps a caller out of the queue; None when there is a place, or a slot is free."""
        return self.queue.denied(caller) if self.is_busy else None

    async def take_slot(self, caller: str, within_s: float) -> bool:
        """Take a slot, which its taker frees; False when none came free in that time."""
        if within_s <= 0:
            return False
        if not self.is_busy:
            self._busy += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(caller, deque()).append(turn)
        self.queue.take(caller)
        try:
            async with asyncio.timeout(within_s):
                await turn
        except BaseException as error:
            if turn.cancelled():
                self._leave(caller, turn)
            else:  # the slot came in the same moment
                self.free_slot()
            if isinstance(error, TimeoutError):
                return False
            raise
        finally:
            self.queue.give_back(caller)
        return True

    def free_slot(self) -> None:
        """Hand a slot on to whose turn it is; free it when nobody waits."""
        while self._lines:
            caller = next(iter(self._lines))
            line = self._lines.pop(caller)
            turn = line.popleft()
            if line:
                self._lines[caller] = line  # behind all others
            if not turn.done():  # else whoever waited is just leaving
                turn.set_result(None)
                return
        self._busy -= 1

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(caller)
        if line and turn in line:
            line.remove(turn)
            if not line:
                del self._lines[caller]
