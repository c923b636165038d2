"""The ledger of several processes: one truth in Redis, and a share of it in each process while Redis is away."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Never

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.ledger import asking
from pointsman.executor.ledger.asking import Asked, Target
from pointsman.executor.ledger.keeping import keeping
from pointsman.executor.ledger.lessons import scope_of
from pointsman.executor.ledger.link import LinkDown, Refused, Wire
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.mirror import Mirror
from pointsman.executor.ledger.port import Reservation, Settlement, WindowState
from pointsman.executor.ledger.share import Share
from pointsman.executor.ledger.talk import Late, Talk
from pointsman.executor.pools import longest_call_s
from pointsman.executor.quota import Estimate
from pointsman.telemetry import names

REFRESH_S = 0.5
"""Between two looks at what other replicas did; as soon, a Redis that hangs is noticed when nobody asks it anything."""

REPLICA_S = 10.0
"""A replica that has not looked for so long is not counted any more."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Before Redis is looked for again: doubled from one to the other; after REPLICA_S of service the first again."""

TOGETHER = 64
"""Late news sent at once, so that each is answered in time."""

DENIED = {
    "size": SkipReason.REQUEST_EXCEEDS_QUOTA,
    "cooldown": SkipReason.COOLING,
    "quota": SkipReason.OUT_OF_QUOTA,
}


@dataclass(slots=True, kw_only=True)
class UnderWay:
    """A call of this process. `here` is its reservation in the share, while there is one."""

    reservation: Reservation
    target: Target
    here: Reservation | None = None
    left_here: bool = False
    is_settling: bool = False


@frozen
class Terms:
    """What all replicas agree on, in seconds.

    `margin_s` is added to every window. What is held for longer than `lease_s`, its holder has crashed. `timeout_s` is
    how long Redis may take for an answer. `replicas` is how many share it at least.
    """

    margin_s: float
    lease_s: float
    timeout_s: float
    replicas: int


class RedisLedger:
    """Asks Redis before each call and tells it after each; plans by what it last heard. `keep` must be running.

    Whatever Redis does, no request waits longer for it than the deadline, nor fails. Models on this machine are no
    affair of other replicas: they are kept in memory.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        terms: Terms,
        *,
        connect: Callable[[], Awaitable[Wire]],
        clock: Clock,
        random: Random,
    ) -> None:
        """Start with a share, until Redis is found."""
        known = tuple(candidates)
        self.name = "redis-away"
        self._candidates = tuple(candidate for candidate in known if not candidate.local)
        self._longest_s = longest_call_s(known)
        self._terms, self._clock, self._random = terms, clock, random
        self._replicas = terms.replicas
        self._watchers: list[Callable[[str], None]] = []
        local = (candidate for candidate in known if candidate.local)
        self._local = MemoryLedger(local, clock=clock, random=random, margin_s=terms.margin_s)
        self._mirror = Mirror(self._candidates, clock=clock, random=random, margin_s=terms.margin_s)
        self._local.watch(self._tell)
        self._mirror.watch(self._tell)
        self._share: Share | None = self._new_share()
        self.talk = Talk(
            self._candidates,
            connect=connect,
            mirror=self._mirror,
            clock=clock,
            margin_s=terms.margin_s,
            lease_s=terms.lease_s,
            timeout_s=terms.timeout_s,
        )
        self.talk.on_loss = self._leave
        self._ids = itertools.count(1)
        self._last_left_at = -math.inf
        self._replica = f"{random.getrandbits(64):016x}"
        self._under_way: dict[int, UnderWay] = {}
        self._joined_at: float | None = None
        self._is_told = False
        self._tried = asyncio.Event()

    # --- What the port asks for

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Count by the limits of these candidates from now on; leases never become shorter."""
        known = tuple(candidates)
        longest_s = longest_call_s(known)
        lease_s = max(self._terms.lease_s, self._terms.lease_s - self._longest_s + longest_s)
        self._terms, self._longest_s = replace(self._terms, lease_s=lease_s), max(self._longest_s, longest_s)
        self._candidates = tuple(candidate for candidate in known if not candidate.local)
        self._local.heed(candidate for candidate in known if candidate.local)
        self._mirror.heed(self._candidates)
        self.talk.heed(self._candidates, lease_s=lease_s)
        if self._share:
            self._share.heed(self._candidates)

    def skip(self, candidate: Candidate, estimate: Estimate) -> Skip | None:
        """Return why the candidate could not be called, as far as is known here; None when it could."""
        return self._known(candidate).skip(candidate, estimate)

    async def reserve(self, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        """Set quota aside for a call that leaves now, or return why not."""
        if candidate.local:
            return await self._local.reserve(candidate, estimate)
        if self._share:
            return await self._reserve_here(self._share, candidate, estimate)
        left_at = self._last_left_at = max(self._clock.monotonic(), math.nextafter(self._last_left_at, math.inf))
        reservation = Reservation(id=next(self._ids), candidate=candidate, estimate=estimate, left_at=left_at)
        target, id_ = self.talk.targets[candidate.id], self._id(reservation)
        try:
            future = self.talk.ask(target, {"op": "reserve", "id": id_, "sizes": asking.sizes(estimate)})
            denied = self.talk.take_in(target, await future).get("denied")
        except LinkDown as down:
            share = self._leave(down)
            self._tell_redis(Late(target=target, asked={"op": "release", "id": id_}))  # who knows if it was granted
            return await self._reserve_here(share, candidate, estimate)
        except asyncio.CancelledError:
            self._tell_redis(Late(target=target, asked={"op": "release", "id": id_}))
            raise
        if denied:
            detail = "another replica has just taken what was left"
            return self._mirror.skip(candidate, estimate) or Skip(
                candidate=candidate.id, reason=DENIED[denied], detail=detail
            )
        call = UnderWay(reservation=reservation, target=target)
        call.here = self._share.adopt(reservation) if self._share else None
        self._under_way[reservation.id] = call
        return reservation

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Replace what was set aside by what was used, and take in what the outcome teaches."""
        if reservation.candidate.local:
            await self._local.settle(reservation, settlement)
            return
        call = self._under_way.get(reservation.id)
        if call is None or call.is_settling:
            return
        call.is_settling = True
        late = self._settling(call, settlement)
        if self._share is None:
            try:
                future = self.talk.send(replace(late, left_at=None))
                await asyncio.wait([future])  # a caller who gives up does not take it back
            except LinkDown as down:
                self._leave(down)
                self.talk.late.append(late)
            except asyncio.CancelledError:
                await self._end(call, settlement)
                raise
        else:
            self.talk.late.append(late)
        await self._end(call, settlement)

    def take_out(self, candidate: Candidate, cause: Outcome) -> None:
        """Leave the candidate out until `revive`."""
        self._known(candidate).take_out(candidate, cause)
        if not candidate.local:
            scope = asking.scope_index(candidate, scope_of(candidate, cause))
            asked: Asked = {"op": "take_out", "scope": scope, "cause": cause}
            self._tell_redis(Late(target=self.talk.targets[candidate.id], asked=asked))

    def revive(self, candidate: Candidate) -> None:
        """Let one call try whether a candidate that was taken out works again."""
        self._known(candidate).revive(candidate)
        if not candidate.local:
            self._tell_redis(Late(target=self.talk.targets[candidate.id], asked={"op": "revive"}))

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

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Stay with Redis until the block ends; it begins when Redis has been looked for once."""
        async with keeping(self.keep(), self._tried):
            yield

    async def keep(self) -> Never:
        """Stay with Redis, and look for it while it is away."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self.talk.run(self._serve)
            except LinkDown as down:
                self._leave(down)
            self._tried.set()
            if self._joined_at is not None and self._clock.monotonic() - self._joined_at > REPLICA_S:
                pause_s = FIRST_PAUSE_S
            self._joined_at = None
            await self._clock.sleep(pause_s * (1 + self._random.random() / 4))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def refresh(self) -> None:
        """Look at what other replicas did. Raises LinkDown."""
        asked: Asked = {"op": "read", "replica": self._replica, "replica_s": REPLICA_S}
        everything = self.talk.everything
        reply = self.talk.take_in(everything, await self.talk.ask(everything, asked))
        self._replicas = max(self._terms.replicas, int(reply["replicas"]))

    async def _serve(self) -> None:
        await self.refresh()
        await self._rejoin()
        self._tried.set()
        while True:
            await self._clock.sleep(REFRESH_S)
            await self.refresh()

    async def _rejoin(self) -> None:
        """Tell Redis what happened without it, then go by it again."""
        while len(self.talk.late) > TOGETHER:
            await asyncio.gather(*self.talk.send_late(TOGETHER))
        # No waiting from here until the share is gone: what is sent now arrives before whatever is asked next.
        sent = [*self._send_adoptions(), *self.talk.send_late(TOGETHER)]
        self._share, self.name, self._joined_at = None, "redis", self._clock.monotonic()
        for call in self._under_way.values():
            call.here = None
        await asyncio.gather(*sent)
        await self.refresh()
        self._is_told = False
        structlog.get_logger().info(names.EVENT_LEDGER_JOINED, replicas=self._replicas)

    def _leave(self, down: LinkDown) -> Share:
        """Go by a share from now on, if that is not so already; return it."""
        self.talk.drop(down)
        if not self._is_told:
            self._is_told = True
            structlog.get_logger().warning(names.EVENT_LEDGER_AWAY, reason=str(down), replicas=self._replicas)
        if self._share is None:
            self.name = "redis-away"
            self._share = self._new_share()
            calls = list(self._under_way.values())
            adopted = self._share.inherit(self._mirror, [call.reservation for call in calls])
            for call, here in zip(calls, adopted, strict=True):
                call.here = here
        return self._share

    def _new_share(self) -> Share:
        share = Share(
            self._candidates,
            replicas=self._replicas,
            lease_s=self._terms.lease_s,
            clock=self._clock,
            random=self._random,
            margin_s=self._terms.margin_s,
        )
        share.watch(self._tell)
        return share

    async def _reserve_here(self, share: Share, candidate: Candidate, estimate: Estimate) -> Reservation | Skip:
        here = await share.reserve(candidate, estimate)
        if isinstance(here, Skip):
            return here
        reservation = replace(here, id=next(self._ids))
        self._under_way[reservation.id] = UnderWay(
            reservation=reservation,
            target=self.talk.targets[candidate.id],
            here=here,
            left_here=True,
        )
        return reservation

    async def _end(self, call: UnderWay, settlement: Settlement) -> None:
        """Forget a call that is over; the share may have taken it over meanwhile."""
        del self._under_way[call.reservation.id]
        if self._share and call.here:
            await self._share.settle(call.here, settlement)

    def _settling(self, call: UnderWay, settlement: Settlement) -> Late:
        reservation = call.reservation
        asked = asking.settling(
            reservation.candidate,
            reservation.estimate,
            settlement,
            now=self._clock.now(),
            spread=self._random.random(),
        )
        return Late(
            target=call.target,
            asked=asked | {"id": self._id(reservation)},
            left_at=reservation.left_at,
            ended_at=self._clock.monotonic(),
            left_here=call.left_here,
        )

    def _tell_redis(self, late: Late) -> None:
        """Send news that nobody waits for, later if need be."""
        if self._share:
            self.talk.late.append(late)
            return
        try:
            _ = self.talk.send(late)
        except LinkDown as down:
            self._leave(down)
            self.talk.late.append(late)

    def _send_adoptions(self) -> list[asyncio.Future[bytes]]:
        """Tell Redis of the calls under way that left without it, or that it has forgotten since."""
        sent, now = [], self._clock.monotonic()
        for call in self._under_way.values():
            reservation = call.reservation
            if call.is_settling or now - reservation.left_at >= self._terms.lease_s:
                continue
            asked: Asked = {"op": "adopt", "id": self._id(reservation), "sizes": asking.sizes(reservation.estimate)}
            sent.append(self.talk.ask(call.target, asked | {"age_s": now - reservation.left_at}))
        return sent

    def _id(self, reservation: Reservation) -> str:
        return f"{self._replica}-{reservation.id}"

    def _known(self, candidate: Candidate) -> MemoryLedger:
        if candidate.local:
            return self._local
        return self._share or self._mirror

    def _tell(self, candidate_id: str) -> None:
        for changed in tuple(self._watchers):
            changed(candidate_id)


# --- The one place that knows the client of Redis


class RedisWire:
    """A connection of the client, used for no more than its URLs, its handshake and its parser."""

    def __init__(self, connection: AbstractConnection) -> None:
        """Take over a connection that is open."""
        self._connection = connection

    async def send(self, command: bytes) -> None:
        """Send what is packed."""
        try:
            await self._connection.send_packed_command(command, check_health=False)
        except (RedisError, OSError) as error:
            raise LinkDown(str(error)) from error

    async def receive(self) -> bytes:
        """Return the next answer."""
        try:
            answer: bytes = await self._connection.read_response(disable_decoding=True)
        except NoScriptError as error:
            raise Refused("NOSCRIPT") from error
        except ResponseError as error:
            raise Refused(str(error)) from error
        except (RedisError, OSError) as error:
            raise LinkDown(str(error)) from error
        return answer

    async def close(self) -> None:
        """Close without waiting for the other side."""
        await self._connection.disconnect(nowait=True)


def door(url: str) -> Callable[[], Awaitable[Wire]]:
    """Return what connects to a Redis. Raises SettingsError for a URL that names none."""
    try:
        pool = ConnectionPool.from_url(
            url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0), driver_info=None, client_name="pointsman"
        )
    except ValueError as error:
        raise SettingsError(f"ledger.url: {error}", path="ledger.url") from error

    async def connect() -> Wire:
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # as redis 8.1 has it
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # as above
        except (RedisError, OSError) as error:
            raise LinkDown(str(error)) from error
        return RedisWire(connection)

    return connect
