import asyncio

import pytest

from pointsman.domain.trail import Outcome
from pointsman.simulator.scenarios import BUSY_HOUR, CALM, INSTANT
from pointsman.simulator.simulation import Simulation
from tests.fakes.clock import LeapingClock
from tests.unit.simulator.asking import MODELS, chat, collected, generate, header, label, parsed, whole

TEXTS = ["What is the capital of Australia?", "대한민국의 수도는 어디인가요?", "Prove that 97 is prime."]


async def bodies(seed: int) -> list[bytes]:
    world = Simulation(BUSY_HOUR, clock=LeapingClock(), seed=seed)
    answers = [await world.handle(chat(kind, text)) for _ in range(4) for kind in MODELS for text in TEXTS]
    answers += [await world.handle(label(text)) for text in TEXTS]
    streams = [await collected(await world.handle(chat(kind, streamed=True))) for kind in ("anthropic", "gemini")]
    return [repr(answer.headers).encode() + whole(answer) for answer in answers] + streams


async def test_the_same_seed_and_the_same_requests_give_the_same_bytes() -> None:
    assert await bodies(seed=7) == await bodies(seed=7)


async def test_another_seed_gives_other_bytes() -> None:
    assert await bodies(seed=7) != await bodies(seed=8)


@pytest.mark.parametrize("kind", list(MODELS))
async def test_the_text_says_that_it_is_simulated_and_speaks_the_language_of_the_prompt(
    world: Simulation, kind: str
) -> None:
    english = whole(await world.handle(chat(kind, "Name a prime.", max_output_tokens=4_000))).decode()
    korean = whole(await world.handle(chat(kind, "소수 하나를 말해 주세요.", max_output_tokens=4_000))).decode()

    assert f"[simulated {MODELS[kind]}] On “Name a prime.”" in english
    assert f"[simulated {MODELS[kind]}] “소수 하나를 말해 주세요.”에 대해서는" in korean


async def test_the_text_depends_on_the_prompt(world: Simulation) -> None:
    texts = {parsed(await world.handle(chat("openai", text)))["choices"][0]["message"]["content"] for text in TEXTS}

    assert len(texts) == len(TEXTS)


async def test_an_answer_keeps_within_the_bound_that_was_asked_for(world: Simulation) -> None:
    answers = [parsed(await world.handle(chat("openai", text, max_output_tokens=200))) for text in TEXTS]

    assert [answer["usage"]["completion_tokens"] <= 200 for answer in answers] == [True] * 3
    assert "length" in {answer["choices"][0]["finish_reason"] for answer in answers}


async def test_less_effort_is_less_reasoning(world: Simulation) -> None:
    low = parsed(await world.handle(chat("openai", reasoning_effort="low")))["usage"]
    high = parsed(await world.handle(chat("openai", reasoning_effort="high")))["usage"]

    reasoned = [usage["completion_tokens_details"]["reasoning_tokens"] for usage in (low, high)]

    assert reasoned[0] < reasoned[1]


async def test_the_sums_agree_with_what_was_asked(world: Simulation) -> None:
    for kind in MODELS:
        await world.handle(chat(kind))
    await world.handle(generate())

    total = world.tallies.total

    assert (total.calls, total.outcomes) == (6, {Outcome.ANSWERED: 6})
    assert total.cost_usd > 0
    assert world.tallies.model(MODELS["openai"]).calls == 1
    assert [key for key, _ in world.tallies] == sorted([*MODELS.items(), ("ollama", "qwen2.5:1.5b-instruct")])


@pytest.mark.parametrize(
    "kind, model, low_s, high_s",
    [
        ("gemini", "gemini-3.8-flash", 0.6, 1.2),
        ("anthropic", "claude-haiku-5-5", 0.6, 1.2),
        ("anthropic", "claude-opus-5-5", 2.0, 4.0),
        ("anthropic", "claude-sonnet-5-5", 2.0, 4.0),
        ("openai", "gpt-6.2-sol", 2.0, 4.0),
        ("gemini", "gemini-4-argon", 2.0, 4.0),
        ("deepseek", "deepseek-v4-pro", 2.0, 4.0),
        ("moonshot", "kimi-k3.1-pro", 2.0, 4.0),
    ],
)
async def test_quick_models_take_about_a_second_and_big_ones_two_to_four(
    kind: str, model: str, low_s: float, high_s: float
) -> None:
    clock = LeapingClock()
    world = Simulation(CALM, clock=clock, seed=1)
    durations = []

    for number in range(41):
        begun = clock.monotonic()
        await world.handle(chat(kind, f"Question {number}", model=model, max_output_tokens=4_000))
        durations.append(clock.monotonic() - begun)

    assert low_s <= sorted(durations)[20] <= high_s


async def test_a_stream_takes_as_long_as_a_whole_answer() -> None:
    clock = LeapingClock()
    world = Simulation(CALM, clock=clock, seed=1)
    request = chat("anthropic", streamed=True)

    response = await world.handle(request)
    at_headers_s = clock.monotonic()
    await collected(response)

    assert at_headers_s == 0.0
    assert 1.0 < clock.monotonic() < 6.0


async def test_deepseek_counts_requests_that_run_at_the_same_time() -> None:
    world = Simulation(BUSY_HOUR, clock=LeapingClock(), seed=1)
    scenario_limit = 6

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(world.handle(chat("deepseek", f"Question {n}"))) for n in range(10)]
    statuses = [call.result().status for call in calls]

    assert statuses.count(429) == 10 - scenario_limit
    assert world.tallies.total.outcomes[Outcome.CONCURRENCY_LIMITED] == 4
    assert world.tallies.total.most_in_flight == 10


async def test_the_busy_hour_limits_each_preferred_model_in_a_burst_of_twelve() -> None:
    world = Simulation(BUSY_HOUR.without_waiting(), clock=LeapingClock(), seed=1)

    for kind in ("anthropic", "gemini", "openai"):
        statuses = [(await world.handle(chat(kind))).status for _ in range(12)]
        assert statuses[0] == 200
        assert statuses[-1] == 429


def test_every_model_of_the_reference_settings_is_simulated() -> None:
    assert {model.id for _, model in INSTANT.models} == {
        "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "gemini-4-argon", "gemini-3.8-flash",
        "gpt-6.2-sol", "deepseek-v4-pro", "kimi-k3.1-pro",
    }  # fmt: skip
    assert {model.id for model in INSTANT.local.models} == {"qwen2.5:1.5b-instruct", "qwen2.5:14b-instruct-q8_0"}


async def test_base_urls_are_what_adapters_are_given(world: Simulation) -> None:
    assert world.base_urls == {
        "openai": "http://simulator.invalid/openai/v1",
        "deepseek": "http://simulator.invalid/deepseek",
        "moonshot": "http://simulator.invalid/moonshot/v1",
        "anthropic": "http://simulator.invalid/anthropic",
        "gemini": "http://simulator.invalid/gemini",
        "ollama": "http://simulator.invalid/ollama",
    }


async def test_processing_is_announced_as_json(world: Simulation) -> None:
    response = await world.handle(chat("openai"))

    assert header(response, "content-type") == "application/json"
