import asyncio
from dataclasses import replace

import pytest

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.exchange import ConnectionLost, ConnectionRefused
from pointsman.simulator.faults import Fault, ScriptedFault
from pointsman.simulator.scenario import LimitProfile, ModelProfile
from pointsman.simulator.scenarios import BUSY_HOUR, INSTANT
from pointsman.simulator.simulation import Simulation
from tests.fakes.clock import FakeClock
from tests.unit.simulator.asking import (
    MODELS,
    chat,
    collected,
    generate,
    header,
    label,
    parsed,
    small,
    whole,
    world_of,
)
from tests.unit.simulator.conftest import MakeWorld

KINDS = pytest.mark.parametrize("kind", list(MODELS))
QWEN = "qwen2.5:1.5b-instruct"
IN_WORDS = {
    Fault.MINUTE_LIMIT: Outcome.RATE_LIMITED,
    Fault.MINUTE_LIMIT_NO_HINT: Outcome.RATE_LIMITED,
    Fault.CONCURRENCY_LIMIT: Outcome.CONCURRENCY_LIMITED,
    Fault.DAILY_QUOTA: Outcome.DAILY_QUOTA,
    Fault.TOO_LARGE: Outcome.REQUEST_EXCEEDS_QUOTA,
    Fault.BILLING: Outcome.BILLING,
    Fault.OVERLOADED: Outcome.OVERLOADED,
    Fault.SERVER_ERROR: Outcome.SERVER_ERROR,
    Fault.BAD_KEY: Outcome.UNAUTHORIZED,
    Fault.MODEL_GONE: Outcome.MODEL_NOT_FOUND,
}
RAW = {
    Fault.SERVER_ERROR_HTML: (500, b"<!DOCTYPE html>"),
    Fault.BAD_GATEWAY_EMPTY: (502, b""),
    Fault.OK_HTML: (200, b"<!DOCTYPE html>"),
    Fault.OK_EMPTY: (200, b""),
    Fault.OK_WRONG_SHAPE: (200, b'{"choices": "none"'),
}


@KINDS
@pytest.mark.parametrize("fault", list(IN_WORDS), ids=str)
async def test_a_fault_in_words_is_an_error_and_is_counted_as_what_it_means(
    world: Simulation, kind: str, fault: Fault
) -> None:
    world.script(MODELS[kind], fault)

    response = await world.handle(chat(kind))

    assert response.status >= 400
    assert parsed(response)["error"]["message"]
    assert world.tallies[kind, MODELS[kind]].outcomes == {IN_WORDS[fault]: 1}


@KINDS
@pytest.mark.parametrize("fault", list(RAW), ids=str)
async def test_a_raw_fault_is_the_same_for_all(world: Simulation, kind: str, fault: Fault) -> None:
    world.script(MODELS[kind], fault)

    response = await world.handle(chat(kind))

    assert response.status == RAW[fault][0]
    assert whole(response).startswith(RAW[fault][1])
    assert header(response, "x-pointsman-simulated") == "1"


@KINDS
async def test_an_error_may_hide_in_a_good_status(world: Simulation, kind: str) -> None:
    world.script(MODELS[kind], Fault.OK_ERROR_INSIDE)

    response = await world.handle(chat(kind))

    assert response.status == 200
    assert parsed(response)["error"]


@KINDS
async def test_the_whole_bound_may_go_into_reasoning(world: Simulation, kind: str) -> None:
    world.script(MODELS[kind], Fault.OUTPUT_ALL_REASONING)

    response = await world.handle(chat(kind, max_output_tokens=70))

    assert response.status == 200
    assert b"70" in whole(response)
    assert b"[simulated" not in whole(response)


@pytest.mark.parametrize(
    "kind, status, words",
    [
        ("openai", 400, b"invalid_prompt"),
        ("anthropic", 200, b"refusal"),
        ("gemini", 200, b"blockReason"),
        ("deepseek", 400, b"Content Exists Risk"),
        ("moonshot", 400, b"content_filter"),
    ],
)
async def test_a_blocked_prompt_looks_as_it_does_there(world: Simulation, kind: str, status: int, words: bytes) -> None:
    world.script(MODELS[kind], Fault.CONTENT_BLOCKED)

    response = await world.handle(chat(kind))

    assert response.status == status
    assert words in whole(response)
    assert world.tallies.total.outcomes == {Outcome.CONTENT_BLOCKED: 1}


async def test_faults_come_in_the_order_of_the_script_and_then_all_is_well(world: Simulation) -> None:
    world.script(MODELS["openai"], Fault.OVERLOADED, times=2)
    world.script(MODELS["openai"], Fault.BILLING)

    statuses = [(await world.handle(chat("openai"))).status for _ in range(4)]

    assert statuses == [503, 503, 429, 200]


async def test_a_fault_of_a_provider_hits_all_its_models_and_no_other(world: Simulation) -> None:
    world.script("anthropic", Fault.OVERLOADED, times=2)

    haiku = await world.handle(chat("anthropic", model="claude-haiku-5-5"))
    gemini = await world.handle(chat("gemini"))
    opus = await world.handle(chat("anthropic", model="claude-opus-5-5"))

    assert [haiku.status, gemini.status, opus.status] == [529, 200, 529]


async def test_a_scenario_brings_its_own_faults(make_world: MakeWorld) -> None:
    fault = ScriptedFault(model="*", fault=Fault.BAD_GATEWAY_EMPTY)
    world = make_world(replace(INSTANT, faults=(fault,)))

    statuses = [(await world.handle(chat("gemini"))).status for _ in range(2)]

    assert statuses == [502, 200]


async def test_a_connection_may_break_before_the_answer(world: Simulation) -> None:
    world.script(MODELS["openai"], Fault.RESET)

    with pytest.raises(ConnectionLost):
        await world.handle(chat("openai"))
    assert world.tallies.total.outcomes == {Outcome.NETWORK: 1}


async def test_silence_lasts_until_the_caller_gives_up_and_is_counted_as_abandoned() -> None:
    clock = FakeClock()
    world = Simulation(INSTANT, clock=clock, seed=1)
    world.script(MODELS["openai"], Fault.SILENCE)
    call = asyncio.create_task(world.handle(chat("openai")))
    await clock.let_others_run()

    call.cancel()
    await asyncio.wait([call])

    assert call.cancelled()
    assert world.tallies.total.abandoned == 1
    assert world.tallies.total.in_flight == 0


async def test_slow_bytes_are_a_good_answer_in_drops(world: Simulation) -> None:
    world.script(MODELS["openai"], Fault.SLOW_BYTES)

    slow = await collected(await world.handle(chat("openai")))

    assert b"[simulated gpt-6.2-sol]" in slow
    assert world.tallies.total.answered == 1


@pytest.mark.parametrize("kind", [*MODELS, "ollama"])
async def test_a_provider_that_is_down_refuses_until_it_is_up(world: Simulation, kind: str) -> None:
    request = generate() if kind == "ollama" else chat(kind)
    world.down(kind)

    with pytest.raises(ConnectionRefused):
        await world.handle(request)
    world.up(kind)

    assert (await world.handle(request)).status == 200


async def test_a_caller_that_leaves_frees_its_slot_and_pays_for_what_was_made() -> None:
    clock = FakeClock()
    world = Simulation(BUSY_HOUR, clock=clock, seed=1)
    call = asyncio.create_task(world.handle(chat("deepseek")))
    await clock.let_others_run()
    clock.advance(0.5)

    call.cancel()
    await asyncio.wait([call])
    tally = world.tallies["deepseek", MODELS["deepseek"]]

    assert (tally.abandoned, tally.in_flight) == (1, 0)
    assert 0 < tally.output_tokens < 800


async def test_a_stream_that_is_left_is_settled_too(world: Simulation) -> None:
    response = await world.handle(chat("openai", streamed=True))
    assert not isinstance(response.body, bytes)
    await anext(response.body)

    await response.body.aclose()
    await response.body.aclose()

    assert (world.tallies.total.abandoned, world.tallies.total.in_flight) == (1, 0)


@pytest.mark.parametrize(
    "fault, status",
    [
        (Fault.OVERLOADED, 503),
        (Fault.MODEL_GONE, 404),
        (Fault.SERVER_ERROR, 500),
        (Fault.BILLING, 500),
        (Fault.SERVER_ERROR_HTML, 500),
        (Fault.OK_EMPTY, 200),
        (Fault.OK_ERROR_INSIDE, 200),
    ],
    ids=str,
)
async def test_ollama_has_faults_of_its_own(world: Simulation, fault: Fault, status: int) -> None:
    world.script(QWEN, fault)

    response = await world.handle(label("hello"))

    assert response.status == status


async def test_ollama_may_find_no_label_likely(world: Simulation) -> None:
    world.script(QWEN, Fault.NO_LABELS)

    answer = parsed(await world.handle(label("hello")))
    tokens = {entry["token"].strip() for entry in answer["logprobs"][0]["top_logprobs"]}

    assert not tokens & {"reasoning", "coding", "quick", "vision", "review"}


async def test_ollama_may_end_before_it_begins(world: Simulation) -> None:
    world.script(QWEN, Fault.OUTPUT_ALL_REASONING)

    answer = parsed(await world.handle(label("hello")))

    assert answer["response"] == ""
    assert "logprobs" not in answer


async def test_a_provider_that_names_no_limit_leaves_it_out_of_its_refusal(make_world: MakeWorld) -> None:
    model = ModelProfile(id=MODELS["openai"], limits=(LimitProfile(unit=Unit.REQUESTS, amount=1),))
    world = make_world(world_of(replace(small("openai", model), names_limit=False, hints_wait=False)))
    await world.handle(chat("openai"))

    refused = await world.handle(chat("openai"))

    message = parsed(refused)["error"]["message"]
    assert refused.status == 429
    assert message == f"Rate limit reached for {model.id} in organization org-simulated."
