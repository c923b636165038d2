"""What the one log line of a call tells of how its answer came about, or of why there is none."""

from typing import Any

from pointsman.domain.trail import Outcome, Trail


def story(
    *,
    outcome: Outcome | None,
    attempts: int,
    wasted: int,
    skips: int,
    input_tokens: int,
    output_tokens: int,
    cost_usd: float | None,
) -> dict[str, Any]:
    """Return the facts by the names of the line.

    `outcome` is that of the last attempt, None when nobody was called; `cost_usd` is None when a price is unknown.
    """
    return {
        "outcome": str(outcome) if outcome else None,
        "attempts": attempts,
        "wasted": wasted,
        "skips": skips,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost_usd": cost_usd,
    }


def story_of(trail: Trail) -> dict[str, Any]:
    """Return what a trail comes to."""
    attempts, usage, cost_usd = tuple(trail.attempts), trail.usage, trail.cost_usd
    return story(
        outcome=attempts[-1].outcome if attempts else None,
        attempts=len(attempts),
        wasted=sum(attempt.wasted for attempt in attempts),
        skips=len(trail.steps) - len(attempts),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=None if cost_usd is None else float(cost_usd),
    )
