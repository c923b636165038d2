"""The allowances of several Executors: counted in Redis, in each Executor by its part of them while Redis is away.

One question before a request and one before a call, each one atomic step of a script; what is told afterwards is not
waited for. Callers whose use nobody counts are no affair of Redis.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import partial
from importlib.resources import files
from random import Random
from typing import Any, Final, Never

import orjson
import structlog

from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.domain.trail import Attempt, Skip, SkipReason
from pointsman.executor.allowance import NOTHING, Allowance, Allowances, Charge, Grant, Held, Instant, Term, used
from pointsman.executor.ledger.keeping import keeping
from pointsman.executor.ledger.link import Link, LinkDown, Wire, pack
from pointsman.executor.quota import Held as HeldInWindow
from pointsman.executor.quota import Window
from pointsman.telemetry import names

PREFIX: Final = "pointsman:{callers}:"
"""Of every key. The braces keep all keys in one slot of a Redis Cluster, as a script must have them."""

BILLION: Final = Decimal(10**9)

REFRESH_S: Final = 0.5
"""Between two looks at what callers use elsewhere, those who asked here since the last one."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Before Redis is looked for again: doubled from one to the other."""

TOGETHER: Final = 64
"""Late news sent at once, so that each is answered in time."""

LATE_KEPT: Final = 10_000
"""Calls that ended while Redis was away that it is told of when it is back; of more, the oldest are forgotten."""

DENIED: Final = {"rate": SkipReason.CALLER_OVER_RATE, "money": SkipReason.CALLER_OVER_BUDGET}

Asked = dict[str, object]


@frozen
class SharingTerms:
    """What all Executors agree on.

    What is held for longer than `lease_s`, its holder has crashed. `timeout_s` is how long Redis may take for an
    answer. `replicas` is by how many a limit is divided while it is away.
    """

    lease_s: float
    timeout_s: float
    replicas: int


@dataclass(slots=True, kw_only=True)
class UnderWay:
    """A call of this Executor. `here` is what is held in its part, while there is one; `left_s` is monotonic."""

    caller: str
    held: Held
    left_s: float
    here: Held | None = None
    left_here: bool = False


@frozen
class Ended:
    """What a call used, to be told to Redis. `at` says in which day and month."""

    caller: str
    call: UnderWay
    tokens: int
    usd: Decimal
    at: Instant


class SharedAllowances(Allowances):
    """Those of all callers. `known` is what was last heard of them; `kept` must be entered to hear anything."""

    def __init__(
        self,
        grants: Mapping[str, Grant],
        terms: SharingTerms,
        *,
        connect: Callable[[], Awaitable[Wire]],
        clock: Clock,
        random: Random,
    ) -> None:
        """Start with a part, until Redis is found."""
        super().__init__(Allowances.of(grants).known)
        self._terms, self._clock, self._random = terms, clock, random
        script = files(__package__).joinpath("callers.lua").read_text(encoding="utf-8").encode()
        self._link = Link(connect, script, timeout_s=terms.timeout_s)
        self._name = f"{random.getrandbits(64):016x}"
        self._numbers = itertools.count(1)
        self._under_way: dict[int, UnderWay] = {}
        self._late: deque[Ended] = deque(maxlen=LATE_KEPT)
        self._lately: set[str] = set()
        self._tried = asyncio.Event()
        self._is_told = False
        self._part: dict[str, Allowance] | None = {}

    def __getitem__(self, caller: str) -> Allowance:
        """Return what is known of a caller's allowance; while Redis is away, this Executor's part of it."""
        whole = super().__getitem__(caller)
        if not _is_shared(whole):
            return whole
        self._lately.add(caller)
        if self._part is None:
            return whole
        if caller not in self._part:
            self._part[caller] = self._part_of(whole)
        return self._part[caller]

    @property
    def is_away(self) -> bool:
        """True while every caller has this Executor's part only."""
        return self._part is not None

    # --- What the attempt loop asks for

    async def admit(self, caller: str, category: str, at: Instant) -> None:
        """Count one request, everywhere. Raises CategoryForbidden, CallerUnknown, and CallerOverRate."""
        allowance = self[caller]
        allowance.permit(category)
        if self._part is None and allowance.requests is not None:
            try:
                denied = await self._ask(caller, {"op": "admit"}, at)
            except LinkDown as down:
                self._leave(down)
            else:
                if denied:
                    raise allowance.over_rate(at)
                return
        self[caller].admit(category, at)

    async def hold(self, caller: str, candidate_id: str, charge: Charge, at: Instant) -> Held | Skip:
        """Set aside, everywhere, what a call needs that leaves now, or return why not."""
        allowance = self[caller]
        is_priced = charge.most_usd is not None or not allowance.purses
        if self._part is None and allowance.is_counted and is_priced:
            call = self._call(caller, charge, at)
            try:
                denied = await self._ask(caller, {"op": "hold", **self._held(call)}, at)
            except LinkDown as down:
                self._leave(down)
                self._late.append(_nothing(call, at))  # who knows if it was granted
            except asyncio.CancelledError:
                self._tell(_nothing(call, at))
                raise
            else:
                return self._denied(caller, candidate_id, charge, denied, at) if denied else self._begin(call, at)
        held = self[caller].hold(candidate_id, charge, at)
        if isinstance(held, Skip) or not allowance.is_counted:
            return held
        return self._begin_here(caller, charge, held, at)

    def take(self, caller: str, charge: Charge, at: Instant) -> Held:
        """Set aside what a call needs, whether it fits or not."""
        allowance = self[caller]
        if not allowance.is_counted:
            return allowance.take(charge, at)
        if self._part is not None:
            return self._begin_here(caller, charge, allowance.take(charge, at), at)
        call = self._call(caller, charge, at)
        self._send({"op": "adopt", "age_s": 0.0, **self._held(call)}, caller, at)
        return self._begin(call, at)

    def settle(self, caller: str, held: Held, attempt: Attempt | None, at: Instant) -> None:
        """Replace what was set aside by what the attempt used. Exactly once; None when no call has left."""
        if not self.known[caller].is_counted:
            return
        call = self._under_way.pop(held.number)
        if self._part is not None and call.here:
            self[caller].settle(call.here, attempt, at)
        tokens, usd = used(held, attempt)
        self._tell(Ended(caller=caller, call=call, tokens=tokens, usd=usd, at=at))

    # --- Here and away

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Stay with Redis until the block ends; it begins when Redis has been looked for once."""
        async with keeping(self._keep(), self._tried):
            yield

    async def _keep(self) -> Never:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._link.run(self._serve)
            except LinkDown as down:
                pause_s = pause_s if self.is_away else FIRST_PAUSE_S
                self._leave(down)
            self._tried.set()
            await self._clock.sleep(pause_s * (1 + self._random.random() / 4))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _serve(self) -> None:
        await self._read(filter(self._is_shared, self.known))
        while len(self._late) > TOGETHER:
            await asyncio.gather(*self._send_late(TOGETHER))
        # No waiting from here until the part is gone: what is sent now arrives before whatever is asked next.
        sent = [*self._send_adoptions(), *self._send_late(TOGETHER)]
        self._part = None
        for call in self._under_way.values():
            call.here = None
        await asyncio.gather(*sent)
        self._is_told = False
        structlog.get_logger().info(names.EVENT_ALLOWANCES_JOINED)
        self._tried.set()
        while True:
            await self._clock.sleep(REFRESH_S)
            lately, self._lately = self._lately, set()
            await self._read(lately)

    async def _read(self, callers: Iterable[str]) -> None:
        """Look at what callers use; tell Redis what is known to be spent, in case that it has forgotten."""
        at = self._instant()
        questions: list[tuple[str, Asked]] = [
            (caller, {"op": "read", "at_least": _at_least(self.known[caller], at)}) for caller in callers
        ]
        await asyncio.gather(*(self._ask(caller, asked, at) for caller, asked in questions))

    def _leave(self, down: LinkDown) -> None:
        """Go by a part of every allowance from now on, if that is not so already."""
        self._link.drop(down)
        if not self._is_told:
            self._is_told = True
            log = structlog.get_logger()
            log.warning(names.EVENT_ALLOWANCES_AWAY, reason=str(down), replicas=self._terms.replicas)
        if self._part is None:
            self._part = {}

    def _part_of(self, whole: Allowance) -> Allowance:
        """Return this Executor's part: of what is left, and all that its own calls under way hold.

        All parts together are never more than what was left, whatever each Executor holds.
        """
        at, replicas = self._instant(), self._terms.replicas
        part = Allowance.of(whole.caller, _divided(whole.grant, replicas))
        for call in self._under_way.values():
            if call.caller == whole.caller:
                call.here = part.take(Charge(tokens=call.held.tokens, most_usd=call.held.most_usd), at)
        for purse, known in zip(part.purses, whole.purses, strict=True):
            known.renew(at.now)
            purse.spent = purse.limit - purse.held - _floor(known.left / replicas)
            purse.ends_at = known.ends_at
        for window, seen in ((part.requests, whole.requests), (part.tokens, whole.tokens)):
            if window and seen:
                parts = ((end, -(-amount // replicas)) for end, amount in seen.past)
                _hear(window, parts)
        return part

    # --- What is said to Redis

    async def _ask(self, caller: str, asked: Asked, at: Instant) -> str:
        """Ask, take in what is told, and return what was denied; empty for nothing. Raises LinkDown."""
        raw = await self._link.call(self._command(asked, caller, at))
        return self._take_in(caller, raw)

    def _send(self, asked: Asked, caller: str, at: Instant) -> asyncio.Future[bytes] | None:
        """Send what nobody waits for; None where Redis turns out to be away."""
        try:
            future = self._link.call(self._command(asked, caller, at))
        except LinkDown as down:
            self._leave(down)
            return None
        future.add_done_callback(partial(self._heard, caller))
        return future

    def _heard(self, caller: str, future: asyncio.Future[bytes]) -> None:
        if future.cancelled():
            return
        try:
            self._take_in(caller, future.result())
        except LinkDown as down:
            self._leave(down)

    def _tell(self, ended: Ended) -> None:
        """Tell what a call used, later if need be."""
        future = None if self.is_away else self._send(self._settling(ended), ended.caller, ended.at)
        if future is None:
            self._late.append(ended)
        else:
            future.add_done_callback(partial(self._keep_if_lost, ended))

    def _keep_if_lost(self, ended: Ended, future: asyncio.Future[bytes]) -> None:
        if not future.cancelled() and future.exception():
            self._late.append(ended)

    def _send_late(self, most: int) -> list[asyncio.Future[bytes]]:
        sent = []
        for _ in range(min(most, len(self._late))):
            ended = self._late.popleft()
            future = self._send(self._settling(ended), ended.caller, ended.at)
            if future is None:
                self._late.append(ended)
                break
            future.add_done_callback(partial(self._keep_if_lost, ended))
            sent.append(future)
        return sent

    def _send_adoptions(self) -> list[asyncio.Future[bytes]]:
        """Tell Redis of the calls under way that left without it, or that it has forgotten since."""
        sent, at = [], self._instant()
        for call in self._under_way.values():
            age_s = at.monotonic_s - call.left_s
            if age_s < self._terms.lease_s:
                future = self._send({"op": "adopt", "age_s": age_s, **self._held(call)}, call.caller, at)
                call.left_here = False
                sent.extend([future] if future else [])
        return sent

    def _settling(self, ended: Ended) -> Asked:
        call = ended.call
        # Redis has counted a call that it knew of as used up when the lease was over; it must not count it again.
        is_news = call.left_here or self._clock.monotonic() - call.left_s < self._terms.lease_s
        told = {"id": self._id(call), "tokens": ended.tokens, "usd": _billionths(ended.usd)}
        return {"op": "settle", "is_news": is_news, **told}

    def _held(self, call: UnderWay) -> Asked:
        return {"id": self._id(call), "tokens": call.held.tokens, "usd": _billionths(call.held.most_usd)}

    def _id(self, call: UnderWay) -> str:
        return f"{self._name}-{call.held.number}"

    def _command(self, asked: Asked, caller: str, at: Instant) -> bytes:
        key = f"{PREFIX}{caller}"
        terms = (f"{key}:{term}:{term.begin(at.now).date().isoformat()}" for term in Term)
        keys = (key, f"{key}:calls", f"{key}:since", *terms)
        asked = asked | {"lease_s": self._terms.lease_s, "limits": _limits(self.known[caller])}
        parts = (b"EVALSHA", self._link.sha, b"%d" % len(keys), *map(str.encode, keys), orjson.dumps(asked))
        return pack(parts)

    def _take_in(self, caller: str, raw: bytes) -> str:
        told: dict[str, Any] = orjson.loads(raw)
        at, allowance = self._instant(), self.known[caller]
        for window, bins, held in (
            (allowance.requests, told["requests"], 0),
            (allowance.tokens, told["tokens"], int(told["held_tokens"])),
        ):
            if window:
                pairs = zip(bins[::2], bins[1::2], strict=True) if bins else ()
                past = ((at.monotonic_s + ends_in_s, amount) for ends_in_s, amount in pairs)
                _hear(window, past)
                window.held = {0: HeldInWindow(since=at.monotonic_s, amount=held)}
                window.held_amount = held
        for purse in allowance.purses:
            purse.renew(at.now)
            purse.held = int(told["held_usd"]) / BILLION
            purse.spent = int(told[purse.term]) / BILLION
        denied: str = told.get("denied", "")
        return denied

    # --- Calls of this Executor

    def _call(self, caller: str, charge: Charge, at: Instant) -> UnderWay:
        held = Held(number=next(self._numbers), tokens=charge.tokens, most_usd=charge.most_usd or NOTHING)
        return UnderWay(caller=caller, held=held, left_s=at.monotonic_s)

    def _begin(self, call: UnderWay, at: Instant) -> Held:
        """Note a call that Redis knows of; it may have gone away since."""
        if self._part is not None:
            charge = Charge(tokens=call.held.tokens, most_usd=call.held.most_usd)
            call.here = self[call.caller].take(charge, at)
        self._under_way[call.held.number] = call
        return call.held

    def _begin_here(self, caller: str, charge: Charge, here: Held, at: Instant) -> Held:
        call = self._call(caller, charge, at)
        call.here, call.left_here = here, True
        self._under_way[call.held.number] = call
        return call.held

    def _denied(self, caller: str, candidate_id: str, charge: Charge, why: str, at: Instant) -> Skip:
        detail = "another Executor has just taken what was left"
        told = self.known[caller].skip(candidate_id, charge, at)
        return told or Skip(candidate=candidate_id, reason=DENIED[why], ready_at=at.now, detail=detail)

    def _is_shared(self, caller: str) -> bool:
        return _is_shared(self.known[caller])

    def _instant(self) -> Instant:
        return Instant(now=self._clock.now(), monotonic_s=self._clock.monotonic())


def _is_shared(allowance: Allowance) -> bool:
    return allowance.requests is not None or allowance.is_counted


def _nothing(call: UnderWay, at: Instant) -> Ended:
    """Return the end of a call that never left."""
    return Ended(caller=call.caller, call=call, tokens=0, usd=NOTHING, at=at)


def _limits(allowance: Allowance) -> dict[str, int]:
    grant = allowance.grant
    limits = {"requests": grant.requests_per_minute, "tokens": grant.tokens_per_minute}
    money = {Term.DAY: grant.usd_per_day, Term.MONTH: grant.usd_per_month}
    known = {name: limit for name, limit in limits.items() if limit is not None}
    return known | {term.value: int(_floor(usd) * BILLION) for term, usd in money.items() if usd is not None}


def _at_least(allowance: Allowance, at: Instant) -> dict[str, int]:
    for purse in allowance.purses:
        purse.renew(at.now)
    return {purse.term.value: _billionths(purse.spent) for purse in allowance.purses}


def _divided(grant: Grant, replicas: int) -> Grant:
    requests, tokens = grant.requests_per_minute, grant.tokens_per_minute
    return replace(
        grant,
        requests_per_minute=None if requests is None else max(1, requests // replicas),
        tokens_per_minute=None if tokens is None else max(1, tokens // replicas),
        usd_per_day=None if grant.usd_per_day is None else _floor(grant.usd_per_day / replicas),
        usd_per_month=None if grant.usd_per_month is None else _floor(grant.usd_per_month / replicas),
    )


def _hear(window: Window, past: Iterable[tuple[float, int]]) -> None:
    """Make a window remember what was heard of its past."""
    window.past = deque(past)
    window.past_amount = sum(amount for _, amount in window.past)


def _billionths(usd: Decimal) -> int:
    """Return an amount as Redis counts it, rounded up."""
    return int((usd * BILLION).to_integral_value(ROUND_CEILING))


def _floor(usd: Decimal) -> Decimal:
    """Return an amount rounded down to what Redis counts."""
    return (usd * BILLION).to_integral_value(ROUND_FLOOR) / BILLION
