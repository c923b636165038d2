"""What is said beside an answer, whole or streamed: how it came about, and what is not as it should be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from pointsman.cli.terminal import dollars, printable, seconds
from pointsman.cli.trail_lines import passed_over
from pointsman.domain.answer import FinishReason
from pointsman.domain.prompt import ToolCall
from pointsman.domain.trail import Trail
from pointsman.domain.verdict import DegradedReason
from pointsman.rpc import convert
from pointsman_client import Answer, Stream

_CUT: Final = {
    FinishReason.LENGTH: "the answer is cut: its output limit was spent (see --max-output-tokens)",
    FinishReason.CONTENT_BLOCKED: "the provider blocked the content",
    FinishReason.INTERRUPTED: "the answer broke off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """How an answer came about.

    `first_s` is how long its first text took, None when it came whole or had none. `broke_by` says what ended a stream
    too early, and is empty when nothing did.
    """

    category: str
    confidence: float
    candidate: str
    model: str
    trail: Trail
    first_s: float | None
    duration_s: float
    cost_usd: float | None
    simulated: bool
    degraded: tuple[DegradedReason, ...]
    finish_reason: FinishReason | None
    tool_calls: tuple[ToolCall, ...]
    broke_by: str = ""

    def print(self, notes: Console) -> None:
        """Print them for people: tool calls and a cut answer on lines of their own, then the summary."""
        for line in self._remarks():
            notes.print(printable(line))
        notes.print(self.summary(), style="dim")

    def summary(self) -> str:
        """Return one line: category, confidence, model, attempts, times, cost, who was passed over, what is amiss."""
        attempts = sum(1 for _ in self.trail.attempts)
        parts = [
            f"{self.category} {self.confidence:.2f}",
            f"{self.candidate} ({self.model})" if self.model else self.candidate,
            "1 attempt" if attempts == 1 else f"{attempts} attempts",
            self._times(),
            dollars(self.cost_usd),
        ]
        if others := passed_over(self.trail, self.candidate):
            parts.append(f"passed over: {others}")
        marks = " [simulated]" if self.simulated else ""
        if self.degraded:
            marks += f" [degraded: {', '.join(self.degraded)}]"
        return printable(" · ".join(parts)) + marks

    def _times(self) -> str:
        if self.first_s is None:
            return seconds(self.duration_s)
        return f"first text after {seconds(self.first_s)}, all after {seconds(self.duration_s)}"

    def _remarks(self) -> Iterator[str]:
        for call in self.tool_calls:
            yield f"the model calls {call.name}({call.arguments_json})"
        if self.finish_reason in _CUT and not self.broke_by:
            yield _CUT[self.finish_reason]


def of_answer(answer: Answer, *, duration_s: float) -> Notes:
    """Return the notes on an answer that came whole."""
    response = answer.response
    return Notes(
        category=answer.category,
        confidence=response.verdict.confidence,
        candidate=answer.candidate,
        model=response.model,
        trail=convert.trail_from_pb(response.trail),
        first_s=None,
        duration_s=duration_s,
        cost_usd=answer.cost_usd,
        simulated=answer.simulated,
        degraded=convert.degraded_from_pb(response.degraded_reasons),
        finish_reason=convert.FINISH_REASONS.from_pb(response.answer.finish_reason),
        tool_calls=tuple(map(convert.tool_call_from_pb, response.answer.tool_calls)),
    )


def of_stream(stream: Stream, *, first_s: float | None, duration_s: float) -> Notes:
    """Return the notes on a stream. Raises ValueError for one that was not read to its end."""
    if stream.start is None or stream.end is None:
        raise ValueError("the stream was not read to its end")
    chosen, end = stream.start.chosen, stream.end
    trail = convert.trail_from_pb(end.trail)
    return Notes(
        category=stream.start.verdict.category,
        confidence=stream.start.verdict.confidence,
        candidate=chosen.candidate,
        model=chosen.model,
        trail=trail,
        first_s=first_s,
        duration_s=duration_s,
        cost_usd=end.cost_usd if end.HasField("cost_usd") else None,
        simulated=chosen.simulated,
        degraded=convert.degraded_from_pb(end.degraded_reasons),
        finish_reason=convert.FINISH_REASONS.from_pb(end.finish_reason),
        tool_calls=tuple(map(convert.tool_call_from_pb, stream.tool_calls)),
        broke_by=_last_failure(trail) if end.partial else "",
    )


def _last_failure(trail: Trail) -> str:
    last = max(trail.attempts, key=lambda attempt: attempt.started_at, default=None)
    if last is None:
        return "nobody says why"
    outcome = last.outcome.replace("_", " ")
    return f"{last.detail.removesuffix('.') or 'no detail is known'} ({last.candidate}, {outcome})"
