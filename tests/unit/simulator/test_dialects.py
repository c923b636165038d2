import re
from datetime import UTC, datetime

import orjson
import pytest

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.dialect import Stamp
from pointsman.simulator.openai_errors import duration
from pointsman.simulator.problem import Problem
from pointsman.simulator.reading import Json
from pointsman.simulator.scenario import Algorithm, LimitProfile, ModelProfile
from pointsman.simulator.simulation import DIALECTS, Simulation
from tests.unit.simulator.asking import (
    EXAMPLES,
    MODELS,
    chat,
    collected,
    example,
    get,
    header,
    parsed,
    post,
    small,
    world_of,
)
from tests.unit.simulator.conftest import MakeWorld

STAMP = Stamp(id="a1", at=datetime(2026, 11, 22, tzinfo=UTC))
KINDS = pytest.mark.parametrize("kind", list(MODELS))
TOKENS_A_MINUTE = LimitProfile(unit=Unit.TOKENS, amount=30_000)
INPUT_A_MINUTE = LimitProfile(unit=Unit.INPUT_TOKENS, amount=2_000_000)
REQUESTS_A_MINUTE = LimitProfile(unit=Unit.REQUESTS, amount=3)
REQUESTS_A_DAY = LimitProfile(unit=Unit.REQUESTS, amount=250, period_s=86_400.0)


def keys(value: object, at: str = "") -> set[str]:
    """Return the paths of all keys; the entries of a list stand for each other."""
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in {f"{at}.{key}"} | keys(inner, f"{at}.{key}")}
    return {path for inner in value for path in keys(inner, f"{at}[]")} if isinstance(value, list) else set()


def events(stream: bytes) -> list[Json]:
    """Return the JSON of the data lines of a stream."""
    lines = re.split(r"\r?\n", stream.decode())
    return [orjson.loads(line[6:]) for line in lines if line.startswith("data: {")]


@pytest.mark.parametrize(
    "kind, name",
    [
        pytest.param("openai", "openai.chat.200", id="openai"),
        pytest.param("anthropic", "anthropic.200", id="anthropic"),
        pytest.param("gemini", "gemini.200", id="gemini"),
    ],
)
async def test_an_answer_has_the_keys_of_the_reference(world: Simulation, kind: str, name: str) -> None:
    response = await world.handle(chat(kind))

    assert response.status == 200
    assert keys(parsed(response)) == keys(example(name))


@pytest.mark.parametrize("kind", ["deepseek", "moonshot"])
async def test_the_kin_of_openai_answer_in_its_shape(world: Simulation, kind: str) -> None:
    answer = parsed(await world.handle(chat(kind, max_output_tokens=4_000)))

    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["reasoning_content"]
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    "kind, where, uncached, cached",
    [
        pytest.param("openai", "usage", ("prompt_tokens", 10), 8, id="openai: inside the prompt"),
        pytest.param("gemini", "usageMetadata", ("promptTokenCount", 10), 8, id="gemini: inside the prompt"),
        pytest.param("deepseek", "usage", ("prompt_cache_miss_tokens", 2), 8, id="deepseek: both ways"),
        pytest.param("anthropic", "usage", ("input_tokens", 2), 8, id="anthropic: apart from the input"),
    ],
)
async def test_cached_tokens_are_counted_as_each_provider_counts_them(
    make_world: MakeWorld, kind: str, where: str, uncached: tuple[str, int], cached: int
) -> None:
    world = make_world(world_of(small(kind, ModelProfile(id=MODELS[kind], cached_share=0.8))))

    usage = parsed(await world.handle(chat(kind)))[where]

    details = usage.get("prompt_tokens_details", {})
    assert usage[uncached[0]] == uncached[1]
    assert cached in {
        details.get("cached_tokens"),
        usage.get("cachedContentTokenCount"),
        usage.get("cache_read_input_tokens"),
    }


async def test_deepseek_splits_its_prompt_into_cached_and_not(world: Simulation) -> None:
    usage = parsed(await world.handle(chat("deepseek")))["usage"]

    assert usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"]


@pytest.mark.parametrize(
    "kind, problem, name, status",
    [
        ("openai", Problem(Outcome.RATE_LIMITED, limit=TOKENS_A_MINUTE, wait_s=2.0), "openai.429.tpm", 429),
        ("openai", Problem(Outcome.REQUEST_EXCEEDS_QUOTA, limit=TOKENS_A_MINUTE), "openai.429.too_large", 429),
        ("openai", Problem(Outcome.BILLING), "openai.429.billing", 429),
        ("openai", Problem(Outcome.CONTEXT_TOO_LONG), "openai.400.context", 400),
        ("openai", Problem(Outcome.OVERLOADED), "openai.503.overloaded", 503),
        ("anthropic", Problem(Outcome.RATE_LIMITED, limit=INPUT_A_MINUTE), "anthropic.429.rate", 429),
        ("anthropic", Problem(Outcome.BILLING), "anthropic.429.spend_cap", 429),
        ("anthropic", Problem(Outcome.CONTEXT_TOO_LONG), "anthropic.400.context", 400),
        ("anthropic", Problem(Outcome.OVERLOADED), "anthropic.529", 529),
        ("gemini", Problem(Outcome.RATE_LIMITED, limit=INPUT_A_MINUTE, wait_s=45.8), "gemini.429.minute", 429),
        ("gemini", Problem(Outcome.DAILY_QUOTA, limit=REQUESTS_A_DAY, wait_s=9e3), "gemini.429.day", 429),
        ("gemini", Problem(Outcome.UNAUTHORIZED), "gemini.400.key", 400),
        ("gemini", Problem(Outcome.CONTEXT_TOO_LONG), "gemini.400.context", 400),
        ("gemini", Problem(Outcome.OVERLOADED), "gemini.503", 503),
        ("deepseek", Problem(Outcome.BILLING), "deepseek.402", 402),
        ("deepseek", Problem(Outcome.CONTENT_BLOCKED), "deepseek.400.risk", 400),
        ("moonshot", Problem(Outcome.RATE_LIMITED, limit=REQUESTS_A_MINUTE, wait_s=1.0), "moonshot.429.rpm", 429),
        ("moonshot", Problem(Outcome.BILLING), "moonshot.429.quota", 429),
        ("moonshot", Problem(Outcome.OVERLOADED), "moonshot.429.overload", 429),
        ("moonshot", Problem(Outcome.CONTENT_BLOCKED), "moonshot.400.filter", 400),
    ],
)
def test_an_error_is_said_as_in_the_reference(kind: str, problem: Problem, name: str, status: int) -> None:
    expected = example(name)

    said_status, _, body = DIALECTS[kind].problem(problem, STAMP)
    said = orjson.loads(body)

    assert said_status == status
    assert keys(said) - {".error.details[].links"} <= keys(expected) | {".error.details[].links"}
    for key in ("type", "code", "status", "param"):
        assert said["error"].get(key) == expected["error"].get(key)


@KINDS
@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in {Outcome.ANSWERED, Outcome.CANCELLED}], ids=str)
def test_every_problem_has_words_in_every_dialect(kind: str, outcome: Outcome) -> None:
    problem = Problem(outcome, model="m", limit=TOKENS_A_MINUTE, used=1, requested=2, wait_s=3.0, message="wrong")

    status, _, body = DIALECTS[kind].problem(problem, STAMP)

    assert 400 <= status <= 599
    assert orjson.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    "kind, hint",
    [
        pytest.param("openai", ("retry-after-ms", "2500"), id="openai: milliseconds"),
        pytest.param("openai", ("retry-after", "3"), id="openai: and whole seconds"),
        pytest.param("anthropic", ("retry-after", "3"), id="anthropic: whole seconds, rounded up"),
    ],
)
def test_a_wait_is_hinted_in_a_header(kind: str, hint: tuple[str, str]) -> None:
    _, headers, _ = DIALECTS[kind].problem(Problem(Outcome.RATE_LIMITED, wait_s=2.5), STAMP)

    assert hint in headers


@pytest.mark.parametrize(
    "kind, words",
    [
        pytest.param("openai", "Please try again in 2.5s.", id="openai"),
        pytest.param("gemini", "Please retry in 2.50s.", id="gemini"),
        pytest.param("moonshot", "please try again after 2 seconds", id="moonshot"),
    ],
)
def test_a_wait_is_hinted_in_the_text_and_without_one_nothing_is(kind: str, words: str) -> None:
    hinted = Problem(Outcome.RATE_LIMITED, limit=TOKENS_A_MINUTE, wait_s=2.5)
    silent = Problem(Outcome.RATE_LIMITED, limit=TOKENS_A_MINUTE)

    _, _, body = DIALECTS[kind].problem(hinted, STAMP)
    _, headers, silent_body = DIALECTS[kind].problem(silent, STAMP)

    assert words in orjson.loads(body)["error"]["message"]
    assert headers == ()
    assert not re.search(r"again|retry", orjson.loads(silent_body)["error"]["message"])


def test_a_day_of_gemini_is_over_with_a_wait_that_misleads() -> None:
    problem = Problem(Outcome.DAILY_QUOTA, model="m", limit=REQUESTS_A_DAY, wait_s=40_000.0)

    _, _, body = DIALECTS["gemini"].problem(problem, STAMP)
    quota, _, retry = orjson.loads(body)["error"]["details"]

    assert "PerDay" in quota["violations"][0]["quotaId"]
    assert retry["retryDelay"] == "18s"


async def test_openai_states_its_quota_on_answers_and_on_refusals(make_world: MakeWorld) -> None:
    limits = (LimitProfile(unit=Unit.REQUESTS, amount=1), LimitProfile(unit=Unit.TOKENS, amount=6_000))
    scenario = world_of(small("openai", ModelProfile(id="gpt-6.2-sol", limits=limits)))
    world = make_world(scenario.without_waiting())

    responses = [await world.handle(chat("openai")) for _ in range(2)]

    assert [response.status for response in responses] == [200, 429]
    for response in responses:
        assert header(response, "x-ratelimit-limit-requests") == "1"
        assert header(response, "x-ratelimit-remaining-requests") == "0"
        assert header(response, "x-ratelimit-reset-requests") == "1m0s"
        assert header(response, "x-ratelimit-limit-tokens") == "6000"
        assert header(response, "x-request-id")
    assert header(responses[0], "retry-after") is None
    assert header(responses[1], "retry-after") == "60"


async def test_anthropic_states_every_window_and_rounds_tokens_to_thousands(make_world: MakeWorld) -> None:
    limits = (
        LimitProfile(unit=Unit.REQUESTS, amount=60),
        LimitProfile(unit=Unit.INPUT_TOKENS, amount=60_000),
        LimitProfile(unit=Unit.OUTPUT_TOKENS, amount=12_000),
    )
    scenario = world_of(small("anthropic", ModelProfile(id="claude-sonnet-5-5", output_tokens=300, limits=limits)))
    world = make_world(scenario.without_waiting())

    response = await world.handle(chat("anthropic"))

    assert header(response, "anthropic-ratelimit-requests-remaining") == "59"
    assert header(response, "anthropic-ratelimit-requests-reset") == "2026-11-22T10:00:01Z"
    assert header(response, "anthropic-ratelimit-input-tokens-remaining") == "60000"
    assert header(response, "anthropic-ratelimit-output-tokens-limit") == "12000"
    assert (header(response, "request-id") or "").startswith("req_")


async def test_anthropic_sends_a_wait_on_some_successes(world: Simulation) -> None:
    responses = [await world.handle(chat("anthropic")) for _ in range(20)]

    waits = [header(response, "retry-after") for response in responses]

    assert {response.status for response in responses} == {200}
    assert "12" in waits
    assert None in waits


@pytest.mark.parametrize("kind", ["gemini", "deepseek", "moonshot"])
async def test_some_state_no_quota(make_world: MakeWorld, kind: str) -> None:
    limits = (LimitProfile(unit=Unit.REQUESTS, amount=5, algorithm=Algorithm.FIXED_WINDOW),)
    world = make_world(world_of(small(kind, ModelProfile(id=MODELS[kind], limits=limits))))

    response = await world.handle(chat(kind))

    assert not [name for name, _ in response.headers if "ratelimit" in name]


async def test_a_stream_of_openai_ends_with_usage_and_done(world: Simulation) -> None:
    response = await world.handle(chat("openai", streamed=True))
    whole = parsed(await world.handle(chat("openai")))

    stream = await collected(response)
    chunks = events(stream)

    assert header(response, "content-type") == "text/event-stream; charset=utf-8"
    assert stream.endswith(b"data: [DONE]\n\n")
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], whole["usage"])
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
    assert text == whole["choices"][0]["message"]["content"]


async def test_a_stream_of_anthropic_has_its_events_in_order(world: Simulation) -> None:
    stream = await collected(await world.handle(chat("anthropic", streamed=True)))
    whole = parsed(await world.handle(chat("anthropic")))

    names = re.findall(r"^event: (\w+)$", stream.decode(), re.MULTILINE)
    chunks = events(stream)

    assert names == [chunk["type"] for chunk in chunks]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert set(names[3:-3]) == {"content_block_delta"}
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert chunks[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert "".join(chunk["delta"]["text"] for chunk in chunks[3:-3]) == whole["content"][0]["text"]


async def test_a_stream_of_gemini_is_separated_by_crlf_and_has_no_marker_at_its_end(world: Simulation) -> None:
    stream = await collected(await world.handle(chat("gemini", streamed=True)))
    whole = parsed(await world.handle(chat("gemini")))

    chunks = events(stream)

    assert stream.count(b"\r\n\r\n") == len(chunks)
    assert ["finishReason" in chunk["candidates"][0] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks]
    assert "".join(texts) == whole["candidates"][0]["content"]["parts"][0]["text"]


async def test_a_stream_of_deepseek_thinks_first_and_has_its_usage_on_the_last_choice(world: Simulation) -> None:
    request = chat("deepseek", streamed=True, stream_options={"include_usage": True}, max_output_tokens=4_000)
    stream = await collected(await world.handle(request))

    chunks = events(stream)

    assert stream.startswith(b": keep-alive\n\n")
    assert chunks[1]["choices"][0]["delta"]["reasoning_content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    recorded = events((EXAMPLES / "deepseek.stream.200.sse").read_bytes())
    assert keys(chunks[-1]) == keys(recorded[-1])


async def test_a_stream_of_kimi_hides_its_usage_in_the_last_choice(world: Simulation) -> None:
    stream = await collected(await world.handle(chat("moonshot", streamed=True, max_output_tokens=4_000)))

    assert events(stream)[-1]["choices"][0]["usage"]["completion_tokens"] > 0
    assert stream.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "path, name",
    [
        pytest.param("/deepseek/user/balance", "deepseek.balance.200", id="deepseek"),
        pytest.param("/moonshot/v1/users/me/balance", "moonshot.balance.200", id="moonshot"),
    ],
)
async def test_a_balance_can_be_asked_for_free(world: Simulation, path: str, name: str) -> None:
    response = await world.handle(get(path))

    assert keys(parsed(response)) == keys(example(name))
    assert world.tallies.total.calls == 0


@pytest.mark.parametrize(
    "path, entries",
    [
        ("/openai/v1/models", "data"),
        ("/deepseek/models", "data"),
        ("/moonshot/v1/models", "data"),
        ("/anthropic/v1/models", "data"),
        ("/gemini/v1beta/models", "models"),
    ],
)
async def test_the_models_can_be_listed_free(world: Simulation, path: str, entries: str) -> None:
    response = await world.handle(get(path))

    assert response.status == 200
    assert parsed(response)[entries]
    assert world.tallies.total.calls == 0


@pytest.mark.parametrize(
    "path, body, key",
    [
        pytest.param(
            "/anthropic/v1/messages/count_tokens",
            {"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": "Name one prime."}]},
            "input_tokens",
            id="anthropic",
        ),
        pytest.param(
            "/gemini/v1beta/models/gemini-3.8-flash:countTokens",
            {"contents": [{"parts": [{"text": "Name one prime."}]}]},
            "totalTokens",
            id="gemini",
        ),
    ],
)
async def test_tokens_can_be_counted_free(world: Simulation, path: str, body: Json, key: str) -> None:
    response = await world.handle(post(path, body))

    assert parsed(response) == {key: 8}
    assert world.tallies.total.calls == 0


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.0, "0s"),
        (0.02, "20ms"),
        (1.0, "1s"),
        (7.66, "7.66s"),
        (90.5, "1m30.5s"),
        (179.56, "2m59.56s"),
        (360.0, "6m0s"),
        (3_600.0, "1h0m0s"),
        (3_723.0, "1h2m3s"),
        (86_399.0, "23h59m59s"),
    ],
)
def test_durations_are_printed_as_openai_prints_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
