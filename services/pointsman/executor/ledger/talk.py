"""What is said between this Executor and Redis: questions out, answers into a mirror, lost news kept for later."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Never, Protocol

import orjson

from pointsman.domain.clock import Clock
from pointsman.executor.ledger.link import Link, LinkDown, Wire
from pointsman.executor.ledger.question import Asked, Late, Target

LATE_KEPT = 10_000
"""Calls made while Redis was away that it is told of when it is back; of more, the oldest are forgotten."""


class Heard(Protocol):
    """Holds what was last heard."""

    def start_over(self) -> None:
        """Take in everything that comes next: it may come from another Redis."""

    def take_in(self, scopes: Sequence[str], views: Iterable[Any], at: float) -> None:
        """Replace what is known of these scopes by what was told at an instant of the monotonic clock."""


class Talk:
    """Asks, and takes in what is answered. Raises LinkDown where Redis cannot be asked."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Wire]],
        script: bytes,
        mirror: Heard,
        *,
        clock: Clock,
        lease_s: float,
        timeout_s: float,
        facts: Callable[[], Asked] = dict,
    ) -> None:
        """Say nothing yet. `facts` are what the script must know with every question."""
        self._clock, self._mirror, self._facts, self._timeout_s = clock, mirror, facts, timeout_s
        self._link = Link(connect, script, timeout_s=timeout_s)
        self.sha = self._link.sha
        self.lease_s = lease_s
        """What is held for longer, its holder has crashed."""
        self.late: deque[Late] = deque(maxlen=LATE_KEPT)
        self.on_loss: Callable[[LinkDown], object] = self._link.drop
        """Called when news got lost; it is in `late` then."""
        self.moment: Callable[[], float] | None = None
        """Stands in for Redis's own clock where a test moves time."""
        self._ahead_s = -math.inf

    async def run(self, while_up: Callable[[], Awaitable[None]]) -> Never:
        """Connect, and run `while_up` until the connection is lost. Raises LinkDown, always."""
        self.start_over()
        await self._link.run(while_up)

    def start_over(self) -> None:
        """Believe nothing that was heard before: it may come from another Redis."""
        self._mirror.start_over()
        self._ahead_s = -math.inf

    async def answered(self) -> None:
        """Wait until all that was sent so far is answered or lost."""
        await self._link.answered()

    def drop(self, why: LinkDown) -> None:
        """Give the connection up; whoever waits for an answer gets LinkDown."""
        self._link.drop(why)

    def ask(self, target: Target, asked: Asked) -> asyncio.Future[bytes]:
        """Send a question; `take_in` reads its answer."""
        asked = {**asked, **self._facts(), "lease_s": self.lease_s}
        if self.moment:
            asked["now"] = self.moment()
        elif self._ahead_s > -math.inf:
            # A Redis that hung must not do later what nobody waits for any more.
            asked["not_after"] = self._clock.monotonic() + self._ahead_s + 2 * self._timeout_s
        return self._link.call(target.command(asked))

    def take_in(self, target: Target, raw: bytes) -> dict[str, Any]:
        """Read an answer: the mirror has it then."""
        now = self._clock.monotonic()
        try:
            reply: dict[str, Any] = orjson.loads(raw)
            if "late" in reply:
                raise LinkDown("it came to the question too late")
            # The quickest answer knows Redis's clock best. Both clocks run on at one speed, or nearly.
            self._ahead_s = max(self._ahead_s, reply["now"] - now)
            self._mirror.take_in(target.scopes, reply["scopes"], now)
        except (LookupError, TypeError, ValueError) as error:  # of another version of the script, or no JSON at all
            raise LinkDown(f"its answer cannot be read ({type(error).__name__}: {error})") from error
        return reply

    def send(self, late: Late) -> asyncio.Future[bytes]:
        """Send news; where it gets lost on the way, it is kept for later."""
        future = self.ask(late.target, late.question(self._clock.monotonic(), lease_s=self.lease_s))
        future.add_done_callback(partial(self._sent, late))
        return future

    def send_late(self, most: int) -> list[asyncio.Future[bytes]]:
        """Send what was kept, the oldest first."""
        sent = []
        for _ in range(min(most, len(self.late))):
            sent.append(self.send(self.late[0]))
            self.late.popleft()
        return sent

    def _sent(self, late: Late, future: asyncio.Future[bytes]) -> None:
        if future.cancelled():
            return
        try:
            self.take_in(late.target, future.result())
        except LinkDown as down:
            self.late.append(late)
            self.on_loss(down)
