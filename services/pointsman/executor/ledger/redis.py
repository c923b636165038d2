"""The ledger of several processes: one truth in Redis, and a share of it in each process while Redis is away."""

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.ledger import asking
from pointsman.executor.ledger.lessons import scope_of
from pointsman.executor.ledger.link import LinkDown, Wire
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.mirror import Mirror
from pointsman.executor.ledger.port import Reservation, Settlement, WindowState
from pointsman.executor.ledger.question import Asked, Late, Target, UnderWay
from pointsman.executor.ledger.scopes import DAY_ZONE
from pointsman.executor.ledger.share import Share
from pointsman.executor.ledger.stay import REPLICA_S, Events, Stay, Terms
from pointsman.executor.ledger.talk import Talk
from pointsman.executor.pools import longest_call_s
from pointsman.executor.quota import Estimate, next_midnight
from pointsman.telemetry import names

DENIED = {
    "size": SkipReason.REQUEST_EXCEEDS_QUOTA,
    "cooldown": SkipReason.COOLING,
    "quota": SkipReason.OUT_OF_QUOTA,
}


@dataclass(slots=True, kw_only=True)
class ReservedCall(UnderWay):
    """A call of this process. `here` is its reservation in the share, while there is one."""

    reservation: Reservation
    here: Reservation | None = None


class RedisLedger:
    """Asks Redis before each call and tells it after each; plans by what it last heard. `kept` must be entered.

    Whatever Redis does, no request waits longer for it than the deadline, nor fails. Models on this machine are no
    affair of other replicas: they are kept in memory.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        terms: Terms,
        *,
        margin_s: float,
        connect: Callable[[], Awaitable[Wire]],
        clock: Clock,
        random: Random,
    ) -> None:
        """Start with a share, until Redis is found. `margin_s` is added to every window."""
        known = tuple(candidates)
        self.name = "redis-away"
        self._candidates = tuple(candidate for candidate in known if not candidate.local)
        self._beyond_s = terms.lease_s - longest_call_s(known)
        self._margin_s, self._clock, self._random = margin_s, clock, random
        self._least_replicas = self.replicas = terms.replicas
        self._watchers: list[Callable[[str], None]] = []
        local = (candidate for candidate in known if candidate.local)
        self._local = MemoryLedger(local, clock=clock, random=random, margin_s=margin_s)
        self._mirror = Mirror(self._candidates, clock=clock, random=random, margin_s=margin_s)
        self._local.watch(self._tell)
        self._mirror.watch(self._tell)
        self.talk = Talk(
            connect,
            asking.script(),
            self._mirror,
            clock=clock,
            lease_s=terms.lease_s,
            timeout_s=terms.timeout_s,
            facts=self._facts,
        )
        self._targets: dict[str, Target] = {}
        self._everything = self._target_all()
        self._share = self._new_share()
        self._ids = itertools.count(1)
        self._last_left_at = -math.inf
        self._day_ends_at: datetime | None = None
        self._replica = f"{random.getrandbits(64):016x}"
        self._under_way: dict[int, ReservedCall] = {}
        events = Events(joined=names.EVENT_LEDGER_JOINED, away=names.EVENT_LEDGER_AWAY)
        self.stay = Stay(self, self.talk, self._under_way, events, clock, random)

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Stay with Redis until the block ends; it begins when Redis has been looked for once."""
        return self.stay.kept()

    # --- What the port asks for

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Count by the limits of these candidates from now on; leases never become shorter."""
        known = tuple(candidates)
        self.talk.lease_s = max(self.talk.lease_s, self._beyond_s + longest_call_s(known))
        self._candidates = tuple(candidate for candidate in known if not candidate.local)
        self._local.heed(candidate for candidate in known if candidate.local)
        self._mirror.heed(self._candidates)
        self._everything = self._target_all()
        if self.stay.is_away:
            self._share.heed(self._candidates)

    def skip(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        """Return why the candidate could not be called, as far as is known here; None when it could."""
        return self._known(candidate).skip(candidate, estimate)

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        """Set quota aside for a call that leaves now, or return why not."""
        if candidate.local:
            return await self._local.reserve(candidate, estimate)
        if self.stay.is_away:
            return await self._reserve_here(candidate, estimate)
        left_at = self._last_left_at = max(self._clock.monotonic(), math.nextafter(self._last_left_at, math.inf))
        call = self._call(Reservation(id=next(self._ids), candidate=candidate, estimate=estimate, left_at=left_at))
        try:
            denied = await self.stay.begin(call, "reserve")
        except LinkDown:
            return await self._reserve_here(candidate, estimate)
        if denied:
            detail = "another replica has just taken what was left"
            return self._mirror.skip(candidate, estimate) or Skip(
                candidate=candidate.id, reason=DENIED[denied], detail=detail
            )
        if self._known(candidate) is self._share:  # Redis went away as it answered
            call.here = self._share.adopt(call.reservation)
        self._under_way[call.reservation.id] = call
        return call.reservation

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace what was set aside by what was used, and take in what the outcome teaches."""
        if reservation.candidate.local:
            await self._local.settle(reservation, settlement)
            return
        call = self._under_way.get(reservation.id)
        if call is None or call.is_settling:
            return
        call.is_settling = True
        told = self.stay.tell(self._end(call, settlement))
        try:
            if told:
                await asyncio.wait([told])  # a caller who gives up does not take it back
        finally:
            del self._under_way[reservation.id]
            if call.here:  # the share may have taken it over meanwhile
                await self._share.settle(call.here, settlement)

    def take_out(self, candidate: Candidate, cause: Outcome) -> None:
        """Leave the candidate out until `revive`."""
        self._known(candidate).take_out(candidate, cause)
        if not candidate.local:
            scope = asking.scope_index(candidate, scope_of(candidate, cause))
            asked: Asked = {"op": "take_out", "scope": scope, "cause": cause}
            self.stay.tell(Late(target=self._targets[candidate.id], asked=asked))

    def revive(self, candidate: Candidate) -> None:
        """Let one call try whether a candidate that was taken out works again."""
        self._known(candidate).revive(candidate)
        if not candidate.local:
            self.stay.tell(Late(target=self._targets[candidate.id], asked={"op": "revive"}))

    def is_out(self, candidate: Candidate) -> Outcome | None:
        """Return why the candidate is out until a person acts or a free probe passes."""
        return self._known(candidate).is_out(candidate)

    def is_told(self, candidate: Candidate) -> bool:
        """Return whether settings or the provider itself say how much it allows."""
        return self._known(candidate).is_told(candidate)

    def windows(self, candidate: Candidate) -> tuple[WindowState, ...]:
        """Return the windows that hold for the candidate and have a limit; while Redis is away, this replica's part."""
        return self._known(candidate).windows(candidate)

    def in_flight(self, candidate: Candidate) -> int:
        """Return the number of calls under way: of all replicas; while Redis is away, of this one."""
        return self._known(candidate).in_flight(candidate)

    def watch(self, changed: Callable[[str], None]) -> Callable[[], None]:
        """Call `changed` with the id of a candidate after each change that is heard of; return what ends this."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    # --- Here and away

    async def refresh(self) -> None:
        """Look at what other replicas did. Raises LinkDown."""
        asked: Asked = {"op": "read", "replica": self._replica, "replica_s": REPLICA_S}
        reply = self.talk.take_in(self._everything, await self.talk.ask(self._everything, asked))
        self.replicas = max(self._least_replicas, int(reply["replicas"]))

    def join(self) -> None:
        """Go by Redis from now on."""
        self.name = "redis"
        for call in self._under_way.values():
            call.here = None

    def part(self) -> None:
        """Go by a share from now on, which takes over what was known and the calls under way."""
        self.name = "redis-away"
        self._share = self._new_share()
        calls = list(self._under_way.values())
        adopted = self._share.inherit(self._mirror, [call.reservation for call in calls])
        for call, here in zip(calls, adopted, strict=True):
            call.here = here

    def _new_share(self) -> Share:
        share = Share(
            self._candidates,
            replicas=self.replicas,
            lease_s=self.talk.lease_s,
            clock=self._clock,
            random=self._random,
            margin_s=self._margin_s,
        )
        share.watch(self._tell)
        return share

    async def _reserve_here(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        here = await self._share.reserve(candidate, estimate)
        if isinstance(here, Skip):
            return here
        call = self._call(replace(here, id=next(self._ids)))
        call.here, call.left_here = here, True
        self._under_way[call.reservation.id] = call
        return call.reservation

    def _known(self, candidate: Candidate) -> MemoryLedger:
        if candidate.local:
            return self._local
        return self._share if self.stay.is_away else self._mirror

    # --- What is said to Redis

    def _call(self, reservation: Reservation) -> ReservedCall:
        return ReservedCall(
            id=f"{self._replica}-{reservation.id}",
            target=self._targets[reservation.candidate.id],
            held={"sizes": asking.sizes(reservation.estimate)},
            left_at=reservation.left_at,
            reservation=reservation,
        )

    def _end(self, call: ReservedCall, settlement: Settlement) -> Late:
        reservation, now = call.reservation, self._clock.now()
        asked = asking.settling(
            reservation.candidate, reservation.estimate, settlement, now=now, spread=self._random.random()
        )
        return call.end(asked, ended_at=self._clock.monotonic())

    def _target_all(self) -> Target:
        """Return the target of all candidates, with one for each; those that calls under way know are kept."""
        limits, sha = asking.ceilings(self._candidates), self.talk.sha
        for candidate in self._candidates:
            scopes = (scope.name for scope in candidate.scopes)
            self._targets[candidate.id] = asking.target(scopes, limits, sha, candidate=candidate)
        return asking.target(limits, limits, sha)

    def _facts(self) -> Asked:
        """Return what the scripts must know to count a day and a minute as providers do."""
        now = self._clock.now()
        if self._day_ends_at is None or now >= self._day_ends_at:
            self._day_ends_at = next_midnight(now, DAY_ZONE)
        day_s = (self._day_ends_at - now).total_seconds()
        return {"day_s": day_s, "wall_s": now.timestamp(), "margin_s": self._margin_s}

    def _tell(self, candidate_id: str) -> None:
        for changed in tuple(self._watchers):
            changed(candidate_id)
