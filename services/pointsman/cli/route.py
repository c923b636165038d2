"""`pointsman route`: have one prompt answered by a running stack."""

import sys
from typing import Final

from pointsman.cli.ask import Ask, failures_said
from pointsman.cli.executor import as_json as message_as_json
from pointsman.cli.loop import run
from pointsman.cli.terminal import dollars, print_json, printable, screen, seconds
from pointsman.domain.answer import FinishReason
from pointsman.domain.clock import SystemClock
from pointsman.domain.prompt import Options
from pointsman.rpc import convert
from pointsman.rpc.requests import options_to_pb
from pointsman_client import Answer, Client

_CUT: Final = {
    FinishReason.LENGTH: "the answer is cut: its output limit was spent (see --max-output-tokens)",
    FinishReason.CONTENT_BLOCKED: "the provider blocked the content",
    FinishReason.INTERRUPTED: "the answer broke off",
}


def route(ask: Ask, *, as_json: bool) -> None:
    """Print the answer on standard output, and how it came about on standard error. Raises Failure."""
    answer, duration_s = run(_route(ask, as_json=as_json))
    if as_json:
        print_json(message_as_json(answer.response))
        return
    # A pipe gets the very text; a terminal must not be steered by it.
    print(printable(answer.text) if sys.stdout.isatty() else answer.text, flush=True)
    notes = screen(stderr=True)
    if reason := _cut(answer):
        notes.print(reason)
    notes.print(summary(answer, duration_s), style="dim")


async def _route(ask: Ask, *, as_json: bool) -> tuple[Answer, float]:
    clock = SystemClock()
    started_s = clock.monotonic()
    async with Client(ask.address) as client:
        with failures_said(ask.address, as_json=as_json):
            answer = await client.route(
                ask.text,
                category=ask.category or None,
                images=ask.images,
                max_output_tokens=ask.max_output_tokens,
                options=options_to_pb(Options(local_only=ask.local_only)),
                timeout_s=ask.timeout_s,
            )
    return answer, clock.monotonic() - started_s


def summary(answer: Answer, duration_s: float) -> str:
    """Return one line: category, confidence, model, attempts, time, cost, and what is not as it should be."""
    response = answer.response
    attempts = sum(1 for _ in convert.trail_from_pb(response.trail).attempts)
    parts = [
        f"{answer.category} {response.verdict.confidence:.2f}",
        f"{answer.candidate} ({response.model})" if response.model else answer.candidate,
        "1 attempt" if attempts == 1 else f"{attempts} attempts",
        seconds(duration_s),
        dollars(answer.cost_usd),
    ]
    marks = " [simulated]" if answer.simulated else ""
    if answer.degraded:
        marks += f" [degraded: {', '.join(convert.degraded_from_pb(response.degraded_reasons))}]"
    return printable(" · ".join(parts)) + marks


def _cut(answer: Answer) -> str:
    reason = convert.FINISH_REASONS.from_pb(answer.response.answer.finish_reason)
    return _CUT.get(reason, "") if reason else ""
