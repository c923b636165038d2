"""A stretch of traffic through the real decisions on a clock that jumps: who is asked, who is skipped, what is wasted.

The ledger, the estimates, the prices, eligibility and the plan are the Executor's own. What is left out of its attempt
loop is what costs time and decides nothing: the wire, spans, the journal and the event loop. `execute.py` is the model
for the order of things; tests hold both to the same figures.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Final

from pointsman.cli.rehearsal_hosts import Call, Host
from pointsman.cli.rehearsal_tally import SLOT_S, SLOTS, Line, Tally
from pointsman.cli.rehearsal_timeline import ManualClock, Places, Story, Timeline, Waits, at_once
from pointsman.cli.rehearsal_traffic import Asked, Coming
from pointsman.cli.rehearsal_watch import Watch
from pointsman.config import Settings
from pointsman.domain.pool import Candidate, Policy, Pool
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.attempt import RULES, Next
from pointsman.executor.budget import Budget
from pointsman.executor.estimate import Estimator, output_limit
from pointsman.executor.execute import LOOK_AGAIN_S
from pointsman.executor.experience import Experience
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.plan import Plan, Prospect, ineligible, plan
from pointsman.executor.pools import candidates, pools
from pointsman.executor.prices import load as load_prices
from pointsman.executor.quota import Estimate

TELL_EVERY_S: Final = 3_600.0
"""Rehearsed seconds between two reports of how far it is."""


@dataclass(slots=True, eq=False)
class Visit:
    """One request under way."""

    asked: Asked
    pool: Pool
    arrived_at: float
    budget: Budget
    tried: list[tuple[Candidate, Outcome]] = field(default_factory=list)
    noted: set[tuple[str, SkipReason]] = field(default_factory=set)


class Rehearsal:
    """The Executor of some settings in a world that enforces them."""

    def __init__(
        self,
        settings: Settings,
        hosts: Mapping[str, Host],
        *,
        start: datetime,
        at_s: float,
        seed: int,
        lazily: bool = True,
    ) -> None:
        """Begin at `at_s` with fresh accounts. `lazily` plans only as far as a request needs, with the same result."""
        known = candidates(settings)
        self.clock = ManualClock(start, at_s)
        self._pools = pools(settings, known)
        self._fallback = known.get(settings.fallback.candidate)
        self._settings = settings
        self._ledger = MemoryLedger(
            known.values(), clock=self.clock, random=Random(seed), margin_s=settings.executor.window_margin_s
        )
        self._estimator = Estimator()
        self._experience = Experience()
        self._prices = load_prices({name: provider.wire for name, provider in settings.providers.items()})
        self._hosts = hosts
        # The first of several attempts has all its time, whether some is kept for the fallback or not.
        bounds = settings.executor
        longest_s = max(candidate.time_limits.attempt_s for candidate in known.values())
        is_easy = lazily and bounds.default_deadline_s - bounds.fallback_reserve_s >= longest_s
        self._plain = frozenset(name for name, pool in self._pools.items() if is_easy and _is_plain(pool))
        self._able: dict[tuple[str, bool, int | None], int] = {}
        self._timeline = Timeline(self.clock)
        self._places = Places(
            settings.fallback.concurrency, queue=settings.fallback.queue, clock=self.clock, timeline=self._timeline
        )
        self._counted_from = at_s
        self.tally = Tally(days=0.0, lines={name: Line() for name in known})
        self._watch = Watch(self.tally, self._ledger)

    def run(
        self, coming: Iterable[Coming], *, counted_from: float, tell: Callable[[float], None] = lambda _: None
    ) -> Tally:
        """Serve it all, and return the sums of what came from `counted_from` on."""
        self._counted_from = counted_from
        told_at = self.clock.at_s
        for at_s, asked in coming:
            if at_s >= told_at:
                told_at = at_s + TELL_EVERY_S
                tell(at_s)
            self._timeline.begin(self._serve(asked, at_s), at_s)
        self._timeline.let_pass()
        return self.tally

    def _serve(self, asked: Asked, arrived_at: float) -> Story:
        bounds = self._settings.executor
        budget = Budget(
            deadline=arrived_at + bounds.default_deadline_s,
            attempts=bounds.max_attempts,
            floor_s=bounds.attempt_floor_s,
            reserve_s=0.0,
        )
        visit = Visit(asked, self._pools[asked.category], arrived_at, budget)
        skips: Sequence[Skip] | None = None
        if asked.category not in self._plain:
            budget.reserve_s = self._reserve_s(asked)
        else:
            skips = []
            for candidate in visit.pool.candidates:
                if self._risk(candidate):  # then somebody else may be the better choice
                    skips, budget.reserve_s = None, self._reserve_s(asked)
                    break
                found = self._set_aside(visit, candidate)
                if isinstance(found, Skip):
                    skips.append(found)
                    continue
                if (yield from self._attempt(visit, candidate, found)):
                    return
                skips, budget.reserve_s = None, self._reserve_s(asked)
                break
        while True:
            if skips is None:
                skips = yield from self._round(visit)
                if skips is None:
                    return
            if (yield from self._fall_back(visit, self._soonest(skips))):
                return
            skips = None

    def _reserve_s(self, asked: Asked) -> float:
        """Return what is kept of the deadline for the fallback."""
        if self._fallback is None or self._unable(self._fallback, asked, self._estimate(self._fallback, asked)):
            return 0.0
        bounds = self._settings.executor
        return min(bounds.fallback_reserve_s, bounds.default_deadline_s / 2)

    def _set_aside(self, visit: Visit, candidate: Candidate) -> Reservation | Skip:
        """Reserve for a candidate that is able, which is what a plan of this very moment comes to."""
        estimate = self._estimate(candidate, visit.asked)
        found = self._unable(candidate, visit.asked, estimate) or at_once(self._ledger.reserve(candidate, estimate))
        if isinstance(found, Skip):
            self._note(visit, candidate, estimate, found)
        return found

    def _round(self, visit: Visit) -> Waits[Sequence[Skip] | None]:
        """Try what the plan of this moment names; return its skips, None when the request has ended."""
        planned_now, prospects = self._plan(visit)
        passed = _passed_over(visit.pool, planned_now)
        for skip in planned_now.skips:
            if skip.candidate in passed:
                candidate = next(each for each in visit.pool.candidates if each.id == skip.candidate)
                self._note(visit, candidate, prospects[skip.candidate].estimate, skip)
        for planned in planned_now.ready:
            candidate = planned.candidate
            if any(candidate.id == tried.id for tried, _ in visit.tried):
                continue
            if _is_too_small(candidate, visit) or visit.budget.refuse(planned, self.clock.at_s):
                continue
            if planned.wait_s:
                yield self.clock.at_s + planned.wait_s
            reservation = at_once(self._ledger.reserve(candidate, planned.estimate))
            if isinstance(reservation, Skip):
                self._note(visit, candidate, planned.estimate, reservation)
                continue
            if (yield from self._attempt(visit, candidate, reservation)):
                return None
        return planned_now.skips

    def _plan(self, visit: Visit) -> tuple[Plan, dict[str, Prospect]]:
        prospects = {candidate.id: self._prospect(candidate, visit.asked) for candidate in visit.pool.candidates}
        return plan(visit.pool, visit.asked.request, prospects, self.clock.now()), prospects

    def _prospect(self, candidate: Candidate, asked: Asked) -> Prospect:
        estimate = self._estimate(candidate, asked)
        return Prospect(
            estimate=estimate,
            blocked=self._ledger.skip(candidate, estimate),
            cost_usd=self._prices.estimate(candidate, estimate, self.clock.now()),
            latency_s=self._estimator.latency_s(candidate),
            risk=self._risk(candidate),
        )

    def _risk(self, candidate: Candidate) -> int:
        if self._ledger.is_told(candidate):
            return 0
        return self._experience.risk(candidate.quota_scope, self.clock.at_s)

    def _attempt(self, visit: Visit, candidate: Candidate, reservation: Reservation) -> Waits[bool]:
        """Call, settle, and count; return whether the request has ended."""
        limit_s = visit.budget.slice(candidate, self.clock.at_s).total_s
        call, share = self._begin(visit, candidate, limit_s)
        began_at, scope = self.clock.at_s, candidate.quota_scope
        self._experience.leave(scope)
        yield began_at + call.duration_s * share
        settlement, cost_usd = self._end(visit, candidate, call, share, began_at)
        outcome, now = settlement.outcome, self.clock.at_s
        if self._experience.end(scope, outcome, left_at=reservation.left_at, now=now):
            settlement = replace(settlement, was_familiar=True)
        at_once(self._ledger.settle(reservation, settlement))
        visit.budget.attempts -= 1
        return self._counted(visit, candidate, settlement, cost_usd)

    def _begin(self, visit: Visit, candidate: Candidate, limit_s: float) -> tuple[Call, float]:
        """Begin a call; return it with the share of it for which there is time."""
        asked = visit.asked
        bound = output_limit(candidate, asked.request)
        call = self._hosts[candidate.provider].begin(candidate, asked, bound, self.clock.epoch_s())
        return call, 1.0 if call.duration_s <= limit_s else max(0.0, limit_s / call.duration_s)

    def _end(
        self, visit: Visit, candidate: Candidate, call: Call, share: float, began_at: float
    ) -> tuple[Settlement, float]:
        """End a call; return how it ended and what it cost in dollars."""
        settlement = self._hosts[candidate.provider].end(call, self.clock.epoch_s(), share)
        usage = settlement.usage
        if usage is None:
            return settlement, 0.0
        self._estimator.learn(candidate, visit.asked.request, usage, self.clock.at_s - began_at)
        cost = self._prices.cost(candidate, usage, self.clock.at(began_at))
        if cost is None and visit.arrived_at >= self._counted_from:
            self.tally.without_price += 1
        return settlement, float(cost or 0)

    def _counted(
        self, visit: Visit, candidate: Candidate, settlement: Settlement, cost_usd: float, *, by_fallback: bool = False
    ) -> bool:
        """Count an attempt; return whether it has ended the request."""
        outcome = settlement.outcome
        rule, answered = RULES[outcome], outcome is Outcome.ANSWERED
        if not answered:
            visit.tried.append((candidate, outcome))
        if visit.arrived_at < self._counted_from:
            return rule.next is Next.STOP
        tally, line = self.tally, self.tally.lines[candidate.id]
        slot = int(visit.arrived_at // SLOT_S) % SLOTS
        line.calls += 1
        line.cost_usd += cost_usd
        tally.cost_at[slot] += cost_usd
        if answered:
            line.answered += 1
            line.answered_at[slot] += 1
            tally.by_fallback += by_fallback
            tally.end(self.clock.at_s - visit.arrived_at)
            return True
        line.wasted += rule.wasted
        line.unproductive += rule.unproductive
        tally.wasted_at[slot] += rule.wasted
        return rule.next is Next.STOP

    def _fall_back(self, visit: Visit, until: float) -> Waits[bool]:
        """Answer on this machine; False when a candidate is free again, at `until`, before the local model is."""
        fallback, deadline = self._fallback, visit.budget.deadline
        if fallback is None or any(tried is fallback for tried, _ in visit.tried):
            return self._lost(visit)
        estimate = self._estimate(fallback, visit.asked)
        if skip := self._unable(fallback, visit.asked, estimate):
            self._note(visit, fallback, estimate, skip)
            return self._lost(visit)
        latest = deadline - self._settings.executor.attempt_floor_s
        if self._places.is_full and until < latest:
            yield until  # whoever is free then can be waited for without a place in the queue
            return False
        if self._places.is_full or not (yield from self._places.take(min(latest, until))):
            return self._lost(visit) if until >= latest else False
        limit_s = min(self._settings.fallback.timeout_s, deadline - self.clock.at_s)
        call, share = self._begin(visit, fallback, limit_s)
        began_at = self.clock.at_s
        yield began_at + call.duration_s * share
        settlement, cost_usd = self._end(visit, fallback, call, share, began_at)
        self._places.give_back()
        if not self._counted(visit, fallback, settlement, cost_usd, by_fallback=True):
            self._lost(visit)
        return True

    def _lost(self, visit: Visit) -> bool:
        if visit.arrived_at >= self._counted_from:
            self.tally.lost += 1
            self.tally.lost_at[int(visit.arrived_at // SLOT_S) % SLOTS] += 1
            self.tally.end(self.clock.at_s - visit.arrived_at)
        return True

    def _soonest(self, skips: Iterable[Skip]) -> float:
        instants = [skip.ready_at for skip in skips if skip.ready_at]
        if not instants:
            return math.inf
        now = self.clock.at_s
        return max(now + LOOK_AGAIN_S, now + (min(instants) - self.clock.now()).total_seconds())

    def _estimate(self, candidate: Candidate, asked: Asked) -> Estimate:
        return self._estimator.estimate(candidate, asked.request)

    def _unable(self, candidate: Candidate, asked: Asked, estimate: Estimate) -> Skip | None:
        """Return why the candidate can never serve the request; who takes a longer one of its kind takes this one."""
        key = candidate.id, asked.request.prompt.has_image, asked.request.options.max_output_tokens
        if estimate.input_tokens <= self._able.get(key, -1):
            return None
        skip = ineligible(candidate, asked.request, Prospect(estimate=estimate))
        if skip is None:
            self._able[key] = estimate.input_tokens
        return skip

    def _note(self, visit: Visit, candidate: Candidate, estimate: Estimate, skip: Skip) -> None:
        if visit.arrived_at >= self._counted_from:
            self._watch.note(visit.noted, candidate, estimate, skip, self.clock.at_s)


def _is_plain(pool: Pool) -> bool:
    """Return whether the first candidate that is free is the choice, so that the others need not be looked at."""
    return pool.policy is Policy.ORDERED and not pool.patience


def _passed_over(pool: Pool, planned_now: Plan) -> frozenset[str]:
    """Return whom the plan passes over: in a pool with an order, only those who stand before its choice."""
    names = [candidate.id for candidate in pool.candidates]
    if planned_now.ready and pool.policy is Policy.ORDERED:
        names = names[: names.index(planned_now.ready[0].candidate.id)]
    return frozenset(names)


def _is_too_small(candidate: Candidate, visit: Visit) -> bool:
    """Return whether the candidate reads no more than one that was given too much."""
    too_long = (tried.model.max_input_tokens for tried, outcome in visit.tried if outcome is Outcome.CONTEXT_TOO_LONG)
    return candidate.model.max_input_tokens <= max(too_long, default=0)
