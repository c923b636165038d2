"""The one budget of a request: time, attempts and money. Pure: time is brought along."""

from dataclasses import dataclass
from decimal import Decimal

from pointsman.domain.trail import Attempt, Skip, SkipReason
from pointsman.executor.plan import Planned


@dataclass(slots=True, kw_only=True)
class Budget:
    """What is left for the attempts of one request.

    `deadline` is an instant of the monotonic clock; `reserve_s` is kept of it for the fallback. `floor_s` is the
    least time worth a try. `cost_usd` is None where there is no bound.
    """

    deadline: float
    attempts: int
    attempt_timeout_s: float
    floor_s: float
    reserve_s: float
    cost_usd: Decimal | None = None

    def time_limit_s(self, now: float) -> float:
        """Return how long an attempt that leaves now may take; it may be negative."""
        return min(self.attempt_timeout_s, self.deadline - now - self.reserve_s)

    def refuse(self, planned: Planned, now: float) -> Skip | None:
        """Return why the candidate must not be tried any more, None when it may."""
        name = planned.candidate.id
        if self.attempts < 1:
            return Skip(
                candidate=name, reason=SkipReason.ATTEMPTS_SPENT, detail="all attempts that were allowed are made"
            )
        left_s = self.time_limit_s(now + planned.wait_s)
        if left_s < self.floor_s:
            return Skip(
                candidate=name, reason=SkipReason.NO_TIME, detail=f"{left_s:.2f} s left; {self.floor_s:.2f} s needed"
            )
        if self.cost_usd is not None and (planned.cost_usd is None or planned.cost_usd > self.cost_usd):
            detail = f"about ${planned.cost_usd}; ${self.cost_usd} left"
            return Skip(candidate=name, reason=SkipReason.TOO_EXPENSIVE, detail=detail)
        return None

    def spend(self, attempt: Attempt) -> None:
        """Take off what an attempt used."""
        self.attempts -= 1
        if self.cost_usd is not None:
            # Overdrawn is spent: what costs nothing may still be tried.
            self.cost_usd = max(Decimal(0), self.cost_usd - (attempt.cost_usd or 0))
