from datetime import UTC, datetime, timedelta

from pointsman.cli.trail_lines import passed_over, trail_lines
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail

NOW = datetime(2026, 11, 27, tzinfo=UTC)
LATE = Attempt(
    candidate="b/y", outcome=Outcome.TIMED_OUT, started_at=NOW, duration_s=1.5, detail="Nothing came within 1.5 s."
)
KEYLESS = Skip(candidate="a/x", reason=SkipReason.NO_CREDENTIALS)
COOLING = Skip(candidate="c/z", reason=SkipReason.COOLING, ready_at=NOW + timedelta(seconds=20))
ANSWERED = Attempt(candidate="d/w", outcome=Outcome.ANSWERED, started_at=NOW, duration_s=1.0)


def test_each_step_says_who_it_was_and_why() -> None:
    assert [*trail_lines(Trail([KEYLESS, LATE, COOLING]), NOW)] == [
        "left out a/x: no credentials",
        "called b/y for 1.5 s: timed out · Nothing came within 1.5 s.",
        "left out c/z: cooling · ready in 20.0 s",
    ]


def test_who_was_passed_over_stands_with_others_of_the_same_reason() -> None:
    keyless = Skip(candidate="e/v", reason=SkipReason.NO_CREDENTIALS)

    assert passed_over(Trail([KEYLESS, keyless, LATE, ANSWERED]), "d/w") == "a/x, e/v (no credentials); b/y (timed out)"


def test_who_answered_was_not_passed_over() -> None:
    assert passed_over(Trail([LATE, ANSWERED]), "b/y") == ""
