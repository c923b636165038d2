"""What callers use, counted in Redis for all Executors, and in each Executor by its part while Redis is away."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random

from pointsman.domain.clock import Clock
from pointsman.domain.trail import Attempt
from pointsman.executor.allowance import Allowance, Charge, Held, used
from pointsman.executor.instant import Instant
from pointsman.executor.ledger import caller_asking as asking
from pointsman.executor.ledger.caller_mirror import CallerMirror
from pointsman.executor.ledger.caller_part import part_of
from pointsman.executor.ledger.link import LinkDown, Wire
from pointsman.executor.ledger.question import Asked, Late, Target, UnderWay
from pointsman.executor.ledger.stay import REPLICA_S, TOGETHER, Events, Stay, Terms
from pointsman.executor.ledger.talk import Talk
from pointsman.executor.purse import NOTHING
from pointsman.telemetry import names


@dataclass(slots=True, kw_only=True)
class ChargedCall(UnderWay):
    """A call of this Executor for a caller. `here` is what it holds in which part, while there is one."""

    caller: str
    own: Held
    here: tuple[Allowance, Held] | None = None


class Account:
    """Callers whose use nobody counts are no affair of it. It outlives the settings: `heed` tells it of newer ones."""

    def __init__(self, terms: Terms, *, connect: Callable[[], Awaitable[Wire]], clock: Clock, random: Random) -> None:
        """Start with a part of every allowance, until Redis is found."""
        self._clock = clock
        self._least_replicas = self.replicas = terms.replicas
        self._mirror = CallerMirror(clock)
        self.talk = Talk(
            connect, asking.script(), self._mirror, clock=clock, lease_s=terms.lease_s, timeout_s=terms.timeout_s
        )
        self._everybody = asking.everybody(self.talk.sha)
        self._looked_at = "+inf"
        """By Redis's clock, in its words."""
        self._replica = f"{random.getrandbits(64):016x}"
        self._numbers = itertools.count(1)
        self.under_way: dict[int, ChargedCall] = {}
        self._parts: dict[str, Allowance] = {}
        events = Events(joined=names.EVENT_ALLOWANCES_JOINED, away=names.EVENT_ALLOWANCES_AWAY)
        self.stay = Stay(self, self.talk, self.under_way, events, clock, random)

    def heed(self, known: Mapping[str, Allowance], *, lease_s: float) -> None:
        """Go by these allowances, which have inherited those before, from now on; leases never become shorter."""
        before, at = self._mirror.known, self._instant()
        self._mirror.known = known
        self.talk.lease_s = max(self.talk.lease_s, lease_s)
        for caller, part in list(self._parts.items()):
            if caller in known and known[caller].is_shared:
                # What is under way goes on in the part with which it began; both count in the same windows and purses.
                renewed, _ = part_of(known[caller], (), self.replicas, at)
                renewed.inherit(part)
                self._parts[caller] = renewed
        for caller, allowance in known.items():
            if not self.stay.is_away and _has_new_purse(allowance, before.get(caller)):
                # Sent before whatever is asked next: what the journal says was spent counts in Redis from now on.
                reading = asking.reading(allowance, at.now)
                self.stay.tell(Late(target=self._target(allowance, at), asked=reading))

    def current(self, whole: Allowance) -> Allowance:
        """Return what is left of an allowance here: the whole; while Redis is away, this Executor's part."""
        if not whole.is_shared:
            return whole
        self._mirror.due.add(whole.caller)
        if not self.stay.is_away:
            return whole
        if whole.caller not in self._parts:
            calls = [call for call in self.under_way.values() if call.caller == whole.caller]
            part, held = part_of(whole, [call.own for call in calls], self.replicas, self._instant())
            for call, here in zip(calls, held, strict=True):
                call.here = part, here
            self._parts[whole.caller] = part
        return self._parts[whole.caller]

    # --- What is said of requests and calls

    async def admit(self, allowance: Allowance, at: Instant) -> str:
        """Count one request in Redis; return why it is one too many, empty when it is not. Raises LinkDown."""
        target = self._target(allowance, at)
        answer = await self.talk.ask(target, {"op": "admit"})
        denied: str = self.talk.take_in(target, answer).get("denied", "")
        return denied

    def call(self, allowance: Allowance, charge: Charge, at: Instant) -> ChargedCall:
        """Return a call that is about to leave."""
        own = Held(number=next(self._numbers), tokens=charge.tokens, most_usd=charge.most_usd or NOTHING)
        return ChargedCall(
            id=f"{self._replica}-{own.number}",
            target=self._target(allowance, at),
            held=asking.amounts(own.tokens, own.most_usd),
            left_at=at.monotonic_s,
            caller=allowance.caller,
            own=own,
        )

    def begin(self, call: ChargedCall, allowance: Allowance, at: Instant) -> Held:
        """Note a call that Redis knows of, and return what it holds."""
        if self.stay.is_away:  # as it answered
            part = self.current(allowance)
            call.here = part, part.take(Charge(tokens=call.own.tokens, most_usd=call.own.most_usd), at)
        self.under_way[call.own.number] = call
        return call.own

    def begin_here(self, allowance: Allowance, charge: Charge, here: Held, at: Instant) -> Held:
        """Note a call that holds something in this Executor's part, and return what it holds."""
        call = self.call(allowance, charge, at)
        call.here, call.left_here = (self.current(allowance), here), True
        self.under_way[call.own.number] = call
        return call.own

    def begin_unasked(self, allowance: Allowance, charge: Charge, at: Instant) -> Held:
        """Note a call that leaves whether it fits or not, tell Redis of it, and return what it holds."""
        call = self.call(allowance, charge, at)
        self.under_way[call.own.number] = call
        try:
            _ = self.stay.adopt(call)
        except LinkDown as down:
            self.stay.leave(down)
        return call.own

    def end(self, allowance: Allowance, held: Held, attempt: Attempt | None, at: Instant) -> None:
        """Replace what a call holds by what it used; that counts for the day and the month of its end."""
        call = self.under_way.pop(held.number)
        if call.here:
            part, here = call.here
            part.settle(here, attempt, at)
        self.stay.tell(call.end(asking.amounts(*used(held, attempt)), target=self._target(allowance, at)))

    # --- Here and away

    async def refresh(self) -> None:
        """Look at what callers use elsewhere, and tell what is known to be spent. Raises LinkDown."""
        asked: Asked = {"op": "look", "replica": self._replica, "replica_s": REPLICA_S, "since": self._looked_at}
        reply = self.talk.take_in(self._everybody, await self.talk.ask(self._everybody, asked))
        self.replicas, self._looked_at = max(self._least_replicas, int(reply["replicas"])), reply["looked_at"]
        due, self._mirror.due = self._mirror.due.union(reply["changed"]), set()
        known = [allowance for caller in due if (allowance := self._mirror.known.get(caller)) and allowance.is_shared]
        for first in range(0, len(known), TOGETHER):
            await asyncio.gather(*map(self._read, known[first : first + TOGETHER]))

    def join(self) -> None:
        """Go by Redis from now on."""
        self._forget_parts()

    def part(self) -> None:
        """Go by parts from now on, each of which is made when somebody asks for it."""
        self._forget_parts()

    def _forget_parts(self) -> None:
        self._parts = {}
        for call in self.under_way.values():
            call.here = None

    async def _read(self, allowance: Allowance) -> None:
        at = self._instant()
        target = self._target(allowance, at)
        self.talk.take_in(target, await self.talk.ask(target, asking.reading(allowance, at.now)))

    def _target(self, allowance: Allowance, at: Instant) -> Target:
        return asking.target(allowance.caller, allowance.grant, at.now, self.talk.sha)

    def _instant(self) -> Instant:
        return Instant(now=self._clock.now(), monotonic_s=self._clock.monotonic())


def _has_new_purse(allowance: Allowance, before: Allowance | None) -> bool:
    known = {purse.term for purse in before.purses} if before else set()
    return any(purse.term not in known for purse in allowance.purses)
