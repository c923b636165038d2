# ruff: noqa: E501  # one row a line reads as the table that it is

import contextlib
from collections.abc import Callable
from decimal import Decimal

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.settings import LimitsSettings
from pointsman.domain.errors import InvalidRequest, PromptTooLarge
from pointsman.domain.prompt import Image, ImageUrl, Options, Request, Role, Text, Tool, ToolCall, ToolResult
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict
from pointsman.rpc.convert import verdict_to_pb
from pointsman.rpc.requests import (
    RouterRequest,
    execute_request_from_pb,
    options_from_pb,
    options_to_pb,
    prompt_from_pb,
    write_execute_request,
)
from pointsman.v1 import executor_pb2, router_pb2
from pointsman.v1 import types_pb2 as pb

LIMITS = LimitsSettings(text_bytes=100, image_bytes=100, images=2)
CATEGORIES = ("reasoning", "coding")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20 + b"IEND\xaeB`\x82"

TEXT = pb.Part(text="hi")
CALL = pb.Part(tool_call=pb.ToolCall(id="c1", name="add", arguments_json="{}"))
TOLD = pb.Part(tool_result=pb.ToolResult(tool_call_id="c1", text="4"))


def user(*parts: pb.Part) -> pb.Message:
    return pb.Message(role=pb.ROLE_USER, parts=parts)


def assistant(*parts: pb.Part) -> pb.Message:
    return pb.Message(role=pb.ROLE_ASSISTANT, parts=parts)


def tool(*parts: pb.Part) -> pb.Message:
    return pb.Message(role=pb.ROLE_TOOL, parts=parts)


def image(content: bytes = PNG, mime_type: str = "image/png") -> pb.Part:
    return pb.Part(image=pb.ImageBytes(data=content, mime_type=mime_type))


def linked(url: str) -> pb.Part:
    return pb.Part(image_url=pb.ImageUrl(url=url))


def talk(*messages: pb.Message) -> router_pb2.RouteRequest:
    return router_pb2.RouteRequest(messages=messages)


def asking(**options: object) -> router_pb2.RouteRequest:
    return router_pb2.RouteRequest(text="hi", options=pb.Options(**options))  # type: ignore[arg-type]  # any field


def with_tool(name: str, schema: str = "") -> router_pb2.RouteRequest:
    return asking(tools=[pb.Tool(name=name, parameters_json_schema=schema)])


DEEP = "[" * 100_000
ROUTE = router_pb2.RouteRequest

WRONG = [
    (ROUTE(), "text", "PROMPT_EMPTY", "no prompt"),
    (ROUTE(text=" \n\t　"), "text", "PROMPT_EMPTY", "only white space"),
    (ROUTE(text="hi", messages=[user(TEXT)]), "text", "PROMPT_AMBIGUOUS", "text and messages"),
    (ROUTE(text="a" * 101), "text", "PROMPT_TOO_LARGE", "text over the limit"),
    (ROUTE(text="잘" * 34), "text", "PROMPT_TOO_LARGE", "text over the limit in bytes"),
    (talk(*[user(pb.Part(text="a" * 40))] * 3), "messages", "PROMPT_TOO_LARGE", "messages over the limit together"),
    (talk(*[user(TEXT)] * 1_001), "messages", "PROMPT_TOO_LARGE", "more than a thousand turns"),
    (talk(pb.Message(parts=[TEXT])), "messages[0].role", "ROLE_UNKNOWN", "no role"),
    (talk(pb.Message(role=9, parts=[TEXT])), "messages[0].role", "ROLE_UNKNOWN", "an unknown role"),  # type: ignore[arg-type]  # as said
    (talk(user(), user(TEXT)), "messages[0].parts", "MESSAGE_EMPTY", "a message without parts"),
    (talk(user(pb.Part(text="")), user(TEXT)), "messages[0].parts", "MESSAGE_EMPTY", "a message of empty text"),
    (talk(user(TEXT, pb.Part())), "messages[0].parts[1]", "PART_EMPTY", "a part that holds nothing"),
    (talk(user(TEXT, CALL)), "messages[0].parts[1].tool_call", "PART_MISPLACED", "a user who calls a tool"),
    (talk(assistant(image()), user(TEXT)), "messages[0].parts[0].image", "PART_MISPLACED", "a model that shows an image"),
    (talk(user(TEXT), assistant(TEXT)), "messages[1].role", "LAST_ROLE_INVALID", "the model speaks last"),
    (talk(pb.Message(role=pb.ROLE_SYSTEM, parts=[TEXT])), "messages[0].role", "LAST_ROLE_INVALID", "only instructions"),
    (talk(user(TEXT), user(pb.Part(text="  "))), "messages[1].parts", "PROMPT_EMPTY", "only white space at last"),
    (talk(user(image(b""))), "messages[0].parts[0].image.data", "IMAGE_EMPTY", "an image without bytes"),
    (talk(user(image(PNG + b"\0" * 100))), "messages[0].parts[0].image.data", "IMAGE_TOO_LARGE", "an image too large"),
    (talk(user(image(PNG[:-4]))), "messages[0].parts[0].image.data", "IMAGE_TRUNCATED", "an image that is cut"),
    (talk(user(image(PNG, ""))), "messages[0].parts[0].image.mime_type", "IMAGE_TYPE_UNKNOWN", "no MIME type"),
    (talk(user(image(PNG, "image/tiff"))), "messages[0].parts[0].image.mime_type", "IMAGE_TYPE_UNKNOWN", "a MIME type we do not take"),
    (talk(user(image(PNG, "image/gif"))), "messages[0].parts[0].image.mime_type", "IMAGE_TYPE_WRONG", "another MIME type"),
    (talk(user(image(b"hello", "image/png"))), "messages[0].parts[0].image.mime_type", "IMAGE_TYPE_WRONG", "no image at all"),
    (talk(user(linked(""))), "messages[0].parts[0].image_url.url", "IMAGE_URL_INVALID", "an empty URL"),
    (talk(user(linked("http://a.example/b.png"))), "messages[0].parts[0].image_url.url", "IMAGE_URL_INVALID", "a URL that is not https"),
    (talk(user(linked("https://"))), "messages[0].parts[0].image_url.url", "IMAGE_URL_INVALID", "a URL without a host"),
    (talk(user(linked("https://[x"))), "messages[0].parts[0].image_url.url", "IMAGE_URL_INVALID", "a URL that is broken"),
    (talk(user(linked("https://a.example/a b"))), "messages[0].parts[0].image_url.url", "IMAGE_URL_INVALID", "a URL with a space"),
    (talk(user(linked("https://a.example/" + "a" * 8_192))), "messages[0].parts[0].image_url.url", "IMAGE_URL_INVALID", "a URL too long"),
    (talk(user(image(), image(), linked("https://a.example/b"))), "messages", "IMAGES_TOO_MANY", "three images of two"),
    (talk(assistant(pb.Part(tool_call=pb.ToolCall(name="add", arguments_json="{}"))), user(TEXT)), "messages[0].parts[0].tool_call", "TOOL_CALL_INVALID", "a tool call without an id"),
    (talk(assistant(pb.Part(tool_call=pb.ToolCall(id="c", name="add", arguments_json="[]"))), user(TEXT)), "messages[0].parts[0].tool_call.arguments_json", "TOOL_CALL_INVALID", "arguments that are no object"),
    (talk(user(TEXT), tool(TOLD)), "messages[1].parts[0].tool_result.tool_call_id", "TOOL_RESULT_INVALID", "a result that nobody asked for"),
    (asking(category="cooking"), "options.category", "CATEGORY_UNKNOWN", "an unknown category"),
    (asking(max_output_tokens=0), "options.max_output_tokens", "MAX_OUTPUT_TOKENS_INVALID", "no output"),
    (asking(max_output_tokens=-5), "options.max_output_tokens", "MAX_OUTPUT_TOKENS_INVALID", "negative output"),
    (asking(max_output_tokens=1_000_001), "options.max_output_tokens", "MAX_OUTPUT_TOKENS_INVALID", "absurd output"),
    (asking(temperature=-0.1), "options.temperature", "TEMPERATURE_INVALID", "negative temperature"),
    (asking(temperature=2.1), "options.temperature", "TEMPERATURE_INVALID", "temperature too high"),
    (asking(temperature=float("nan")), "options.temperature", "TEMPERATURE_INVALID", "temperature that is no number"),
    (asking(stop=["a"] * 5), "options.stop", "STOP_INVALID", "five stop texts"),
    (asking(stop=["a", ""]), "options.stop[1]", "STOP_INVALID", "an empty stop text"),
    (asking(stop=["a" * 65]), "options.stop[0]", "STOP_INVALID", "a stop text too long"),
    (asking(json_schema="{"), "options.json_schema", "JSON_SCHEMA_INVALID", "a schema that is no JSON"),
    (asking(json_schema="[]"), "options.json_schema", "JSON_SCHEMA_INVALID", "a schema that is no object"),
    (asking(json_schema='{"a": NaN}'), "options.json_schema", "JSON_SCHEMA_INVALID", "a schema with NaN"),
    (asking(json_schema=DEEP), "options.json_schema", "JSON_SCHEMA_INVALID", "a schema that nests without end"),
    (with_tool(""), "options.tools[0].name", "TOOL_INVALID", "a tool without a name"),
    (with_tool("더하기"), "options.tools[0].name", "TOOL_INVALID", "a tool's name beyond ASCII"),
    (with_tool("a" * 65), "options.tools[0].name", "TOOL_INVALID", "a tool's name too long"),
    (with_tool("add", "7"), "options.tools[0].parameters_json_schema", "TOOL_INVALID", "a tool's schema that is no object"),
    (asking(tools=[pb.Tool(name="add")] * 2), "options.tools[1].name", "TOOL_INVALID", "two tools of one name"),
    (asking(tools=[pb.Tool(name=f"t{n}") for n in range(129)]), "options.tools", "TOOL_INVALID", "too many tools"),
    (asking(max_cost_usd=0.0), "options.max_cost_usd", "MAX_COST_INVALID", "no money"),
    (asking(max_cost_usd=-1.0), "options.max_cost_usd", "MAX_COST_INVALID", "negative money"),
    (asking(max_cost_usd=float("inf")), "options.max_cost_usd", "MAX_COST_INVALID", "infinite money"),
    (asking(max_cost_usd=float("nan")), "options.max_cost_usd", "MAX_COST_INVALID", "money that is no number"),
    (asking(max_attempts=0), "options.max_attempts", "MAX_ATTEMPTS_INVALID", "no attempts"),
    (asking(max_attempts=21), "options.max_attempts", "MAX_ATTEMPTS_INVALID", "too many attempts"),
    (ROUTE(text="hi", request_id="a" * 129), "request_id", "REQUEST_ID_INVALID", "a request id too long"),
    (ROUTE(text="hi", request_id="a\n"), "request_id", "REQUEST_ID_INVALID", "a request id with a line break"),
    (ROUTE(text="hi", session_id="é"), "session_id", "SESSION_ID_INVALID", "a session id beyond ASCII"),
    (ROUTE(text="hi", labels={f"k{n}": "v" for n in range(17)}), "labels", "LABELS_INVALID", "too many labels"),
    (ROUTE(text="hi", labels={"": "v"}), "labels", "LABELS_INVALID", "a label without a name"),
    (ROUTE(text="hi", labels={"k": "v" * 65}), "labels", "LABELS_INVALID", "a label too long"),
]  # fmt: skip


@pytest.mark.parametrize("request_pb, field, reason", [pytest.param(*row[:3], id=row[3]) for row in WRONG])
def test_what_is_wrong_is_named_with_its_field_and_reason(
    request_pb: router_pb2.RouteRequest, field: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        prompt_from_pb(request_pb, LIMITS, CATEGORIES)

    assert [(violation.field, violation.reason) for violation in caught.value.violations] == [(field, reason)]
    assert caught.value.reason == reason
    assert ";" in caught.value.violations[0].message  # what was wrong; what to do
    assert isinstance(caught.value, PromptTooLarge) == (reason == "PROMPT_TOO_LARGE")


def test_all_wrong_fields_are_named_at_once() -> None:
    request_pb = router_pb2.RouteRequest(
        options=pb.Options(category="cooking", temperature=9.0, max_attempts=99), request_id="é"
    )

    with pytest.raises(InvalidRequest) as caught:
        prompt_from_pb(request_pb, LIMITS, CATEGORIES)

    reasons = [violation.reason for violation in caught.value.violations]
    assert reasons == [
        "PROMPT_EMPTY", "TEMPERATURE_INVALID", "MAX_ATTEMPTS_INVALID", "REQUEST_ID_INVALID", "CATEGORY_UNKNOWN",
    ]  # fmt: skip


@given(st.binary(max_size=300))
def test_whatever_bytes_parse_are_read_or_refused(raw: bytes) -> None:
    try:
        request_pb = router_pb2.RouteRequest.FromString(raw)
    except DecodeError:
        return
    with contextlib.suppress(InvalidRequest):
        prompt_from_pb(request_pb, LIMITS, CATEGORIES)


PARTS = st.one_of(
    st.builds(lambda text: pb.Part(text=text), st.text(max_size=5)),
    st.builds(
        image, st.binary(max_size=20), st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp", ""])
    ),
    st.builds(linked, st.one_of(st.text(max_size=20), st.text(max_size=20).map(lambda rest: "https://" + rest))),
    st.sampled_from([CALL, TOLD, pb.Part()]),
)


@given(st.lists(st.builds(lambda role, parts: pb.Message(role=role, parts=parts), st.integers(0, 9), st.lists(PARTS))))
def test_whatever_conversation_comes_is_read_whole_or_refused(messages: list[pb.Message]) -> None:
    with contextlib.suppress(InvalidRequest):
        prompt = prompt_from_pb(talk(*messages), LIMITS, CATEGORIES)

        assert [len(turn.parts) for turn in prompt.messages] == [len(turn.parts) for turn in messages]
        assert prompt.messages[-1].role in {Role.USER, Role.TOOL}


def test_a_flood_of_wrong_fields_is_cut() -> None:
    with pytest.raises(InvalidRequest) as caught:
        prompt_from_pb(talk(*[user(pb.Part())] * 500), LIMITS, CATEGORIES)

    assert len(caught.value.violations) == 20


def test_the_prompt_is_not_repeated_in_what_is_said_about_it() -> None:
    secret = "my diagnosis"

    for request_pb in (
        router_pb2.RouteRequest(text=secret * 20),
        router_pb2.RouteRequest(text=secret, messages=[user(pb.Part(text=secret))]),
    ):
        with pytest.raises(InvalidRequest) as caught:
            prompt_from_pb(request_pb, LIMITS, CATEGORIES)

        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [router_pb2.RouteRequest, router_pb2.StreamRouteRequest, router_pb2.ExplainRequest],
    ids=["Route", "StreamRoute", "Explain"],
)
def test_a_text_is_one_message_of_the_user(make: Callable[..., RouterRequest]) -> None:
    (message,) = prompt_from_pb(make(text="2+2는?"), LIMITS, CATEGORIES).messages

    assert message.role is Role.USER
    assert message.parts == (Text(text="2+2는?"),)


def test_a_conversation_with_everything_in_it_is_read_in_order() -> None:
    request_pb = talk(
        pb.Message(role=pb.ROLE_SYSTEM, parts=[pb.Part(text="be brief")]),
        user(pb.Part(text=""), image(), linked("https://a.example/b.png")),
        assistant(CALL),
        tool(TOLD),
    )

    messages = prompt_from_pb(request_pb, LIMITS, CATEGORIES).messages

    assert [message.role for message in messages] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL]
    assert messages[1].parts == (
        Text(text=""), Image(content=PNG, mime_type="image/png"), ImageUrl(url="https://a.example/b.png"),
    )  # fmt: skip
    assert messages[2].parts == (ToolCall(id="c1", name="add", arguments_json="{}"),)
    assert messages[3].parts == (ToolResult(tool_call_id="c1", text="4"),)


def test_options_survive_the_wire() -> None:
    options = Options(
        category="coding",
        max_output_tokens=100,
        temperature=0.0,
        stop=("\n",),
        json_schema="{}",
        tools=(Tool(name="add", description="adds", parameters_json_schema="{}"),),
        local_only=True,
        max_cost_usd=Decimal("0.01"),
        max_attempts=3,
    )

    assert options_from_pb(options_to_pb(options)) == options
    assert options_from_pb(options_to_pb(Options())) == Options()


@pytest.mark.parametrize(
    "request_pb",
    [
        pytest.param(talk(user(pb.Part(text="see"), image()), assistant(CALL), tool(TOLD)), id="a conversation"),
        pytest.param(router_pb2.RouteRequest(text="2+2는?"), id="a text"),
    ],
)
def test_a_request_reaches_the_executor_as_the_router_read_it(request_pb: router_pb2.RouteRequest) -> None:
    request_pb.options.max_attempts = 3
    request_pb.labels.update({"b": "2", "a": "1"})
    request_pb.session_id = "s-1"
    prompt = prompt_from_pb(request_pb, LIMITS, CATEGORIES)
    verdict = Verdict(category="coding", confidence=1.0, decided_by=DecidedBy.RULE, model_hop=ModelHop.NOT_NEEDED)

    asked_pb = executor_pb2.ExecuteRequest()
    write_execute_request(
        asked_pb, request_pb, prompt, request_id="r-1", caller="web", verdict_pb=verdict_to_pb(verdict)
    )
    again = execute_request_from_pb(asked_pb, LIMITS, CATEGORIES)

    request = Request(
        prompt=prompt,
        options=Options(max_attempts=3),
        request_id="r-1",
        session_id="s-1",
        labels=(("a", "1"), ("b", "2")),
        caller="web",
    )
    assert again == (request, "coding", verdict)


def test_what_the_caller_left_out_the_executor_is_not_told() -> None:
    request_pb = router_pb2.RouteRequest(text="hi")
    prompt = prompt_from_pb(request_pb, LIMITS, CATEGORIES)

    asked_pb = executor_pb2.ExecuteRequest()
    write_execute_request(asked_pb, request_pb, prompt, request_id="r-1", caller="", verdict_pb=pb.Verdict())

    assert [field.name for field, _ in asked_pb.ListFields()] == ["text", "request_id", "verdict"]


def test_an_execute_request_needs_a_category() -> None:
    with pytest.raises(InvalidRequest) as caught:
        execute_request_from_pb(executor_pb2.ExecuteRequest(text="hi"), LIMITS, CATEGORIES)

    assert [(v.field, v.reason) for v in caught.value.violations] == [("category", "CATEGORY_UNKNOWN")]


def test_a_conversation_that_says_nothing_is_told_so_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        prompt_from_pb(talk(user(pb.Part(text=""))), LIMITS, CATEGORIES)

    assert [violation.reason for violation in caught.value.violations] == ["PROMPT_EMPTY"]


def test_very_many_parts_are_refused_before_each_is_looked_at() -> None:
    with pytest.raises(PromptTooLarge, match="5000 parts are too many"):
        prompt_from_pb(talk(user(*[pb.Part(text="m")] * 5_000)), LIMITS, CATEGORIES)
