"""The rehearsal gives the figures of the real attempt loop over the real wire formats; only time is virtual in both."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from pointsman.classifier.classify import Classifier, Question
from pointsman.classifier.embedded import Embedded
from pointsman.cli import comparison
from pointsman.cli.comparison import START
from pointsman.cli.rehearsal_hosts import MOST_UNSTATED, Speak, hosts
from pointsman.cli.rehearsal_run import Rehearsal
from pointsman.cli.rehearsal_tally import Tally
from pointsman.cli.rehearsal_traffic import Asked, Coming, Invented, sized
from pointsman.cli.simulated import over
from pointsman.config import Settings, load
from pointsman.domain.clock import SystemClock
from pointsman.executor.pools import candidates
from pointsman.simulator.dialect import Ask
from pointsman.simulator.scenario import ModelProfile
from pointsman.simulator.scenarios import BUSY_HOUR
from pointsman.simulator.speaker import speak
from pointsman.simulator.traffic import HOUR_S, Arrival, TrafficProfile, arrivals
from pointsman.simulator.wording import count_prompt_tokens

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
SEED = 1
BUSY = TrafficProfile(singles_per_minute=24.0, bursts_per_hour=12.0)
TOO_MUCH = TrafficProfile(singles_per_minute=110.0, bursts_per_hour=30.0)


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(REFERENCE, environ={})


async def sized_like(traffic: Iterable[Arrival], settings: Settings) -> tuple[list[Coming], dict[Asked, str]]:
    """Return the same requests with the same verdicts, by size alone, and the text of each."""
    classifier = Classifier(settings.classifier, embedded=Embedded.load(), hop=None, clock=SystemClock())
    coming: list[Coming] = []
    texts: dict[Asked, str] = {}
    for arrival in traffic:
        text, has_image = arrival.prompt.text, arrival.prompt.image is not None
        verdict = await classifier.classify(Question(text=text, has_image=has_image), budget_s=None)
        asked = sized(
            verdict.category,
            text_bytes=len(text.encode()),
            has_image=has_image,
            input_tokens=count_prompt_tokens([text], int(has_image)),
            max_output_tokens=arrival.max_output_tokens,
        )
        texts[asked] = text
        coming.append((arrival.at_s, asked))
    return coming, texts


def speaking(texts: dict[Asked, str]) -> Speak:
    """Return what says exactly as much as the simulated models do to these texts."""

    def tokens(model: ModelProfile, effort: str, asked: Asked) -> int:
        bound = asked.request.options.max_output_tokens
        ask = Ask(model=model, text=texts[asked], input_tokens=1, max_output_tokens=bound, effort=effort)
        return speak(ask, Random(f"{SEED}/{model.id}/{texts[asked]}")).output_tokens

    return tokens


def rehearsed(
    settings: Settings,
    coming: Iterable[Coming],
    *,
    speak: Speak | None = None,
    most_unstated: int = MOST_UNSTATED,
    lazily: bool = True,
) -> Tally:
    world = hosts(settings, candidates(settings), seed=SEED, speak=speak, most_unstated=most_unstated)
    tally = Rehearsal(settings, world, start=START, at_s=0.0, seed=SEED, lazily=lazily).run(coming, counted_from=0.0)
    tally.days = 1.0
    return tally


@pytest.mark.parametrize(
    "profile, seconds, requests_off",
    [
        pytest.param(BUSY, HOUR_S, 0, id="a busy hour, where limits bind and nobody is lost"),
        pytest.param(TOO_MUCH, HOUR_S / 8, 6, id="far more than the limits allow, where the local model is queued for"),
    ],
)
async def test_a_rehearsal_gives_the_figures_of_the_real_loop_over_the_real_wire(
    reference: Settings, profile: TrafficProfile, seconds: float, requests_off: int
) -> None:
    traffic = [*arrivals(profile, seconds=seconds, chance=Random(SEED))]
    settings = over(reference, BUSY_HOUR, {})
    coming, texts = await sized_like(traffic, settings)

    ran = await asyncio.to_thread(comparison.run, reference, BUSY_HOUR, traffic, comparison.pointsman, seed=SEED)
    wire = ran.figures()
    figures = rehearsed(settings, coming, speak=speaking(texts)).figures()

    assert figures["requests"] == wire["requests"]
    assert figures["wasted"] == wire["wasted"] == 0
    assert figures["lost"] == pytest.approx(wire["lost"], abs=requests_off)
    assert figures["answered_by_fallback"] == pytest.approx(wire["answered_locally"], abs=requests_off)
    assert figures["calls"] == pytest.approx(wire["calls"], abs=requests_off)
    assert figures["mean_s"] == pytest.approx(wire["mean_s"], rel=0.02)
    assert figures["p95_s"] == pytest.approx(wire["p95_s"], rel=0.03)
    cost_usd = wire["cost_usd_a_month"] / comparison.BUSY_HOURS_A_MONTH
    assert figures["cost_usd"] == pytest.approx(cost_usd, rel=0.01)


def test_answers_that_state_nothing_move_at_most_five_requests_in_a_thousand(reference: Settings) -> None:
    coming = [*Invented(rps=20.0, mix={"coding": 1, "reasoning": 1}, days=1, seed=2).between(36_000.0, 36_120.0)]

    always = rehearsed(reference, coming, most_unstated=0)
    seldom = rehearsed(reference, coming)

    assert always.lines["anthropic/claude-opus"].skipped  # its limit binds, which is what statements are about
    answered = {name: line.answered for name, line in always.lines.items()}
    moved = {name: abs(line.answered - answered[name]) for name, line in seldom.lines.items()}
    assert max(moved.values()) <= 0.005 * len(coming)
    assert seldom.wasted == always.wasted == 0
