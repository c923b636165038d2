"""The arithmetic of quotas: what fits now, and when it will. Pure: time is a number of seconds, brought along.

A window counts what Pointsman itself has sent, and remembers what the provider last stated. What is stated is true of
every way of counting, so it holds as long as it lasts; our own count, which fits the strictest way, holds without it. A
call occupies its estimate from the moment it leaves, and its real use from the moment it ends.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from operator import attrgetter
from typing import ClassVar, Final

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Unit
from pointsman.executor.bucket import Bucket
from pointsman.executor.past import Past
from pointsman.executor.statement import FOREVER, Manner, Statement, stricter

MINUTE_S = 60.0
DAY_S = 86_400.0
ARRIVING = frozenset({Unit.REQUESTS, Unit.INPUT_TOKENS})
"""What providers count when a call arrives; the rest is known when it ends."""

STATED_FOR_S = 3_600.0
"""How long a statement is believed once all is back that it knew of; every answer brings a new one."""

UNSEEN_KEPT = 1024
"""Calls that are told apart while no answer states the window anew."""


@frozen
class Estimate:
    """What a call is expected to use.

    `admitted_tokens` is what providers set aside that count the asked output limit at the door.
    """

    input_tokens: int
    output_tokens: int
    admitted_tokens: int
    calls: ClassVar[int] = 1

    def amount(self, unit: Unit) -> int:
        """Return what the call occupies of a window that counts `unit`."""
        return AMOUNTS[unit](self)


Amount = Callable[[Estimate], int]

AMOUNTS: Final[Mapping[Unit, Amount]] = {
    Unit.REQUESTS: attrgetter("calls"),
    Unit.CONCURRENCY: attrgetter("calls"),
    Unit.INPUT_TOKENS: attrgetter("input_tokens"),
    Unit.OUTPUT_TOKENS: attrgetter("output_tokens"),
    Unit.TOKENS: attrgetter("admitted_tokens"),
}
"""What a call occupies of a window, by what the window counts."""


@dataclass(slots=True)
class Held:
    """What one call occupies: its estimate while it is under way, its real use once it has ended."""

    since: float
    amount: int
    ended: bool = False
    unseen: bool = False
    """Whether it is counted in `Window.unseen_amount`."""
    poured: float = 0.0
    """What had been poured into the bucket when it left, this call included."""


@dataclass(slots=True, kw_only=True)
class Window:
    """One limit over one stretch of time.

    `ceiling` is what settings allow and `learned` what errors taught, None where unknown. `period_s` is FOREVER for
    concurrency, which only counts calls under way. A fixed window, such as a day, ends at `ends_at`; with a `bucket` it
    is one; all others slide.
    `margin_s` is added to the period, because a call reaches the provider later than it left us.
    """

    unit: Unit
    period_s: float
    ceiling: int | None = None
    learned: int | None = None
    margin_s: float = 0.0
    ends_at: float = FOREVER
    offset_s: float | None = None
    """Where the fixed windows of the settings begin, in seconds after the full minute of UTC; else None."""
    bucket: Bucket | None = None
    statement: Statement | None = None
    manner: Manner = field(default_factory=Manner)
    held: dict[int, Held] = field(default_factory=dict)
    past: Past = field(init=False)
    since_statement: deque[Held] = field(default_factory=deque)
    held_amount: int = 0
    unseen_amount: int = 0
    forgotten_amount: int = 0
    """What has left the past since the statement came and had not left the provider's window before."""
    counts_arrivals: bool = field(init=False)
    """Whether a call counts from when it leaves; else from when it ends."""
    counts_output: bool = field(init=False)

    def __post_init__(self) -> None:
        # Once, because CPython 3.11 looks members of enums up four times as slowly as other names.
        self.counts_arrivals = self.unit in ARRIVING
        self.counts_output = self.unit is Unit.OUTPUT_TOKENS
        self.past = Past(self.period_s, self.margin_s)

    @property
    def limit(self) -> int | None:
        """The limit in force; None when none is known. What is stated beats what is learned; settings are a ceiling."""
        known = self.statement.limit if self.statement else self.learned
        if known is None:
            return self.ceiling
        return known if self.ceiling is None else min(known, self.ceiling)

    @property
    def source(self) -> str:
        """Where `limit` is known from: "stated", "learned" or "configured"; empty when it is unknown."""
        limit = self.limit
        if limit is None:
            return ""
        if self.statement and self.statement.limit == limit:
            return "stated"
        return "learned" if self.learned == limit else "configured"

    @property
    def pours_at_once(self) -> bool:
        """True for a bucket that is charged at the door, with what was asked for."""
        return self.bucket is not None and not self.counts_output

    def let_in_before(self, left_at: float) -> int:
        """Return what it held when a call left that was refused: by this guess, all that it may hold, at least 1.

        In a burst each refusal guesses less than those before, because what was refused counts nothing.
        """
        under_way = sum(held.amount for held in self.held.values() if held.since < left_at)
        if self.bucket and self.pours_at_once:
            return max(1, self.bucket.used(left_at) - self.held_amount + under_way)
        return max(1, self.past.amount - self.past.kept_for_margin(left_at) + under_way)

    def recount(
        self, ceiling: int | None, now: float, *, bucket: Bucket | None = None, offset_s: float | None = None
    ) -> None:
        """Go by other terms of the settings from now on; `bucket` is a new one. What is used stays used."""
        under_way = self.held_amount if self.pours_at_once or not self.bucket else 0
        ended = max(0, self.used(now) - under_way)
        was_bucket, self.bucket, self.ceiling = self.bucket, bucket, ceiling
        if offset_s != self.offset_s:
            self.offset_s, self.ends_at = offset_s, FOREVER
        if bucket:
            self.past.hear(())
            bucket.pour(ended, now)
            for held in self.held.values() if self.pours_at_once else ():
                bucket.pour(held.amount, now)
                held.poured = bucket.poured
        elif was_bucket and ended:
            self.past.add(ended, now, self._border)

    def is_over(self, now: float) -> bool:
        """Return whether a fixed window has ended for sure, or none has begun yet."""
        return self.ends_at == FOREVER or now >= self.ends_at + self.margin_s

    def renew(self, ends_at: float) -> None:
        """Forget the past of a fixed window that is over; the new one ends at `ends_at`.

        A call that left just before the end may have arrived after it, and stays, unless a whole window has passed.
        """
        follows = ends_at - self.ends_at < 1.5 * self.period_s  # a day may last 25 hours
        if self.ends_at != FOREVER:
            self.past.forget(self._border if follows else FOREVER)
        self.ends_at = ends_at

    def hold(self, reservation: int, amount: int, now: float) -> None:
        """Occupy `amount` for a call that leaves now. The caller has asked `ready_at` before."""
        held = self.held[reservation] = Held(now, amount)
        self.held_amount += amount
        if self.bucket and self.pours_at_once:
            self.bucket.pour(amount, now)
            held.poured = self.bucket.poured
        if self.statement and not self.counts_output:
            self._note(held)

    def settle(self, reservation: int, amount: int, now: float) -> None:
        """Replace what a call held by what it used, 0 included. Settling twice changes nothing."""
        held = self.held.pop(reservation, None)
        if held is None:
            return
        used = 0 if self.period_s == FOREVER else max(0, amount)
        self.held_amount -= held.amount
        if held.unseen:
            self.unseen_amount += used - held.amount
        before, held.amount, held.ended = held.amount, used, True
        if self.bucket:
            self._settle_bucket(self.bucket, held, before, now)
        if not used:
            return
        # Output is counted when it was made, so the answer that states a window knows of its own and of no later one.
        if self.counts_output and self.statement and held.since != self.statement.sent_at:
            self._note(Held(since=now, amount=used, ended=True))
        if self.bucket:
            return
        # Requests and input are counted by providers when a call arrives; generated tokens when it ends.
        self.past.add(used, held.since if self.counts_arrivals else now, self._border)
        self._forget(now)  # nobody else may, while there is plenty left

    def state(self, statement: Statement) -> None:
        """Take in what an answer said, before its call is settled.

        News of a call that left before the one that has spoken already is late, and never raises what is left. Two
        statements of one answer count as one, with the stricter of their numbers.
        """
        before = self.statement
        self.manner.look(statement)
        if before and statement.sent_at < before.sent_at:
            return
        if self.ends_at == FOREVER:
            self.past.slide(statement.seen_at)
        self.forgotten_amount = -self.past.kept_for_margin(statement.seen_at)
        self.statement = stricter(before, statement) if before and statement.sent_at == before.sent_at else statement
        if before is None and not self.counts_output:
            for held in self.held.values():
                self._note(held)
        while self.since_statement and self.since_statement[0].since <= statement.sent_at:
            seen = self.since_statement.popleft()
            seen.unseen = False
            self.unseen_amount -= seen.amount

    def expire(self, now: float) -> None:
        """Forget a statement that no answer has renewed for long: a limit too low for any call is then tried again."""
        if self.statement and now >= max(self.statement.full_at, self.statement.seen_at) + STATED_FOR_S:
            self.statement = None
            self.since_statement.clear()
            self.unseen_amount = 0
            for held in self.held.values():
                held.unseen = False

    def used(self, now: float) -> int:
        """Return what is occupied by the past of the window and by calls under way."""
        if self.bucket:
            return self.bucket.used(now) + (0 if self.pours_at_once else self.held_amount)
        self._forget(now)
        return self.past.amount + self.held_amount

    def remaining(self, now: float) -> int | None:
        """Return what is left, never negative; None when no limit is known."""
        limit = self.limit
        return None if limit is None else max(0, self._left(limit, now))

    def ready_at(self, amount: int, now: float) -> float:
        """Return when `amount` fits: `now` when it does, FOREVER when it never will or the end of a call must tell."""
        limit = self.limit
        if limit is None or self.surely_fits(amount):
            return now
        if amount > limit:
            return FOREVER
        if self._left(limit, now) >= amount:
            return now
        excess = self.used(now) + amount - limit
        own = now if excess <= 0 else self._own_ready_at(excess, now)
        if not self.statement:
            return own
        stated = self._stated_ready_at(self.statement, amount, own, now)
        return max(own, stated) if self._is_capped else stated

    def surely_fits(self, amount: int) -> bool:
        """Return whether `amount` fits even if nothing has come back since it was last looked; most calls do."""
        statement, limit = self.statement, self.ceiling
        if statement is not None:
            unseen = self.unseen_amount + self.held_amount if self.counts_output else self.unseen_amount
            # What is forgotten counts where the window slides, and there alone.
            if statement.remaining - unseen < amount or (self.forgotten_amount < 0 and self.manner.slides):
                return False
            if limit is None or limit >= statement.limit:
                return True
        elif self.learned is not None and (limit is None or self.learned < limit):
            limit = self.learned
        if limit is None:
            return True
        return self.bucket is None and limit - self.past.amount - self.held_amount >= amount

    def _left(self, limit: int, now: float) -> int:
        own = limit - self.used(now)
        if not self.statement:
            return own
        stated = self._stated_left(self.statement, own, now)
        return min(own, stated) if self._is_capped else stated

    @property
    def _is_capped(self) -> bool:
        """Return whether settings allow less than the provider, so that our own count holds beside the provider's."""
        return self.statement is not None and self.ceiling is not None and self.ceiling < self.statement.limit

    def _own_ready_at(self, excess: int, now: float) -> float:
        if self.unit is Unit.CONCURRENCY:
            return FOREVER
        if self.bucket:
            under_way = 0 if self.pours_at_once else self.held_amount
            return self.bucket.lowered_at(self.used(now) - excess, now, under_way=under_way)
        if self.ends_at != FOREVER:
            return self._renewed_at(excess, now)
        return next(at for at, freed in self._leaving(now) if (excess := excess - freed) <= 0)

    def _renewed_at(self, excess: int, now: float) -> float:
        """Return at which end of a fixed window so much is free, if calls under way end at once."""
        arrived = ((held.since if self.counts_arrivals else now, held.amount) for held in self.held.values())
        freed = self.past.ended_by(self._border)
        freed += sum(amount for at, amount in arrived if at < self._border)
        over_at = self.ends_at + self.margin_s
        return max(now, over_at if freed >= excess else over_at + self.period_s)

    def _leaving(self, now: float) -> Iterator[tuple[float, int]]:
        """Yield when what is used leaves the window, if calls under way end at once and use what they hold."""
        end = -math.inf
        for end, used in self.past.bins:
            yield self.past.leaves_at(end), used
        for held in self.held.values():
            end = max(end, self.past.bin_end(held.since if self.counts_arrivals else now, self._border))
            yield self.past.leaves_at(end), held.amount

    def _stated_until(self, statement: Statement) -> float:
        """Return when all is back that the statement knew of."""
        return statement.full_at + self.margin_s

    def _stated_left(self, statement: Statement, own: int, now: float) -> int:
        """Return what is left by the statement, without the calls that it cannot have known of; `own` by our count."""
        unseen = self._unseen()
        if now >= self._stated_until(statement):
            return max(own, statement.limit - unseen)
        # What leaves our own count has left a sliding window as well, because ours remembers for longer.
        returned = self.forgotten_amount if self.manner.slides else 0
        stated = min(statement.limit, statement.remaining + returned) - unseen
        if not statement.refills or not self.manner.may_refill:
            return stated
        refilled = statement.left(now) - unseen
        return max(stated, refilled if self.manner.refills else min(own, refilled))

    def _stated_ready_at(self, statement: Statement, amount: int, own: float, now: float) -> float:
        """Return when `amount`, which does not fit now, does so by the statement; `own` is when by our own count."""
        until, wanted = self._stated_until(statement), amount + self._unseen()
        # Once all is back, what is missing are calls that no statement knows of; our own count forgets those.
        at = max(now, until) if wanted <= statement.limit else max(now, until, own)
        if self.manner.slides and now < until:
            missing = wanted - statement.remaining - self.forgotten_amount
            at = min(at, next((end for end, freed in self._leaving(now) if (missing := missing - freed) <= 0), at))
        if statement.refills and self.manner.may_refill:
            back = max(now, statement.ready_at(wanted))
            at = min(at, back if self.manner.refills else max(own, back))
        return at

    def _settle_bucket(self, bucket: Bucket, held: Held, before: int, now: float) -> None:
        more = held.amount - before if self.pours_at_once else held.amount
        if more > 0:
            bucket.pour(more, now)
        elif more < 0:
            bucket.take_back(-more, held.poured, now)

    def _unseen(self) -> int:
        """Return what the last statement cannot have known: calls that left after the one that brought it."""
        return self.unseen_amount + (self.held_amount if self.counts_output else 0)

    def _note(self, held: Held) -> None:
        """Count a call as unknown to the last statement. Of very many, the oldest two that ended become one."""
        held.unseen = True
        self.unseen_amount += held.amount
        noted = self.since_statement
        noted.append(held)
        while len(noted) > UNSEEN_KEPT and noted[0].ended and noted[1].ended:
            oldest = noted.popleft()
            noted[0].amount += oldest.amount

    @property
    def _border(self) -> float:
        """Until when a call must have left to arrive for sure before a fixed window ends."""
        return self.ends_at - self.margin_s

    def _forget(self, now: float) -> None:
        if self.ends_at == FOREVER:
            self.forgotten_amount += self.past.slide(now)


def next_midnight(now: datetime, zone: tzinfo) -> datetime:
    """Return when the day of `zone` that holds `now` ends."""
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone)
