"""Staying with Redis: what is counted there is joined and left, and looked for again, for as long as a block lasts.

Whatever goes wrong, foreseen or not, ends one visit and not the stay: until the next one this Executor goes by its
part of everything.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Final, Never, Protocol

import structlog

from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.executor.ledger.link import LinkDown
from pointsman.executor.ledger.question import Late, UnderWay
from pointsman.executor.ledger.talk import Talk

REFRESH_S: Final = 0.5
"""Between two looks at what other Executors did; as soon, a Redis that hangs is noticed when nobody asks anything."""

REPLICA_S: Final = 10.0
"""An Executor that has not looked for so long is not counted any more; a visit that lasts for so long is steady."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Before Redis is looked for again: doubled from one to the other; after a steady visit the first again."""

TOGETHER: Final = 64
"""Late news sent at once, so that each is answered in time."""


@frozen
class Terms:
    """What all Executors agree on.

    What is held for longer than `lease_s`, its holder has crashed. `timeout_s` is how long Redis may take for an
    answer. `replicas` is how many share it at least.
    """

    lease_s: float
    timeout_s: float
    replicas: int


@frozen
class Events:
    """The names of the two log events of a stay."""

    joined: str
    away: str


class Shared(Protocol):
    """What is counted in Redis, and in this Executor alone while Redis is away. A stay begins away."""

    @property
    def replicas(self) -> int:
        """By how many everything is divided."""

    async def refresh(self) -> None:
        """Look at what other Executors did. Raises LinkDown."""

    def join(self) -> None:
        """Go by Redis from now on."""

    def part(self) -> None:
        """Go by this Executor's part from now on."""


class Stay:
    """This Executor's stay with Redis; `kept` must be entered for it to be more than away."""

    def __init__(
        self,
        shared: Shared,
        talk: Talk,
        under_way: Mapping[int, UnderWay],
        events: Events,
        clock: Clock,
        random: Random,
    ) -> None:
        """Begin away. Calls that come and go in `under_way` are told of when Redis is back."""
        self._shared, self._talk, self._under_way, self._events = shared, talk, under_way, events
        self._clock, self._random = clock, random
        self.is_away = True
        self.tried = asyncio.Event()
        """Set when Redis has been looked for once."""
        self._joined_at: float | None = None
        self._is_told = False
        self._faults: set[type[BaseException]] = set()
        talk.on_loss = self.leave

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Stay until the block ends and Redis has heard what it was told.

        The block begins when Redis has been looked for once.
        """
        keeping = asyncio.create_task(self.keep())
        looked = asyncio.create_task(self.tried.wait())
        try:
            await asyncio.wait({keeping, looked}, return_when=asyncio.FIRST_COMPLETED)
            yield
            await self._talk.answered()
        finally:
            for task in (looked, keeping):
                task.cancel()
            # Not by awaiting them under `suppress`, which would swallow it too when whoever leaves is cancelled here.
            await asyncio.wait({looked, keeping})
            if not keeping.cancelled():
                keeping.result()

    async def keep(self) -> Never:
        """Stay with Redis, and look for it while it is away."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._visit()
            except Exception as fault:  # noqa: BLE001 - the log has it, and requests go by the part until the next visit
                self.leave(fault)
            self.tried.set()
            if self._joined_at is not None and self._clock.monotonic() - self._joined_at > REPLICA_S:
                pause_s = FIRST_PAUSE_S
                self._faults.clear()
            self._joined_at = None
            await self._clock.sleep(pause_s * (1 + self._random.random() / 4))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def begin(self, call: UnderWay, op: str) -> str:
        """Ask Redis whether a call may leave; return why not, empty when it may.

        Raises LinkDown when that is not known. Nothing stays set aside then, nor when whoever asks gives up.
        """
        try:
            answer = await self._talk.ask(call.target, call.asking(op))
            denied: str = self._talk.take_in(call.target, answer).get("denied", "")
        except LinkDown as down:
            self.leave(down)
            self.tell(call.release())  # who knows if it was granted
            raise
        except asyncio.CancelledError:
            self.tell(call.release())
            raise
        return denied

    def adopt(self, call: UnderWay) -> asyncio.Future[bytes]:
        """Tell Redis of a call that left without asking. Raises LinkDown."""
        return self._talk.ask(call.target, call.adoption(self._clock.monotonic()))

    def tell(self, late: Late) -> asyncio.Future[bytes] | None:
        """Tell Redis, which nobody has to wait for; later, with None, while it is away."""
        if not self.is_away:
            # What it knows of was counted by itself when it does not know it any more.
            told = late if late.left_here else replace(late, left_at=None)
            try:
                return self._talk.send(told)
            except LinkDown as down:
                self.leave(down)
        self._talk.late.append(late)
        return None

    def leave(self, why: Exception) -> None:
        """Go by this Executor's part from now on, if that is not so already."""
        down = why if isinstance(why, LinkDown) else LinkDown(f"a fault of Pointsman's, {type(_first(why)).__name__}")
        self._talk.drop(down)
        was_away, self.is_away = self.is_away, True
        self._say(why, down)
        if not was_away:
            self._shared.part()

    async def _visit(self) -> None:
        """Be with Redis until it is lost."""
        try:
            await self._talk.run(self._serve)
        except LinkDown as down:
            self.leave(down)

    async def _serve(self) -> None:
        await self._shared.refresh()
        await self._join()
        self.tried.set()
        while True:
            await self._clock.sleep(REFRESH_S)
            await self._shared.refresh()

    async def _join(self) -> None:
        """Tell Redis what happened without it, then go by it again."""
        while len(self._talk.late) > TOGETHER:
            await asyncio.gather(*self._talk.send_late(TOGETHER))
        # No waiting from here until the part is gone: what is sent now arrives before whatever is asked next.
        now = self._clock.monotonic()
        adopted = [
            call
            for call in self._under_way.values()
            if not call.is_settling and now - call.left_at < self._talk.lease_s
        ]
        sent = [*map(self.adopt, adopted), *self._talk.send_late(TOGETHER)]
        self.is_away, self._joined_at = False, now
        self._shared.join()
        await asyncio.gather(*sent)
        for call in adopted:
            call.left_here = False
        await self._shared.refresh()
        self._is_told = False
        structlog.get_logger().info(self._events.joined, replicas=self._shared.replicas)

    def _say(self, why: Exception, down: LinkDown) -> None:
        """Log that Redis is away: once, and once more for each kind of fault that is not Redis's."""
        log, fault = structlog.get_logger(), _first(why)
        if fault is not down and type(fault) not in self._faults:
            self._faults.add(type(fault))
            log.error(self._events.away, reason=str(down), replicas=self._shared.replicas, exc_info=why)
        elif not self._is_told:
            log.warning(self._events.away, reason=str(down), replicas=self._shared.replicas)
        self._is_told = True


def _first(why: BaseException) -> BaseException:
    """Return what a group of errors began with, of which a lost connection is only what followed."""
    while isinstance(why, BaseExceptionGroup):
        _, faults = why.split(LinkDown)
        why = (faults or why).exceptions[0]
    return why
