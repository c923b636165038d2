"""The same hour of traffic twice on a virtual clock: one list tried from the top, and Pointsman.

Both arms call the same simulated accounts, which start afresh for each, through the same adapters and the real wire
formats. What is simulated is time and the providers; what is measured is what each arm did. Nothing is asserted.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Final

from rich.table import Table

from pointsman.classifier.classify import Classifier, Question
from pointsman.classifier.embedded import Embedded
from pointsman.cli.simulated import over
from pointsman.config import Settings
from pointsman.domain.errors import PointsmanError
from pointsman.domain.prompt import Image, Message, Options, Part, Prompt, Request, Role, Text
from pointsman.domain.trail import Attempt, Outcome
from pointsman.executor import app as executor
from pointsman.executor.budget import Slice
from pointsman.executor.execute import Execute
from pointsman.executor.pools import candidates
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.traffic import Arrival
from pointsman.simulator.transport import SimulatorTransport
from pointsman.simulator.virtual_time import VirtualClock, run_virtual

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday morning."""

BUSY_HOURS_A_MONTH = 176
"""Eight hours on 22 days; the month's cost is that many of the hour that was run."""

TIME_LIMIT_S = 60.0
DEADLINE_S = 120.0

SEQUENCE = (
    "anthropic/claude-opus",
    "openai/gpt-4",
    "anthropic/claude-sonnet",
    "gemini/gemini-pro",
    "moonshot/kimi",
    "deepseek/deepseek-coder",
    "gemini/gemini-flash",
    "anthropic/claude-haiku",
    "local/qwen2.5-14b",
)
"""The one list of the way before: the strongest model first, the next one on any failure, no memory."""


Figures = dict[str, float]
"""The numbers of one arm, by name."""

BOUNDS: Final[Mapping[str, float]] = {"lost": 0, "calls_per_request": 1.01, "wasted_share": 0.001}
"""What Pointsman promises of its own way where limits are configured or stated."""

ROWS: Final = (
    ("calls per request", "calls_per_request", "{:.2f}"),
    ("wasted calls", "wasted_share", "{:.1%}"),
    ("mean response", "mean_s", "{:.1f} s"),
    ("95 of 100 within", "p95_s", "{:.1f} s"),
    ("cost a month", "cost_usd_a_month", "${:,.0f}"),
)
"""The table: title, figure, form."""


@dataclass(slots=True)
class Tally:
    """What one arm did. Durations are in seconds; `cost_usd` is what all attempts cost together."""

    requests: int = 0
    answered: int = 0
    answered_locally: int = 0
    attempts: int = 0
    wasted: int = 0
    unproductive: int = 0
    cost_usd: Decimal = Decimal(0)
    durations_s: list[float] = field(default_factory=list)

    def add(self, attempts: Sequence[Attempt], duration_s: float) -> None:
        """Add one request that ended."""
        answer = next((attempt for attempt in attempts if attempt.outcome is Outcome.ANSWERED), None)
        self.requests += 1
        self.durations_s.append(duration_s)
        self.answered += answer is not None
        self.answered_locally += answer is not None and answer.local
        self.attempts += len(attempts)
        self.wasted += sum(attempt.wasted for attempt in attempts)
        self.unproductive += sum(not attempt.wasted and attempt is not answer for attempt in attempts)
        self.cost_usd += sum((attempt.cost_usd or Decimal(0) for attempt in attempts), Decimal(0))

    def figures(self) -> Figures:
        """Return the numbers of the table."""
        ranked = sorted(self.durations_s)
        return {
            "requests": self.requests,
            "lost": self.requests - self.answered,
            "answered_locally": self.answered_locally,
            "calls": self.attempts,
            "calls_per_request": round(self.attempts / self.requests, 4),
            "wasted": self.wasted,
            "wasted_share": round(self.wasted / self.attempts, 5),
            "unproductive": self.unproductive,
            "mean_s": round(sum(ranked) / len(ranked), 3),
            "p95_s": round(ranked[math.ceil(0.95 * len(ranked)) - 1], 3),
            "cost_usd_a_month": round(float(self.cost_usd) * BUSY_HOURS_A_MONTH, 2),
        }


Ask = Callable[[Request], Awaitable[Sequence[Attempt]]]
"""How an arm has one request answered: the attempts that it took."""

Arm = Callable[[Settings, Simulation, VirtualClock, int], Ask]


def run(
    settings: Settings,
    scenario: Scenario,
    traffic: Sequence[Arrival],
    arm: Arm,
    *,
    seed: int,
    start: datetime = START,
) -> Tally:
    """Return what an arm did with the traffic, which begins at `start`."""

    async def hour(clock: VirtualClock) -> Tally:
        simulation = Simulation(scenario, clock=clock, seed=seed)
        ask = arm(over(settings, scenario, simulation.base_urls), simulation, clock, seed)
        tally = Tally()

        async def serve(arrival: Arrival) -> None:
            await clock.sleep(arrival.at_s)
            attempts = await ask(request_of(arrival))
            tally.add(attempts, clock.monotonic() - arrival.at_s)

        async with asyncio.TaskGroup() as tasks:
            for arrival in traffic:
                tasks.create_task(serve(arrival))
        return tally

    return run_virtual(hour, start=start)


def falls_short(after: Figures) -> list[str]:
    """Return a sentence for each figure of Pointsman's way that is above its bound."""
    return [f"{name} is {after[name]}, promised {bound}" for name, bound in BOUNDS.items() if after[name] > bound]


def table_of(before: Figures, after: Figures) -> Table:
    """Return the table of both ways."""
    table = Table("", "one list, tried from the top", "Pointsman")
    for title, name, form in ROWS:
        table.add_row(title, form.format(before[name]), form.format(after[name]))
    return table


def request_of(arrival: Arrival) -> Request:
    """Return the request of an arrival, as a caller without a category would send it."""
    sample = arrival.prompt
    parts: tuple[Part, ...] = (Text(text=sample.text),)
    if sample.image:
        parts = (*parts, Image(content=sample.image, mime_type="image/png"))
    message = Message(role=Role.USER, parts=parts)
    options = Options(max_output_tokens=arrival.max_output_tokens)
    return Request(prompt=Prompt(messages=(message,)), options=options)


def sequential(settings: Settings, simulation: Simulation, clock: VirtualClock, seed: int) -> Ask:
    """Return the way before: one list from the top, the next one on any failure, nothing remembered."""
    known = candidates(settings)
    caller = _engine(settings, simulation, clock, seed).caller
    sequence = [known[name] for name in SEQUENCE]

    async def ask(request: Request) -> Sequence[Attempt]:
        attempts: list[Attempt] = []
        for candidate in sequence:
            if request.prompt.has_image and not candidate.model.sees_images:
                continue
            attempt, reply = await caller.call(candidate, request, within=Slice(total_s=TIME_LIMIT_S))
            attempts.append(attempt)
            if reply.answer is not None:
                break
        return attempts

    return ask


def pointsman(settings: Settings, simulation: Simulation, clock: VirtualClock, seed: int) -> Ask:
    """Return the way of Pointsman: classify, plan by what the ledger knows, call what is able and free."""
    classifier = Classifier(settings.classifier, embedded=Embedded.load(), hop=None, clock=clock)
    engine = _engine(settings, simulation, clock, seed)

    async def ask(request: Request) -> Sequence[Attempt]:
        prompt = request.prompt
        question = Question(text=prompt.last_user_text, has_image=prompt.has_image)
        verdict = await classifier.classify(question, budget_s=None)
        try:
            execution = await engine.execute(request, verdict.category, deadline=clock.monotonic() + DEADLINE_S)
        except PointsmanError as error:
            return () if error.trail is None else tuple(error.trail.attempts)
        return tuple(execution.trail.attempts)

    return ask


def _engine(settings: Settings, simulation: Simulation, clock: VirtualClock, seed: int) -> Execute:
    adapters = executor.adapters_of(settings, clock=clock, transport=SimulatorTransport(simulation))
    known = candidates(settings)
    return executor.build(settings, known, adapters, clock=clock, random=Random(seed))
