import asyncio
from dataclasses import replace

import pytest

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.exchange import ConnectionLost, ConnectionRefused
from pointsman.simulator.faults import MID_STREAM, Fault, ScriptedFault
from pointsman.simulator.scenario import LimitProfile, ModelProfile
from pointsman.simulator.scenarios import BUSY_HOUR, INSTANT
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.tally import Sighting
from tests.fakes.clock import FakeClock, LeapingClock
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


def events(body: bytes) -> list[bytes]:
    """Return the events of a stream, whichever way its lines end."""
    return [event for event in body.replace(b"\r\n", b"\n").split(b"\n\n") if event]


async def until_it_breaks(world: Simulation, kind: str) -> tuple[list[bytes], bool]:
    """Return the pieces of a stream that came, and whether the connection broke behind them."""
    response = await world.handle(chat(kind, streamed=True))
    assert not isinstance(response.body, bytes)
    pieces, is_cut = list[bytes](), False
    try:
        pieces += [piece async for piece in response.body]
    except ConnectionLost:
        is_cut = True
    finally:
        await response.body.aclose()
    return pieces, is_cut


@KINDS
async def test_a_stream_may_be_cut_in_its_middle(world: Simulation, kind: str) -> None:
    world.script(MODELS[kind], Fault.STREAM_CUT, after_events=3)
    response = await world.handle(chat(kind, streamed=True))
    assert not isinstance(response.body, bytes)

    pieces = [await anext(response.body) for _ in range(3)]
    with pytest.raises(ConnectionLost):
        await anext(response.body)
    await response.body.aclose()

    assert b"".join(pieces)
    assert world.tallies.total.outcomes == {Outcome.NETWORK: 1}
    assert world.tallies.total.in_flight == 0


@KINDS
async def test_a_stream_may_end_without_its_end(world: Simulation, kind: str) -> None:
    world.script(MODELS[kind], Fault.STREAM_SHORT)

    pieces, is_cut = await until_it_breaks(world, kind)
    whole_pieces, _ = await until_it_breaks(world, kind)

    assert (len(pieces), is_cut) == (4, False)
    assert len(whole_pieces) > 4
    assert world.tallies.total.outcomes == {Outcome.NETWORK: 1, Outcome.ANSWERED: 1}


async def test_a_stream_that_stalls_is_left_open_until_its_reader_has_enough() -> None:
    clock = FakeClock()
    world = Simulation(INSTANT, clock=clock, seed=1)
    world.script(MODELS["openai"], Fault.STREAM_STALL, after_events=0)
    response = await world.handle(chat("openai", streamed=True))
    assert not isinstance(response.body, bytes)
    reading = asyncio.ensure_future(anext(response.body))
    await clock.let_others_run()
    clock.advance(3_600.0)
    await clock.let_others_run()

    is_stalled = not reading.done()
    reading.cancel()
    await asyncio.wait([reading])
    await response.body.aclose()

    assert is_stalled
    assert world.tallies.total.outcomes == {Outcome.NETWORK: 1}


@KINDS
async def test_garbage_stands_between_the_events_of_a_stream(world: Simulation, kind: str) -> None:
    world.script(MODELS[kind], Fault.STREAM_GARBAGE, after_events=2)

    pieces, is_cut = await until_it_breaks(world, kind)
    whole_pieces, _ = await until_it_breaks(world, kind)

    assert not is_cut
    assert len(pieces) == len(whole_pieces) + 1
    assert b"\xff\xfe" in pieces[2]
    assert world.tallies.total.outcomes == {Outcome.SERVER_ERROR: 1, Outcome.ANSWERED: 1}


@KINDS
async def test_an_error_in_the_middle_of_a_stream_is_its_last_event(world: Simulation, kind: str) -> None:
    world.script(MODELS[kind], Fault.STREAM_ERROR)

    pieces, is_cut = await until_it_breaks(world, kind)

    last = events(b"".join(pieces))[-1]
    assert not is_cut
    assert b'"error":{' in last
    assert last.startswith(b"event: error\n" if kind == "anthropic" else b"data: ")
    assert world.tallies.total.outcomes == {Outcome.SERVER_ERROR: 1}


async def test_a_short_stream_breaks_before_its_last_event(world: Simulation) -> None:
    world.script(MODELS["openai"], Fault.STREAM_SHORT, after_events=10_000)

    pieces, _ = await until_it_breaks(world, "openai")

    assert len(pieces) > 4
    assert b"[DONE]" not in b"".join(pieces)


@pytest.mark.parametrize("fault", sorted(MID_STREAM))
async def test_a_fault_of_streams_waits_for_one(world: Simulation, fault: Fault) -> None:
    world.script("*", fault, after_events=0)

    whole_answer = await world.handle(chat("openai"))
    local = await world.handle(generate(stream=True))
    assert not isinstance(local.body, bytes)
    await local.body.aclose()

    assert whole_answer.status == 200
    assert b"[simulated" in whole(whole_answer)
    assert world.tallies["ollama", QWEN].outcomes == {
        Outcome.SERVER_ERROR if fault in {Fault.STREAM_GARBAGE, Fault.STREAM_ERROR} else Outcome.NETWORK: 1
    }


async def test_a_stream_of_ollama_may_end_with_an_error(world: Simulation) -> None:
    world.script(QWEN, Fault.STREAM_ERROR, after_events=2)

    lines = (await collected(await world.handle(generate(stream=True)))).splitlines()

    assert len(lines) == 2  # a piece and the error: the first event of all is empty
    assert lines[-1].startswith(b'{"error":')


@pytest.mark.parametrize("kind", ["openai", "ollama"])
async def test_a_witness_is_told_of_every_call_twice(clock: LeapingClock, kind: str) -> None:
    seen: list[Sighting] = []
    world = Simulation(INSTANT, clock=clock, seed=1, witness=seen.append)
    world.script("*", Fault.OVERLOADED)
    request = generate() if kind == "ollama" else chat(kind)
    await world.handle(request)
    await world.handle(request)

    refused, answered = seen[:2], seen[2:]

    assert [(each.is_over, each.outcome, each.is_scripted) for each in refused] == [
        (False, None, True),
        (True, Outcome.OVERLOADED, True),
    ]
    assert [(each.is_over, each.outcome, each.is_scripted) for each in answered] == [
        (False, None, False),
        (True, Outcome.ANSWERED, False),
    ]
    assert answered[1].input_tokens > 0
    assert answered[1].output_tokens > 0
    assert answered[0].id == answered[1].id != refused[0].id or kind == "ollama"
