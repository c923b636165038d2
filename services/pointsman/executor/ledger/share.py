"""This replica's part of every limit, while Redis is away: never more than its part, whatever the others do."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome, Skip
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.cooldown import RAMP_CLOSES_AT, Cooldown, State
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.mirror import Mirror
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.ledger.scopes import InForce
from pointsman.executor.quota import Estimate, Held, Window
from pointsman.executor.statement import FOREVER

ELSEWHERE = 0
"""Stands for all calls that are under way in other replicas; reservations count from 1."""


class Share(MemoryLedger):
    """A ledger in memory over limits that are divided by the number of replicas, at least 1 each.

    Where no limit is known, calls at once are bounded: by as many as end a ramp where all went well while Redis was
    there, else by a part of them; and by one more after each answer at the bound.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        replicas: int,
        lease_s: float,
        clock: Clock,
        random: Random,
        margin_s: float,
    ) -> None:
        """Divide the limits of the settings. No call takes longer than `lease_s`."""
        self._replicas = replicas
        super().__init__(candidates, clock=clock, random=random, margin_s=margin_s)
        self._elsewhere: list[Window] = []
        self._over_at = clock.monotonic() + lease_s
        self._guessed = {candidate.quota_scope for candidate in candidates if not candidate.limits}
        for name in self._guessed:
            self._window(name, Unit.CONCURRENCY, FOREVER).learned = max(1, RAMP_CLOSES_AT // replicas)

    def heed(self, candidates: Iterable[Candidate]) -> None:
        """Count by this replica's part of their limits."""
        super().heed(_part_of(candidate, self._replicas) for candidate in candidates)

    def inherit(self, known: Mirror, under_way: Iterable[Reservation]) -> list[Reservation]:
        """Take over a part of what was known when Redis went away, and the calls of this replica that are under way.

        Returns the reservations of those calls in this ledger, in the same order.
        """
        for name, cooldown, too_large, _ in known.scopes():
            # Probes that are under way elsewhere do not come back here: each replica makes its own.
            self._scopes.cooldowns[name].become(replace(cooldown, under_way=0))
            if too_large is not None:
                self._too_large[name] = too_large
            if name in self._guessed and cooldown.state is State.OPEN:
                self._window(name, Unit.CONCURRENCY, FOREVER).learned = RAMP_CLOSES_AT
        adopted = [self.adopt(reservation) for reservation in under_way]
        for name, _, _, windows in known.scopes():
            for window in windows:
                self._inherit(self._window(name, window.unit, window.period_s), window)
                if window.limit is not None:
                    self._lift_guess(name)
        return adopted

    def adopt(self, reservation: Reservation) -> Reservation:
        """Count a call of this replica that left with Redis's leave; return its reservation here."""
        here = replace(reservation, id=next(self._ids))
        found = self._scopes.in_force(here.candidate, self._clock.monotonic())
        for _, window, amount in found.windows:
            window.hold(here.id, amount(here.estimate), here.left_at)
        rounds = tuple([_count(cooldown) for _, cooldown in found.cooldowns])
        self._in_flight[here.candidate.id] += 1
        self._open[here.id] = (here, rounds)
        return here

    def _skip(self, found: InForce, estimate: Estimate, now: float) -> Skip | None:
        if self._elsewhere and now >= self._over_at:
            for window in self._elsewhere:
                window.settle(ELSEWHERE, 0, now)
            self._elsewhere.clear()
        return super()._skip(found, estimate, now)

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        """Settle; of what the provider stated, a part is ours."""
        stated = tuple(self._part_of_stated(each) for each in settlement.stated)
        await super().settle(reservation, replace(settlement, stated=stated))
        name = reservation.candidate.quota_scope
        if any(each.limit >= 1 and each.remaining is not None for each in stated):
            self._lift_guess(name)
        elif name in self._guessed:
            self._grow(name, settlement.outcome)

    def _inherit(self, window: Window, known: Window) -> None:
        """Take over a part of a window. What is under way here counts whole, what is under way elsewhere in part."""
        now, own = self._clock.monotonic(), window.held_amount
        window.learned = known.learned and max(1, known.learned // self._replicas)
        window.ends_at = known.ends_at
        if window.bucket and known.bucket:
            window.bucket.inherit(known.bucket, self._replicas, now)
        window.past.inherit(known.past, self._replicas)
        elsewhere = 0 if window.pours_at_once else self._up(known.held_amount - own)
        if elsewhere:
            window.hold(ELSEWHERE, elsewhere, now)
            if window.unit is Unit.CONCURRENCY:
                self._elsewhere.append(window)
            else:
                window.settle(ELSEWHERE, elsewhere, now)
        if stated := known.statement:
            limit, remaining = max(1, stated.limit // self._replicas), stated.remaining // self._replicas
            window.state(replace(stated, limit=limit, remaining=remaining))
            window.manner = replace(known.manner)
            window.forgotten_amount = known.forgotten_amount // self._replicas
            others = known.unseen_amount - window.unseen_amount
            if window.unit is Unit.OUTPUT_TOKENS:
                others += known.held_amount - own
            window.since_statement.append(Held(since=now, amount=self._up(others), ended=True, unseen=True))
            window.unseen_amount += self._up(others)

    def _up(self, amount: int) -> int:
        """Return this replica's part of an amount, rounded up."""
        return -(-max(0, amount) // self._replicas)

    def _part_of_stated(self, stated: StatedQuota) -> StatedQuota:
        remaining = None if stated.remaining is None else stated.remaining // self._replicas
        limit = max(1, stated.limit // self._replicas) if stated.limit >= 1 else stated.limit
        return replace(stated, limit=limit, remaining=remaining)

    def _grow(self, name: str, outcome: Outcome) -> None:
        """Allow one more call at once after an answer at the bound; leave a bound alone that a refusal has taught."""
        window, effect = self._window(name, Unit.CONCURRENCY, FOREVER), RULES[outcome].effect
        bound = window.learned or 1
        if effect is Effect.NARROW:
            self._guessed.discard(name)
        elif effect is Effect.CLOSE and len(window.held) + 1 >= bound:
            window.learned = bound + 1

    def _lift_guess(self, name: str) -> None:
        """Drop the bound, now that a limit is known."""
        if name in self._guessed:
            self._guessed.discard(name)
            self._window(name, Unit.CONCURRENCY, FOREVER).learned = None


def _part_of(candidate: Candidate, replicas: int) -> Candidate:
    scopes = tuple(
        replace(scope, limits=tuple(replace(limit, amount=max(1, limit.amount // replicas)) for limit in scope.limits))
        for scope in candidate.scopes
    )
    return replace(candidate, scopes=scopes)


def _count(cooldown: Cooldown) -> int:
    """Count a call of before; it is no probe, so the state stays."""
    cooldown.under_way += 1
    return cooldown.round
