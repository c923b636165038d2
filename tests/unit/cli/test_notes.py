from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from pointsman.cli.notes import Notes
from pointsman.domain.answer import FinishReason
from pointsman.domain.prompt import ToolCall
from pointsman.domain.trail import Attempt, Outcome, Trail
from pointsman.domain.verdict import DegradedReason

ATTEMPT = Attempt(
    candidate="openai/gpt-4", outcome=Outcome.ANSWERED, started_at=datetime(2026, 11, 27, tzinfo=UTC), duration_s=1.0
)
WHOLE = Notes(
    category="quick",
    confidence=0.9,
    candidate="openai/gpt-4",
    model="gpt-4",
    trail=Trail([ATTEMPT]),
    first_s=None,
    duration_s=1.25,
    cost_usd=0.001,
    simulated=False,
    degraded=(),
    finish_reason=FinishReason.STOP,
    tool_calls=(),
)


def shown(notes: Notes) -> list[str]:
    out = StringIO()
    notes.print(Console(file=out, width=200, markup=False))
    return out.getvalue().splitlines()


def test_a_whole_answer_has_one_time() -> None:
    assert shown(WHOLE) == ["quick 0.90 · openai/gpt-4 (gpt-4) · 1 attempt · 1.2 s · $0.001"]


def test_a_stream_has_two() -> None:
    assert "1 attempt · first text after 320 ms, all after 1.2 s · $" in shown(replace(WHOLE, first_s=0.32))[0]


def test_invented_and_degraded_answers_are_marked() -> None:
    marked = replace(WHOLE, simulated=True, degraded=(DegradedReason.LOCAL_FALLBACK,))

    assert shown(marked)[0].endswith("$0.001 [simulated] [degraded: local_fallback]")


def test_tool_calls_are_shown_without_what_would_steer_the_terminal() -> None:
    call = ToolCall(id="1", name="add\x1b[2J", arguments_json='{"x": 2}')

    assert shown(replace(WHOLE, tool_calls=(call,)))[0] == 'the model calls add[2J({"x": 2})'


@pytest.mark.parametrize(
    "reason, says",
    [
        pytest.param(FinishReason.LENGTH, "its output limit was spent", id="length"),
        pytest.param(FinishReason.CONTENT_BLOCKED, "blocked the content", id="blocked"),
        pytest.param(FinishReason.INTERRUPTED, "broke off", id="interrupted"),
    ],
)
def test_a_cut_answer_says_why(reason: FinishReason, says: str) -> None:
    assert says in shown(replace(WHOLE, finish_reason=reason))[0]


def test_what_a_failure_will_say_is_not_said_twice() -> None:
    broken = replace(WHOLE, finish_reason=FinishReason.INTERRUPTED, broke_by="The connection broke")

    assert len(shown(broken)) == 1
