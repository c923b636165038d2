"""Steps of a trail as people read them: who was called, for how long, who was left out, and why. Pure."""

from collections.abc import Iterator
from datetime import datetime

from pointsman.cli.terminal import printable, seconds
from pointsman.domain.trail import Attempt, Outcome, Skip, Trail


def trail_lines(trail: Trail, now: datetime) -> Iterator[str]:
    """Yield one line a step, in order; `now` is what waits are counted from."""
    for step in trail.steps:
        yield attempt_line(step) if isinstance(step, Attempt) else f"left out {skip_line(step, now)}"


def attempt_line(attempt: Attempt) -> str:
    """Return who was called, for how long, and how it ended."""
    outcome = attempt.outcome.replace("_", " ")
    return joined(f"called {attempt.candidate} for {seconds(attempt.duration_s)}: {outcome}", attempt.detail)


def skip_line(skip: Skip, now: datetime) -> str:
    """Return a candidate that is left out, why, and until when."""
    return joined(f"{skip.candidate}: {skip.reason.replace('_', ' ')}", skip.detail, until(skip.ready_at, now))


def until(ready_at: datetime | None, now: datetime) -> str:
    """Return when something is ready again, in words; empty for None."""
    if ready_at is None:
        return ""
    left_s = (ready_at - now).total_seconds()
    return f"ready in {seconds(left_s)}" if left_s > 0 else "ready now"


def passed_over(trail: Trail, answered_by: str) -> str:
    """Return why each other candidate did not answer, such as "a/x, b/y (no credentials); c/z (rate limited)"."""
    reasons: dict[str, list[str]] = {}
    for step in trail.steps:
        if step.candidate == answered_by or (isinstance(step, Attempt) and step.outcome is Outcome.ANSWERED):
            continue
        why = (step.outcome if isinstance(step, Attempt) else step.reason).replace("_", " ")
        names = reasons.setdefault(why, [])
        if step.candidate not in names:
            names.append(step.candidate)
    return printable("; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items()))


def joined(*parts: str) -> str:
    """Return the parts that hold something as one line."""
    return printable(" · ".join(part for part in parts if part))
