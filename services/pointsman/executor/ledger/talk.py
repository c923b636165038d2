"""What is said between this replica and Redis: questions out, answers into the mirror, lost news kept for later."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Never

import orjson

from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.executor.ledger import asking
from pointsman.executor.ledger.asking import Asked, Target
from pointsman.executor.ledger.link import Link, LinkDown, Wire
from pointsman.executor.ledger.memory import DAY_ZONE
from pointsman.executor.ledger.mirror import Mirror
from pointsman.executor.quota import next_midnight

LATE_KEPT = 10_000
"""Calls made while Redis was away that it is told of when it is back; of more, the oldest are forgotten."""


@frozen
class Late:
    """News that can be told later. Instants are of the monotonic clock; None: it does not matter when.

    `left_at` is set where Redis may not know the call, and `left_here` says that it certainly does not.
    """

    target: Target
    asked: Asked
    left_at: float | None = None
    ended_at: float | None = None
    left_here: bool = False

    def question(self, now: float, *, lease_s: float) -> Asked:
        """Return what to ask now: instants become ages, because Redis has a clock of its own."""
        ages: Asked = {}
        # Redis has counted a call that it knew of as used up when the lease was over; it must not count it again.
        if self.left_at is not None and (self.left_here or now - self.left_at < lease_s):
            ages["age_s"] = now - self.left_at
        if self.ended_at is not None:
            ages["ended_ago_s"] = now - self.ended_at
        return self.asked | ages


class Talk:
    """Asks, and takes in what is answered. Raises LinkDown where Redis cannot be asked."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        connect: Callable[[], Awaitable[Wire]],
        mirror: Mirror,
        clock: Clock,
        margin_s: float,
        lease_s: float,
        timeout_s: float,
    ) -> None:
        """Say nothing yet."""
        self._clock, self._mirror = clock, mirror
        self._margin_s, self._lease_s, self._timeout_s = margin_s, lease_s, timeout_s
        self._link = Link(connect, asking.script(), timeout_s=timeout_s)
        self.targets: dict[str, Target] = {}
        self.everything = self._heed(candidates)
        self.late: deque[Late] = deque(maxlen=LATE_KEPT)
        self.on_loss: Callable[[LinkDown], object] = self._link.drop
        """Called when news got lost; it is in `late` then."""
        self.moment: Callable[[], float] | None = None
        """Stands in for Redis's own clock where a test moves time."""
        self._ahead_s = -math.inf
        self._day_ends_at: datetime | None = None

    def heed(self, candidates: Sequence[Candidate], *, lease_s: float) -> None:
        """Ask by the limits of these candidates from now on; those that calls under way know are kept."""
        self.everything, self._lease_s = self._heed(candidates), lease_s

    def _heed(self, candidates: Sequence[Candidate]) -> Target:
        limits = asking.ceilings(candidates)
        for candidate in candidates:
            scopes = (scope.name for scope in candidate.scopes)
            self.targets[candidate.id] = asking.target(scopes, limits, self._link.sha, candidate=candidate)
        return asking.target(limits, limits, self._link.sha)

    async def run(self, while_up: Callable[[], Awaitable[None]]) -> Never:
        """Connect, and run `while_up` until the connection is lost. Raises LinkDown, always."""
        self.start_over()
        await self._link.run(while_up)

    def start_over(self) -> None:
        """Believe nothing that was heard before: it may come from another Redis."""
        self._mirror.start_over()
        self._ahead_s = -math.inf

    def drop(self, why: LinkDown) -> None:
        """Give the connection up; whoever waits for an answer gets LinkDown."""
        self._link.drop(why)

    def ask(self, target: Target, asked: Asked) -> asyncio.Future[bytes]:
        """Send a question; `take_in` reads its answer."""
        here = self._clock.now()
        if self._day_ends_at is None or here >= self._day_ends_at:
            self._day_ends_at = next_midnight(here, DAY_ZONE)
        asked = asked | {
            "day_s": (self._day_ends_at - here).total_seconds(),
            "wall_s": here.timestamp(),
            "margin_s": self._margin_s,
            "lease_s": self._lease_s,
        }
        if self.moment:
            asked["now"] = self.moment()
        elif self._ahead_s > -math.inf:
            # A Redis that hung must not do later what nobody waits for any more.
            asked["not_after"] = self._clock.monotonic() + self._ahead_s + 2 * self._timeout_s
        return self._link.call(target.command(asked))

    def take_in(self, target: Target, raw: bytes) -> dict[str, Any]:
        """Read an answer: the mirror has it then."""
        reply: dict[str, Any] = orjson.loads(raw)
        now = self._clock.monotonic()
        if "late" in reply:
            raise LinkDown("it came to the question too late")
        # The quickest answer knows Redis's clock best. Both clocks run on at one speed, or nearly.
        self._ahead_s = max(self._ahead_s, reply["now"] - now)
        self._mirror.take_in(target.scopes, reply["scopes"], now)
        return reply

    def send(self, late: Late) -> asyncio.Future[bytes]:
        """Send news; where it gets lost on the way, it is kept for later."""
        future = self.ask(late.target, late.question(self._clock.monotonic(), lease_s=self._lease_s))
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
