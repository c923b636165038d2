import asyncio
import math
from dataclasses import replace

import orjson
import pytest

from pointsman.domain.trail import Outcome
from pointsman.simulator.exchange import SimRequest
from pointsman.simulator.reading import Json
from pointsman.simulator.scenario import LocalModelProfile, LocalProfile, Scenario
from pointsman.simulator.scenarios import BUSY_HOUR
from pointsman.simulator.simulation import Simulation
from tests.fakes.clock import FakeClock, LeapingClock
from tests.unit.simulator.asking import LABEL_OPTIONS, collected, generate, get, header, label, parsed, post, whole
from tests.unit.simulator.conftest import MakeWorld

SMALL = "qwen2.5:1.5b-instruct"
BIG = "qwen2.5:14b-instruct-q8_0"
LABELS = {" reasoning", " coding", " quick", " vision", " review"}


def local(**changes: object) -> Scenario:
    models = tuple(
        LocalModelProfile(id=id, size_bytes=1, parameter_size="1B", quantization="Q8_0", load_s=10.0)
        for id in ("one", "two", "three")
    )
    return Scenario(local=replace(LocalProfile(models=models), **changes))  # type: ignore[arg-type]  # names checked by replace


async def start(clock: FakeClock, world: Simulation, request: SimRequest) -> "asyncio.Task[int]":
    """Begin a request and let it get as far as it can; the task gives its status."""

    async def status() -> int:
        return (await world.handle(request)).status

    task = asyncio.create_task(status())
    await clock.let_others_run()
    return task


async def test_the_pages_have_what_the_client_reads(world: Simulation) -> None:
    version = parsed(await world.handle(get("/ollama/api/version")))
    tags = parsed(await world.handle(get("/ollama/api/tags")))
    show = parsed(await world.handle(post("/ollama/api/show", {"model": SMALL})))

    assert version == {"version": "0.33.0"}
    assert [model["name"] for model in tags["models"]] == [SMALL, BIG]
    assert show["details"]["family"] == "qwen2"
    assert "completion" in show["capabilities"]


async def test_the_root_says_that_it_runs(world: Simulation) -> None:
    assert whole(await world.handle(get("/ollama/"))) == b"Ollama is running"


async def test_the_classification_prompt_brings_twenty_tokens_that_cover_the_labels(world: Simulation) -> None:
    answer = parsed(await world.handle(label("파이썬 함수의 버그를 고쳐 줘")))

    first = answer["logprobs"][0]
    shares = {entry["token"]: math.exp(entry["logprob"]) for entry in first["top_logprobs"]}

    assert answer["response"] == first["token"] == " coding"
    assert len(first["top_logprobs"]) == 20
    assert 0.9 < sum(share for token, share in shares.items() if token in LABELS) <= 1.0
    assert sum(shares.values()) <= 1.0
    assert bytes(first["bytes"]) == b" coding"
    assert (answer["done_reason"], answer["eval_count"]) == ("length", 1)


@pytest.mark.parametrize(
    "text, token",
    [
        ("What is the capital of Australia?", " quick"),
        ("Write a Python function and a unit test for it.", " coding"),
        ("Prove step by step that the plan is optimal and compare the trade-offs.", " reasoning"),
        ("Proofread this paragraph and polish its tone.", " review"),
        ("이 사진 속 그림을 설명해 줘", " vision"),
    ],
)
async def test_the_small_model_has_an_idea_of_each_category(world: Simulation, text: str, token: str) -> None:
    assert parsed(await world.handle(label(text)))["response"] == token


async def test_a_server_that_is_too_old_sends_no_log_probabilities(make_world: MakeWorld) -> None:
    old = replace(BUSY_HOUR.local, has_logprobs=False, version="0.9.0")
    world = make_world(replace(BUSY_HOUR, local=old))

    assert "logprobs" not in parsed(await world.handle(label("hello")))


async def test_a_chat_answers_in_the_language_of_its_last_message_and_says_that_it_is_simulated(
    world: Simulation,
) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "안녕하세요, 수도가 어디죠?"}]
    response = await world.handle(post("/ollama/api/chat", {"model": BIG, "messages": messages, "stream": False}))

    answer = parsed(response)

    assert answer["message"]["content"].startswith(f"[simulated {BIG}] “안녕하세요")
    assert header(response, "x-pointsman-simulated") == "1"
    assert answer["done_reason"] == "stop"


@pytest.mark.parametrize("path", ["generate", "chat"])
async def test_a_stream_is_the_default_and_ends_with_the_durations(world: Simulation, path: str) -> None:
    body: Json = {"model": SMALL, "prompt": "Hello", "messages": [{"role": "user", "content": "Hello"}]}
    response = await world.handle(post(f"/ollama/api/{path}", body))

    lines = [orjson.loads(line) for line in (await collected(response)).splitlines()]

    assert header(response, "content-type") == "application/x-ndjson"
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1]["eval_count"] > 0
    assert lines[-1]["total_duration"] >= lines[-1]["eval_duration"]


@pytest.mark.parametrize(
    "request_, status, words",
    [
        pytest.param(generate(model="nope"), 404, "model 'nope' not found", id="unknown model"),
        pytest.param(generate(model=""), 400, "model is required", id="no model"),
        pytest.param(post("/ollama/api/generate", b""), 400, "missing request body", id="no body"),
        pytest.param(generate(logprobs=True, top_logprobs=21), 400, "between 0 and 20", id="too many logprobs"),
        pytest.param(generate(keep_alive="-1"), 400, "missing unit in duration", id="keep-alive without unit"),
        pytest.param(generate(raw=True, system="x"), 400, "raw mode", id="raw with a system text"),
        pytest.param(generate(think=True), 400, "does not support thinking", id="thinking"),
    ],
)
async def test_what_ollama_refuses_is_refused(world: Simulation, request_: SimRequest, status: int, words: str) -> None:
    response = await world.handle(request_)

    assert response.status == status
    assert words in parsed(response)["error"]


async def test_the_first_request_waits_for_the_load_and_the_next_does_not() -> None:
    clock = LeapingClock()
    world = Simulation(BUSY_HOUR, clock=clock, seed=1)

    cold = parsed(await world.handle(label("hello", keep_alive=-1)))
    warm = parsed(await world.handle(label("hello there", keep_alive=-1)))

    assert cold["load_duration"] == 1_500_000_000
    assert warm["load_duration"] == 0
    assert warm["prompt_eval_duration"] < cold["prompt_eval_duration"]  # the static prefix is in the cache
    assert world.local.runners.loads.begun == 1


async def test_an_empty_prompt_loads_and_with_no_keep_alive_unloads(world: Simulation) -> None:
    loaded = parsed(await world.handle(generate("", keep_alive=-1)))
    resident = parsed(await world.handle(get("/ollama/api/ps")))
    unloaded = parsed(await world.handle(generate("", keep_alive=0)))
    empty = parsed(await world.handle(get("/ollama/api/ps")))

    assert (loaded["done_reason"], unloaded["done_reason"]) == ("load", "unload")
    assert [model["name"] for model in resident["models"]] == [SMALL]
    assert resident["models"][0]["expires_at"].startswith("2319")
    assert empty == {"models": []}


async def test_other_load_options_mean_another_load(world: Simulation) -> None:
    await world.handle(label("hello"))
    await world.handle(label("hello", options=LABEL_OPTIONS | {"temperature": 1}))
    await world.handle(label("hello", options=LABEL_OPTIONS | {"num_ctx": 8192}))

    assert (world.local.runners.loads.begun, world.local.runners.loads.repeated) == (2, 1)


async def test_a_caller_that_leaves_during_a_load_aborts_it() -> None:
    clock = FakeClock()
    world = Simulation(local(), clock=clock, seed=1)
    impatient = await start(clock, world, generate(model="one"))
    clock.advance(9.0)
    impatient.cancel()
    await clock.let_others_run()

    patient = await start(clock, world, generate(model="one"))
    clock.advance(9.0)
    await clock.let_others_run()

    assert not patient.done()
    assert (world.local.runners.loads.begun, world.local.runners.loads.aborted) == (2, 1)
    patient.cancel()


async def test_requests_for_a_loaded_model_wait_for_a_slot_without_limit_and_without_error() -> None:
    clock = FakeClock()
    world = Simulation(local(parallel=1, max_queue=1).without_waiting(), clock=clock, seed=1)
    await world.handle(generate("", model="one", keep_alive=-1))
    slow = Simulation(local(parallel=1, max_queue=1), clock=clock, seed=1)
    load = await start(clock, slow, generate("", model="one", keep_alive=-1))
    clock.advance(10.0)
    await clock.let_others_run()

    calls = [await start(clock, slow, generate(f"Hello {n}", model="one")) for n in range(5)]
    for _ in range(40):
        clock.advance(1.0)
        await clock.let_others_run()

    assert load.result() == 200
    assert [call.result() for call in calls] == [200] * 5


async def test_too_many_requests_for_a_load_are_told_that_the_server_is_busy() -> None:
    clock = FakeClock()
    world = Simulation(local(max_queue=1), clock=clock, seed=1)
    first = await start(clock, world, generate(model="one"))

    second = await world.handle(generate(model="one"))

    assert second.status == 503
    assert "server busy" in parsed(second)["error"]
    assert world.tallies["ollama", "one"].outcomes == {Outcome.OVERLOADED: 1}
    first.cancel()


async def test_a_model_leaves_memory_when_its_keep_alive_is_over() -> None:
    clock = LeapingClock()
    world = Simulation(BUSY_HOUR, clock=clock, seed=1)
    await world.handle(generate(keep_alive="1m30s"))

    clock.advance(89)
    before = parsed(await world.handle(get("/ollama/api/ps")))
    clock.advance(2)
    after = parsed(await world.handle(get("/ollama/api/ps")))

    assert (len(before["models"]), len(after["models"])) == (1, 0)


async def test_the_idle_model_that_leaves_soonest_makes_room(make_world: MakeWorld) -> None:
    world = make_world(local(max_loaded=2).without_waiting())
    await world.handle(generate(model="one", keep_alive=600))
    await world.handle(generate(model="two", keep_alive=60))

    await world.handle(generate(model="three", keep_alive=-1))
    resident = parsed(await world.handle(get("/ollama/api/ps")))

    assert [model["name"] for model in resident["models"]] == ["three", "one"]


async def test_a_pull_ends_with_success_and_the_model_is_there(make_world: MakeWorld) -> None:
    absent = replace(local().local.models[0], is_pulled=False)
    world = make_world(Scenario(local=LocalProfile(models=(absent,))).without_waiting())
    missing = await world.handle(generate(model="one"))

    stream = await collected(await world.handle(post("/ollama/api/pull", {"model": "one"})))
    present = await world.handle(generate(model="one"))
    lines = [orjson.loads(line) for line in stream.splitlines()]

    assert (missing.status, present.status) == (404, 200)
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-1] == {"status": "success"}
    assert any("completed" not in line for line in lines if "total" in line)
    assert any(line.get("completed") == line.get("total") for line in lines if "total" in line)


async def test_a_pull_of_an_unknown_model_fails_inside_a_good_status(world: Simulation) -> None:
    response = await world.handle(post("/ollama/api/pull", {"model": "nope"}))

    assert response.status == 200
    assert "error" in parsed(response)


async def test_a_pull_without_a_stream_answers_when_it_is_done(world: Simulation) -> None:
    good = await world.handle(post("/ollama/api/pull", {"model": SMALL, "stream": False}))
    bad = await world.handle(post("/ollama/api/pull", {"model": "nope", "stream": False}))

    assert parsed(good) == {"status": "success"}
    assert bad.status == 500
