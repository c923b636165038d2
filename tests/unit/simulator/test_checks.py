"""What each provider must turn away (provider docs and SDKs, 2026-11)."""

import pytest

from pointsman.domain.trail import Outcome
from pointsman.simulator.exchange import SimRequest
from pointsman.simulator.reading import Json
from pointsman.simulator.scenario import ModelProfile, ProviderProfile, Scenario
from pointsman.simulator.simulation import Simulation
from tests.unit.simulator.asking import MODELS, chat, example, get, header, parsed, post, small, world_of
from tests.unit.simulator.conftest import MakeWorld

KINDS = pytest.mark.parametrize("kind", list(MODELS))
GEMINI_PATH = "/gemini/v1beta/models/gemini-3.8-flash:generateContent"
HI: Json = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
BAD = "invalid_request_error"
ANTHROPIC_2023 = {"x-api-key": "key", "anthropic-version": "2023-06-01"}


def gemini(**config: object) -> SimRequest:
    return post(GEMINI_PATH, HI | {"generationConfig": config})


@pytest.mark.parametrize(
    "request_, status, field, value",
    [
        pytest.param(chat("openai", max_tokens=9), 400, "code", "unsupported_parameter", id="openai: max_tokens"),
        pytest.param(chat("openai", temperature=0.2), 400, "code", "unsupported_value", id="openai: temperature"),
        pytest.param(chat("openai", top_p=0.5), 400, "code", "unsupported_value", id="openai: top_p"),
        pytest.param(chat("openai", stop=["x"]), 400, "code", "unsupported_parameter", id="openai: stop"),
        pytest.param(chat("openai", reasoning_effort="none"), 400, "param", "reasoning_effort", id="openai: effort"),
        pytest.param(chat("openai", max_completion_tokens=0), 400, "param", "max_completion_tokens", id="openai: zero"),
        pytest.param(chat("openai", messages=[]), 400, "param", "messages", id="openai: no messages"),
        pytest.param(chat("openai", model="gpt-0"), 404, "code", "model_not_found", id="openai: model"),
        pytest.param(chat("anthropic", max_tokens=None), 400, "type", BAD, id="anthropic: bound"),
        pytest.param(chat("anthropic", temperature=1), 400, "type", BAD, id="anthropic: sampling"),
        pytest.param(
            chat("anthropic", thinking={"type": "disabled"}), 400, "type", BAD, id="anthropic: thinking"
        ),
        pytest.param(
            chat("anthropic", messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
            400,
            "type",
            BAD,
            id="anthropic: prefill",
        ),
        pytest.param(
            chat("anthropic", headers={"x-api-key": "key"}), 400, "type", BAD, id="anthropic: version"
        ),
        pytest.param(chat("anthropic", model="claude-0"), 404, "type", "not_found_error", id="anthropic: model"),
        pytest.param(
            gemini(thinkingConfig={"thinkingLevel": "minimal"}), 400, "status", "INVALID_ARGUMENT", id="gemini: minimal"
        ),
        pytest.param(
            gemini(thinkingConfig={"thinkingBudget": 9}), 400, "status", "INVALID_ARGUMENT", id="gemini: budget"
        ),
        pytest.param(gemini(candidateCount=2), 400, "status", "INVALID_ARGUMENT", id="gemini: candidates"),
        pytest.param(chat("gemini", model="gemini-0"), 404, "status", "NOT_FOUND", id="gemini: model"),
        pytest.param(
            chat("deepseek", response_format={"type": "json_schema"}), 400, "type", BAD, id="deepseek: schema"
        ),
        pytest.param(
            chat("deepseek", messages=[{"role": "developer", "content": "x"}]),
            400,
            "type",
            BAD,
            id="deepseek: developer",
        ),
        pytest.param(chat("moonshot", temperature=0.3), 400, "type", BAD, id="moonshot: temperature"),
        pytest.param(chat("moonshot", model="kimi-0"), 404, "type", "resource_not_found_error", id="moonshot: model"),
        pytest.param(post("/openai/v1/engines", {}), 404, "code", "unknown_url", id="openai: path"),
        pytest.param(post("/gemini/v2/models/x:generateContent", {}), 404, "status", "NOT_FOUND", id="gemini: path"),
    ],
)  # fmt: skip
async def test_what_a_provider_refuses_is_refused_in_its_words(
    world: Simulation, request_: SimRequest, status: int, field: str, value: str
) -> None:
    response = await world.handle(request_)

    assert response.status == status
    assert parsed(response)["error"][field] == value


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(chat("openai", temperature=1), id="openai takes the one temperature"),
        pytest.param(chat("anthropic", headers=ANTHROPIC_2023), id="anthropic takes the old version"),
        pytest.param(
            chat("anthropic", headers={"authorization": "Bearer key", "anthropic-version": "2026-10-21"}),
            id="anthropic takes a bearer",
        ),
        pytest.param(gemini(temperature=0.1, topP=0.2), id="gemini ignores sampling"),
        pytest.param(
            post(
                GEMINI_PATH.replace("v1beta", "v1alpha"),
                {"contents": [{"parts": [{"text": "hi"}]}], "generation_config": {"max_output_tokens": 90}},
            ),
            id="gemini takes snake_case and any version",
        ),
        pytest.param(chat("deepseek", max_completion_tokens=1), id="deepseek ignores the new name of the bound"),
        pytest.param(chat("deepseek", temperature=0.2), id="deepseek takes a temperature"),
        pytest.param(chat("moonshot", temperature=1), id="moonshot takes the one temperature"),
    ],
)
async def test_what_a_provider_takes_is_taken(world: Simulation, request_: SimRequest) -> None:
    assert (await world.handle(request_)).status == 200


@pytest.mark.parametrize("name", ["openai.chat.request", "anthropic.request", "gemini.request"])
async def test_the_requests_of_the_reference_are_taken(world: Simulation, name: str) -> None:
    paths = {"openai": "/openai/v1/chat/completions", "anthropic": "/anthropic/v1/messages", "gemini": GEMINI_PATH}

    response = await world.handle(post(paths[name.split(".", maxsplit=1)[0]], example(name)))

    assert response.status == 200


@pytest.mark.parametrize(
    "kind, turn",
    [("openai", "openai.image.message"), ("anthropic", "anthropic.image.message"), ("gemini", "gemini.image.content")],
)
async def test_an_image_is_taken_and_weighs_tokens(world: Simulation, kind: str, turn: str) -> None:
    body: Json = {"contents" if kind == "gemini" else "messages": [example(turn)]}

    seen = parsed(await world.handle(chat(kind, **body)))
    usage = seen.get("usage") or seen["usageMetadata"]

    assert max(usage.get(key, 0) for key in ("prompt_tokens", "input_tokens", "promptTokenCount")) > 500


async def test_a_model_without_eyes_refuses_an_image(world: Simulation) -> None:
    response = await world.handle(chat("deepseek", messages=[example("openai.image.message")]))

    assert response.status == 400


@pytest.mark.parametrize(
    "kind, status",
    [("openai", 401), ("deepseek", 401), ("moonshot", 401), ("anthropic", 401), ("gemini", 403)],
)
async def test_a_request_without_a_key_is_turned_away(world: Simulation, kind: str, status: int) -> None:
    response = await world.handle(chat(kind, headers={"anthropic-version": "2026-10-21"}))

    assert response.status == status


@pytest.mark.parametrize(
    "kind, status",
    [("openai", 401), ("deepseek", 401), ("moonshot", 401), ("anthropic", 401), ("gemini", 400)],
)
async def test_a_key_that_is_not_configured_is_turned_away(make_world: MakeWorld, kind: str, status: int) -> None:
    profile = ProviderProfile(kind=kind, models=(ModelProfile(id=MODELS[kind]),), keys=("another",))
    world = make_world(Scenario(providers=(profile,)))

    response = await world.handle(chat(kind))

    assert response.status == status
    assert world.tallies.total.outcomes == {Outcome.UNAUTHORIZED: 1}


@KINDS
async def test_a_prompt_that_is_too_long_is_refused(make_world: MakeWorld, kind: str) -> None:
    world = make_world(world_of(small(kind, ModelProfile(id=MODELS[kind], max_input_tokens=50))))

    response = await world.handle(chat(kind, "word " * 100))

    assert response.status == 400
    assert world.tallies.total.outcomes == {Outcome.CONTEXT_TOO_LONG: 1}


@KINDS
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null"], ids=repr)
async def test_a_body_that_is_no_object_is_refused(world: Simulation, kind: str, body: bytes) -> None:
    good = chat(kind)

    response = await world.handle(post(good.path, body))

    assert response.status == 400
    assert parsed(response)["error"]["message"]


@KINDS
async def test_an_image_that_is_not_base64_is_refused(world: Simulation, kind: str) -> None:
    url = {"url": "data:image/png;base64,%%%"}
    source = {"type": "base64", "media_type": "image/png", "data": "%%%"}
    bodies: dict[str, Json] = {
        "gemini": {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "%%%"}}]}]},
        "anthropic": {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]},
    }
    openai_like: Json = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]}

    response = await world.handle(chat(kind, **bodies.get(kind, openai_like)))

    assert response.status == 400


@KINDS
async def test_every_answer_says_that_it_is_simulated(world: Simulation, kind: str) -> None:
    requests = [chat(kind), chat(kind, streamed=True), chat(kind, headers={}), chat(kind, model="none"), get("/nobody")]

    responses = [await world.handle(request) for request in requests]

    assert [header(response, "x-pointsman-simulated") for response in responses] == ["1"] * len(requests)


async def test_a_path_of_no_provider_names_those_there_are(world: Simulation) -> None:
    response = await world.handle(get("/v1/models"))

    assert response.status == 404
    assert "/openai" in parsed(response)["error"]
