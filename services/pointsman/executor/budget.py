"""The one budget of a request: time, attempts and money. Pure: time is brought along."""

import math
from dataclasses import dataclass
from decimal import Decimal

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason
from pointsman.executor.plan import Planned


@frozen
class Slice:
    """How long one call may take, in seconds: in all, until its first content, and between two arrivals.

    `is_cut` and `is_cut_early` say that the caller's deadline made it shorter than the candidate's own limit: the whole
    of it, and the time until the first content of a stream.
    """

    total_s: float
    first_token_s: float = math.inf
    idle_s: float = math.inf
    is_cut: bool = False
    is_cut_early: bool = False

    @property
    def until_content_s(self) -> float:
        """How long nothing may come; it may be negative."""
        return min(self.total_s, self.first_token_s)

    def blames_caller(self, attempt: Attempt, *, was_reader_slow: bool = False) -> bool:
        """Return whether it was the caller's doing that the attempt ran out of time, and not the candidate's.

        It is where the deadline cut it, and where a stream that had to wait for its reader was not read to its end.
        """
        if attempt.outcome is not Outcome.TIMED_OUT:
            return False
        if attempt.time_to_first_token_s is not None:
            return (self.is_cut or was_reader_slow) and attempt.duration_s >= self.total_s
        return self.is_cut_early if self.first_token_s < math.inf else self.is_cut


@dataclass(slots=True, kw_only=True)
class Budget:
    """What is left for the attempts of one request.

    `deadline` is an instant of the monotonic clock; `reserve_s` is kept of it for the fallback. `floor_s` is the
    least time worth a try. `cost_usd` is None where there is no bound.
    """

    deadline: float
    attempts: int
    floor_s: float
    reserve_s: float
    cost_usd: Decimal | None = None
    is_streamed: bool = False

    def slice(self, candidate: Candidate, now: float) -> Slice:
        """Return how long a call of the candidate may take that leaves now.

        Once a stream has content there is no going on to the fallback, so what was kept for it is the stream's.
        """
        limits, left_s = candidate.time_limits, self.deadline - now
        for_attempt_s = left_s - self.reserve_s
        if not self.is_streamed:
            return Slice(total_s=min(limits.attempt_s, for_attempt_s), is_cut=for_attempt_s < limits.attempt_s)
        return Slice(
            total_s=min(limits.stream_s, left_s),
            first_token_s=min(limits.first_token_s, for_attempt_s),
            idle_s=limits.idle_s,
            is_cut=left_s < limits.stream_s,
            is_cut_early=for_attempt_s < limits.first_token_s,
        )

    def refuse(self, planned: Planned, now: float) -> Skip | None:
        """Return why the candidate must not be tried any more, None when it may."""
        name = planned.candidate.id
        if self.attempts < 1:
            return Skip(
                candidate=name, reason=SkipReason.ATTEMPTS_SPENT, detail="all attempts that were allowed are made"
            )
        leaves = now + planned.wait_s
        left_s = self.slice(planned.candidate, leaves).until_content_s
        if left_s < self.floor_s:
            return self.lacks_time(name, left_s, kept_s=min(self.reserve_s, self.deadline - leaves))
        if self.cost_usd is not None and (planned.cost_usd is None or planned.cost_usd > self.cost_usd):
            detail = f"about ${planned.cost_usd}; ${self.cost_usd} left"
            return Skip(candidate=name, reason=SkipReason.TOO_EXPENSIVE, detail=detail)
        return None

    def lacks_time(self, candidate_id: str, left_s: float, *, kept_s: float = 0.0) -> Skip:
        """Return the skip of a candidate with `left_s` beside what is kept for the fallback; both may be negative."""
        kept = f" beside the {kept_s:.2f} s kept for the local model" if kept_s > 0 else ""
        detail = f"{max(0.0, left_s):.2f} s left{kept}; {self.floor_s:.2f} s needed"
        return Skip(candidate=candidate_id, reason=SkipReason.NO_TIME, detail=detail)

    def spend(self, attempt: Attempt) -> None:
        """Take off what an attempt used."""
        self.attempts -= 1
        if self.cost_usd is not None:
            # Overdrawn is spent: what costs nothing may still be tried.
            self.cost_usd = max(Decimal(0), self.cost_usd - (attempt.cost_usd or 0))
