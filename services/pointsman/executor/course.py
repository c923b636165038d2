"""One request on its way: what it may use, what has been tried for it, and how it ends."""

from dataclasses import field

from pointsman.domain.answer import Answer, FinishReason
from pointsman.domain.errors import PointsmanError
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Skip, Trail
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.adapters.base import Reply
from pointsman.executor.budget import Budget
from pointsman.executor.failure import failure
from pointsman.executor.instant import Instant
from pointsman.executor.journal.row import Ruling
from pointsman.executor.outlet import Outlet
from pointsman.telemetry import names
from pointsman.telemetry.spans import note


@frozen
class Execution:
    """An answer, who gave it, and how it came about. `partial`: a stream that broke after its first content."""

    answer: Answer
    attempt: Attempt
    model: str
    trail: Trail
    degraded: tuple[DegradedReason, ...] = ()
    partial: bool = False


@frozen
class Course:
    """One request on its way since `began`. `outlet` is None when the answer is wanted whole."""

    request: Request
    pool: Pool
    budget: Budget
    outlet: Outlet | None
    ruling: Ruling
    began: Instant
    trail: Trail = field(default_factory=Trail)

    @property
    def is_committed(self) -> bool:
        """True once the caller has content: then nobody else may answer."""
        return self.outlet is not None and self.outlet.has_begun

    @property
    def latest(self) -> float:
        """When, by the monotonic clock, an attempt must have left to be worth it."""
        return self.budget.deadline - self.budget.floor_s

    def skip(self, skip: Skip) -> None:
        """Put a skip on the trail and on the span of the request."""
        self.trail.add(skip)
        ready_at = skip.ready_at.isoformat() if skip.ready_at else None
        note(
            names.SPAN_EVENT_SKIP,
            {names.CANDIDATE: skip.candidate, names.REASON: skip.reason.value, names.READY_AT: ready_at},
        )

    def skip_once(self, skip: Skip) -> None:
        """Put a skip there unless the same candidate was left out for the same reason before."""
        if not self.trail.knows(skip):
            self.skip(skip)

    def may_try(self, candidate_id: str) -> bool:
        """Return whether the candidate is worth waiting for: each is called once, and attempts are bounded."""
        return self.budget.attempts > 0 and candidate_id not in self.trail.tried

    def end(
        self, attempt: Attempt, reply: Reply, now: float, *, degraded: tuple[DegradedReason, ...] = ()
    ) -> Execution:
        """Return what the request ends with: the answer, or as much of it as came. Raises `failure` without any."""
        answer = reply.answer
        if answer is None and not self.is_committed:
            raise self.failure(now)
        return Execution(
            answer=answer or Answer(text="", finish_reason=FinishReason.INTERRUPTED),
            attempt=attempt,
            model=reply.model,
            trail=self.trail,
            degraded=degraded,
            partial=answer is None,
        )

    def failure(self, now: float) -> PointsmanError:
        """Return the error that the trail deserves; `now` is by the monotonic clock."""
        return failure(self.trail, is_late=now >= self.latest)
