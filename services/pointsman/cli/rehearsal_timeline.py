"""Virtual time for a rehearsal: a clock that is moved by hand, stories that wait on it, and a queue for few places.

Stories are plain generators, because an event loop costs more than what a rehearsed request has to do.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Ticket:
    """A place in the queue, given up at `until`. `is_granted` says afterwards whether it was had."""

    until: float
    story: "Story | None" = None
    is_granted: bool = False
    is_over: bool = False


Waits = Generator[float | Ticket, None, T]
"""Part of a story; yields the instants until which it waits, and returns what came of it."""

Story = Waits[None]
"""One request from its arrival to its end."""


class ManualClock:
    """Time that stands still until it is moved; implements `domain.clock.Clock`."""

    def __init__(self, start: datetime, at_s: float) -> None:
        """Stand `at_s` seconds after `start`."""
        self._start = start
        self._epoch_s = start.timestamp()
        self.at_s = at_s

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.at_s)

    def monotonic(self) -> float:
        return self.at_s

    def at(self, at_s: float) -> datetime:
        """Return the instant of so many seconds after the start."""
        return self._start + timedelta(seconds=at_s)

    def epoch_s(self) -> float:
        """Return seconds since 1970."""
        return self._epoch_s + self.at_s

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing in a rehearsal may sleep, not even {seconds} s")


class Timeline:
    """Stories in the order in which they wake."""

    def __init__(self, clock: ManualClock) -> None:
        """Begin with nobody waiting."""
        self._clock = clock
        self._waiting: list[tuple[float, int, Story, Ticket | None]] = []
        self._numbers = itertools.count()

    def begin(self, story: Story, at_s: float) -> None:
        """Let all come first that is due until `at_s`, then begin a story there."""
        self.let_pass(at_s)
        self._clock.at_s = at_s
        self._go_on(story)

    def let_pass(self, until: float = math.inf) -> None:
        """Wake whoever waits for an instant up to `until`, in turn; without it, until nobody waits."""
        waiting, clock = self._waiting, self._clock
        while waiting and waiting[0][0] <= until:
            at_s, _, story, ticket = heapq.heappop(waiting)
            if ticket is not None:
                if ticket.is_over:
                    continue
                ticket.is_over = True
            clock.at_s = max(at_s, clock.at_s)
            self._go_on(story)

    def wake(self, story: Story) -> None:
        """Let a story go on at this instant, after those that are due now."""
        heapq.heappush(self._waiting, (self._clock.at_s, next(self._numbers), story, None))

    def _go_on(self, story: Story) -> None:
        waits = next(story, None)
        if isinstance(waits, Ticket):
            waits.story = story
            heapq.heappush(self._waiting, (waits.until, next(self._numbers), story, waits))
        elif waits is not None:
            heapq.heappush(self._waiting, (waits, next(self._numbers), story, None))


class Places:
    """So many places, had in the order of asking; no more than `queue` wait for one."""

    def __init__(self, places: int, *, queue: int, clock: ManualClock, timeline: Timeline) -> None:
        """Begin with all of them free."""
        self._free = places
        self._most_waiting = queue
        self._clock = clock
        self._timeline = timeline
        self._queue: deque[Ticket] = deque()

    @property
    def is_full(self) -> bool:
        """True when all places are taken and as many wait as may."""
        if self._free:
            return False
        return sum(not ticket.is_over for ticket in self._queue) >= self._most_waiting

    def take(self, until: float) -> Waits[bool]:
        """Take a place; False when none came free until that instant."""
        if self._free:
            self._free -= 1
            return True
        ticket = Ticket(until)
        if until > self._clock.at_s:
            self._queue.append(ticket)
            yield ticket
        return ticket.is_granted

    def give_back(self) -> None:
        """Give a place to whoever has waited longest, else free it."""
        while self._queue:
            ticket = self._queue.popleft()
            if not ticket.is_over and ticket.story:
                ticket.is_granted = ticket.is_over = True
                self._timeline.wake(ticket.story)
                return
        self._free += 1


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that never waits, as those of the memory ledger do not."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise AssertionError("the ledger of a rehearsal must not wait")
