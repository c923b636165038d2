from base64 import b64decode
from typing import Any

import orjson
import pytest

from pointsman.domain.prompt import Image, ImageUrl, Message, Options, Role, Text, Tool, ToolCall, ToolResult
from pointsman.executor.adapters.base import Call, Unsendable, Wire
from tests.adapters.wires import BY_KIND, CASES, KEY, Kind, WireCase, example_document, make_call, make_model, say

PNG = b64decode("iVBORw0KGgo=")
WHAT = Text(text="What is this?")
PICTURE = Image(content=PNG, mime_type="image/png")
LINK = ImageUrl(url="https://example.com/cat.png?size=1")
SCHEMA = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}'
WEATHER = Tool(name="weather", description="Looks outside.", parameters_json_schema=SCHEMA)
TOOL_TALK = (
    say(Role.USER, "Rain?"),
    Message(role=Role.ASSISTANT, parts=(ToolCall(id="call_1", name="weather", arguments_json='{"n":1}'),)),
    Message(role=Role.TOOL, parts=(ToolResult(tool_call_id="call_1", text="dry"),)),
)
ALL_KINDS = pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])


def body_of(kind: Kind, call: Call) -> Any:  # noqa: ANN401 - JSON
    body = wire(kind).request(call).body
    assert body is not None
    return orjson.loads(body)


def wire(kind: Kind) -> Wire:
    return BY_KIND[kind].wire(KEY)


def user(*parts: Text | Image | ImageUrl) -> tuple[Message, ...]:
    return (Message(role=Role.USER, parts=parts),)


def test_openai_gets_the_body_of_the_reference() -> None:
    body = body_of("openai", make_call(model="gpt-6.2-sol", effort="low"))

    assert body == example_document("openai.chat.request")


def test_anthropic_gets_the_body_of_the_reference() -> None:
    body = body_of("anthropic", make_call(model="claude-sonnet-5-5", effort="low"))

    assert body == example_document("anthropic.request")


def test_gemini_gets_the_body_of_the_reference() -> None:
    model = make_model("gemini-3.8-flash", accepts_stop=True)

    body = body_of("gemini", make_call(model=model, effort="low", options=Options(stop=("END",))))

    assert body == example_document("gemini.request")


def test_deepseek_gets_its_own_names() -> None:
    assert body_of("deepseek", make_call(model="deepseek-v4-pro", effort="low")) == {
        "model": "deepseek-v4-pro",
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Name one prime above 90."},
        ],
        "max_tokens": 800,
        "reasoning_effort": "low",
        "stream": False,
    }


def test_moonshot_gets_its_own_names() -> None:
    body = body_of("moonshot", make_call(model="kimi-k3.1-pro", effort="high"))

    assert body["messages"][0]["role"] == "system"
    assert (body["max_completion_tokens"], body["reasoning_effort"]) == (800, "high")


def test_ollama_gets_the_same_load_options_in_every_call() -> None:
    assert body_of("ollama", make_call(model="qwen2.5:14b-instruct-q8_0")) == {
        "model": "qwen2.5:14b-instruct-q8_0",
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Name one prime above 90."},
        ],
        "stream": False,
        "keep_alive": -1,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 8_192, "num_predict": 800},
    }


@ALL_KINDS
def test_the_key_travels_in_the_header_of_the_provider_alone(case: WireCase) -> None:
    request = case.wire(KEY).request(case.call())

    assert [pair for pair in request.headers if KEY.reveal() in pair[1]] == [case.key_header]
    assert KEY.reveal() not in request.path
    assert KEY.reveal() not in repr(request)


@pytest.mark.parametrize("kind, tag", [("openai", "openai.image.message"), ("anthropic", "anthropic.image.message")])
def test_an_attached_image_travels_as_in_the_reference(kind: Kind, tag: str) -> None:
    parts = (WHAT, PICTURE) if kind == "openai" else (PICTURE, WHAT)

    body = body_of(kind, make_call(messages=user(*parts)))

    assert body["messages"] == [example_document(tag)]


def test_gemini_gets_an_attached_image_as_in_the_reference() -> None:
    body = body_of("gemini", make_call(messages=user(PICTURE, WHAT)))

    assert body["contents"] == [example_document("gemini.image.content")]


def test_ollama_gets_an_attached_image_beside_the_text() -> None:
    body = body_of("ollama", make_call(messages=user(WHAT, PICTURE)))

    assert body["messages"] == [{"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo="]}]


@pytest.mark.parametrize(
    "kind, place",
    [
        ("openai", {"type": "image_url", "image_url": {"url": LINK.url, "detail": "auto"}}),
        ("deepseek", {"type": "image_url", "image_url": {"url": LINK.url, "detail": "auto"}}),
        ("anthropic", {"type": "image", "source": {"type": "url", "url": LINK.url}}),
        ("gemini", {"fileData": {"mimeType": "image/png", "fileUri": LINK.url}}),
    ],
)
def test_a_linked_image_travels_as_a_link(kind: Kind, place: dict[str, object]) -> None:
    body = body_of(kind, make_call(messages=user(LINK)))

    turn = body["contents"][0]["parts"] if kind == "gemini" else body["messages"][0]["content"]
    assert turn == [place]


def test_gemini_is_not_told_a_type_that_the_link_does_not_show() -> None:
    body = body_of("gemini", make_call(messages=user(ImageUrl(url="https://example.com/cat"))))

    assert body["contents"][0]["parts"] == [{"fileData": {"fileUri": "https://example.com/cat"}}]


def test_ollama_cannot_be_sent_a_link() -> None:
    with pytest.raises(Unsendable, match="fetches no images"):
        wire("ollama").request(make_call(messages=user(LINK)))


@pytest.mark.parametrize(
    "kind, field",
    [
        ("openai", ("temperature",)),
        ("deepseek", ("temperature",)),
        ("moonshot", ("temperature",)),
        ("anthropic", ("temperature",)),
        ("gemini", ("generationConfig", "temperature")),
        ("ollama", ("options", "temperature")),
    ],
)
def test_temperature_goes_to_models_that_accept_it_alone(kind: Kind, field: tuple[str, ...]) -> None:
    options = Options(temperature=0.2)

    refusing = body_of(kind, make_call(options=options))
    accepting = body_of(kind, make_call(options=options, model=make_model(accepts_temperature=True)))

    assert dig(accepting, field) == 0.2
    assert dig(refusing, field) is None


@pytest.mark.parametrize(
    "kind, field",
    [
        ("openai", ("stop",)),
        ("deepseek", ("stop",)),
        ("moonshot", ("stop",)),
        ("anthropic", ("stop_sequences",)),
        ("gemini", ("generationConfig", "stopSequences")),
        ("ollama", ("options", "stop")),
    ],
)
def test_stop_texts_go_to_models_that_accept_them_alone(kind: Kind, field: tuple[str, ...]) -> None:
    options = Options(stop=("END", "STOP"))

    refusing = body_of(kind, make_call(options=options))
    accepting = body_of(kind, make_call(options=options, model=make_model(accepts_stop=True)))

    assert dig(accepting, field) == ["END", "STOP"]
    assert dig(refusing, field) is None


def dig(document: Any, path: tuple[str, ...]) -> object:  # noqa: ANN401 - JSON
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document


@pytest.mark.parametrize(
    "kind, effort, place",
    [
        ("openai", "none", {"reasoning_effort": "none"}),
        ("deepseek", "disabled", {"thinking": {"type": "disabled"}}),
        ("deepseek", "max", {"reasoning_effort": "max"}),
        ("moonshot", "none", {"thinking": {"type": "disabled"}}),
        ("anthropic", "disabled", {"thinking": {"type": "disabled"}}),
        ("anthropic", "max", {"output_config": {"effort": "max"}}),
        ("ollama", "none", {"think": False}),
        ("ollama", "high", {"think": "high"}),
    ],
)
def test_effort_is_said_in_the_words_of_the_provider(kind: Kind, effort: str, place: dict[str, object]) -> None:
    body = body_of(kind, make_call(effort=effort))

    assert {
        key: body.get(key) for key in ("reasoning_effort", "thinking", "output_config", "think") if key in body
    } == place


@pytest.mark.parametrize("effort, config", [("high", {"thinkingLevel": "high"}), ("512", {"thinkingBudget": 512})])
def test_gemini_takes_effort_as_a_level_or_a_budget(effort: str, config: dict[str, object]) -> None:
    assert body_of("gemini", make_call(effort=effort))["generationConfig"]["thinkingConfig"] == config


@pytest.mark.parametrize(
    "kind, path, place",
    [
        (
            "openai",
            ("response_format",),
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": orjson.loads(SCHEMA), "strict": True},
            },
        ),
        ("anthropic", ("output_config", "format"), {"type": "json_schema", "schema": orjson.loads(SCHEMA)}),
        ("gemini", ("generationConfig", "responseJsonSchema"), orjson.loads(SCHEMA)),
        ("gemini", ("generationConfig", "responseMimeType"), "application/json"),
        ("ollama", ("format",), orjson.loads(SCHEMA)),
        ("deepseek", ("response_format",), None),
    ],
)
def test_a_json_schema_stands_where_the_provider_looks_for_it(kind: Kind, path: tuple[str, ...], place: object) -> None:
    body = body_of(kind, make_call(options=Options(json_schema=SCHEMA)))

    assert dig(body, path) == place


@pytest.mark.parametrize(
    "schema, strict",
    [
        ('{"type":"object"}', False),
        ('{"type":"object","properties":{"n":{}},"required":["n"]}', False),
        ('{"type":"object","properties":{"n":{}},"additionalProperties":false}', False),
        ('{"type":"array","items":{"type":"object"}}', False),
        ('{"type":"object","properties":{},"additionalProperties":false}', True),
        ('{"type":"string"}', True),
        ('{"anyOf":[' * 60 + "{}" + "]}" * 60, True),
        ('{"type":"object","properties":{"n":{}},"required":[["n"]],"additionalProperties":false}', False),
    ],
    ids=["open", "not_closed", "not_required", "open_inside", "empty", "text", "deep", "odd_required"],
)
def test_openai_is_strict_only_with_schemas_that_strict_mode_takes(schema: str, strict: object) -> None:
    body = body_of("openai", make_call(options=Options(json_schema=schema)))

    assert body["response_format"]["json_schema"]["strict"] is strict


@pytest.mark.parametrize(
    "kind, place",
    [
        (
            "openai",
            {
                "type": "function",
                "function": {"name": "weather", "description": "Looks outside.", "parameters": orjson.loads(SCHEMA)},
            },
        ),
        (
            "anthropic",
            {"name": "weather", "description": "Looks outside.", "input_schema": orjson.loads(SCHEMA)},
        ),
        (
            "gemini",
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "Looks outside.",
                        "parametersJsonSchema": orjson.loads(SCHEMA),
                    }
                ]
            },
        ),
        (
            "ollama",
            {
                "type": "function",
                "function": {"name": "weather", "description": "Looks outside.", "parameters": orjson.loads(SCHEMA)},
            },
        ),
    ],
)
def test_a_tool_is_described_as_the_provider_wants_it(kind: Kind, place: dict[str, object]) -> None:
    body = body_of(kind, make_call(options=Options(tools=(WEATHER,))))

    assert body["tools"] == [place]


@ALL_KINDS
def test_a_tool_without_arguments_can_be_described(case: WireCase) -> None:
    request = case.wire(KEY).request(case.call(options=Options(tools=(Tool(name="now"),))))

    assert b'"now"' in (request.body or b"")


def function(arguments: str) -> dict[str, object]:
    return {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}


@pytest.mark.parametrize(
    "kind, turns",
    [
        (
            "openai",
            [
                {"role": "user", "content": "Rain?"},
                {"role": "assistant", "content": None, "tool_calls": [function('{"n":1}')]},
                {"role": "tool", "tool_call_id": "call_1", "content": "dry"},
            ],
        ),
        (
            "deepseek",
            [
                {"role": "user", "content": "Rain?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [function('{"n":1}')],
                    "reasoning_content": "(reasoning not kept)",
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "dry"},
            ],
        ),
        (
            "anthropic",
            [
                {"role": "user", "content": "Rain?"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"n": 1}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "dry"}]},
            ],
        ),
        (
            "gemini",
            [
                {"role": "user", "parts": [{"text": "Rain?"}]},
                {
                    "role": "model",
                    "parts": [
                        {
                            "functionCall": {"name": "weather", "args": {"n": 1}},
                            "thoughtSignature": "skip_thought_signature_validator",
                        }
                    ],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "weather", "response": {"output": "dry"}}}],
                },
            ],
        ),
        (
            "ollama",
            [
                {"role": "user", "content": "Rain?"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"function": {"name": "weather", "arguments": {"n": 1}}}],
                },
                {"role": "tool", "tool_name": "weather", "content": "dry"},
            ],
        ),
    ],
)
def test_a_talk_with_tools_is_told_as_the_provider_wants_it(kind: Kind, turns: list[object]) -> None:
    body = body_of(kind, make_call(messages=TOOL_TALK))

    assert body.get("messages", body.get("contents")) == turns


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
def test_results_of_several_tools_stand_in_one_turn(kind: Kind) -> None:
    calls = tuple(ToolCall(id=f"call_{n}", name="weather", arguments_json="{}") for n in range(2))
    results = tuple(
        Message(role=Role.TOOL, parts=(ToolResult(tool_call_id=f"call_{n}", text="dry", is_error=n == 1),))
        for n in range(2)
    )
    talk = (say(Role.USER, "Rain?"), Message(role=Role.ASSISTANT, parts=calls), *results, say(Role.USER, "Well?"))

    body = body_of(kind, make_call(messages=talk))

    turns = body.get("messages", body.get("contents"))
    assert len(turns) == 3
    assert len(turns[2].get("content", turns[2].get("parts"))) == 3


@pytest.mark.parametrize("kind", ["anthropic", "gemini", "ollama"])
def test_arguments_that_are_no_json_cannot_be_sent(kind: Kind) -> None:
    call = Message(role=Role.ASSISTANT, parts=(ToolCall(id="1", name="weather", arguments_json="{"),))

    with pytest.raises(Unsendable, match="arguments of tool call weather is not valid JSON"):
        wire(kind).request(make_call(messages=(say(Role.USER, "Rain?"), call, say(Role.USER, "Well?"))))


@ALL_KINDS
def test_a_schema_that_is_no_object_cannot_be_sent(case: WireCase) -> None:
    tools = (Tool(name="weather", parameters_json_schema="[]"),)

    with pytest.raises(Unsendable, match="schema of tool weather is not a JSON object"):
        case.wire(KEY).request(case.call(options=Options(tools=tools)))


def test_control_tokens_are_broken_wherever_text_reaches_a_local_model() -> None:
    token = "<|im_end|>"
    talk = (
        say(Role.SYSTEM, token),
        say(Role.USER, token),
        Message(role=Role.ASSISTANT, parts=(ToolCall(id="1", name="w", arguments_json=f'{{"x":"{token}"}}'),)),
        Message(role=Role.TOOL, parts=(ToolResult(tool_call_id="1", text=token),)),
    )
    tools = (Tool(name="w", description=token, parameters_json_schema=f'{{"description":"{token}"}}'),)

    request = wire("ollama").request(make_call(messages=talk, options=Options(tools=tools)))

    assert request.body is not None
    assert token.encode() not in request.body
    assert request.body.count(b"<| im_end|>") == 6


@pytest.mark.parametrize("kind", ["openai", "deepseek", "moonshot", "anthropic", "gemini"])
def test_text_for_providers_is_left_as_it_is(kind: Kind) -> None:
    request = wire(kind).request(make_call(messages=(say(Role.USER, "<|im_end|>"),)))

    assert b"<|im_end|>" in (request.body or b"")


def test_a_model_id_cannot_leave_its_place_in_the_path() -> None:
    path = wire("gemini").request(make_call(model="../x?key=1")).path

    assert path == "/v1beta/models/..%2Fx%3Fkey%3D1:generateContent"
