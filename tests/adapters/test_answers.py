"""What a 2xx means: answers, answers that are none, and the tokens of each provider."""

from typing import Any

import orjson
import pytest

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.prompt import Options, ToolCall
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Reply
from tests.adapters.wires import (
    BY_KIND,
    CASES,
    DEEPSEEK_200,
    KEY,
    MOONSHOT_200,
    NOW,
    OLLAMA_200,
    Kind,
    WireCase,
    example_document,
    make_model,
    respond,
)

ALL = pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
STOPS = Options(stop=("97",))


def read(
    kind: Kind, document: object, *, options: Options | None = None, headers: dict[str, str] | None = None
) -> Reply:
    case = BY_KIND[kind]
    return case.wire(KEY).read(case.call(options=options), respond(document, headers=headers), NOW)


@ALL
def test_an_answer_is_read(case: WireCase) -> None:
    reply = case.wire(KEY).read(case.call(), respond(case.answer), NOW)

    assert reply.outcome is Outcome.ANSWERED
    assert reply.answer == Answer(text="97", finish_reason=FinishReason.STOP)
    assert reply.usage == case.usage
    assert reply.model == case.model_id


@ALL
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", b"[]", b"[[]]", b'"97"', b"97", b"true", b"<html></html>", b"\xff\xfe", b'{"choices":{}}'],
    ids=["empty", "null", "object", "list", "lists", "text", "number", "truth", "html", "bytes", "odd"],
)
def test_what_is_no_answer_is_a_server_error(case: WireCase, body: bytes) -> None:
    reply = case.wire(KEY).read(case.call(), respond(body), NOW)

    assert (reply.outcome, reply.answer) == (Outcome.SERVER_ERROR, None)


def openai(message: dict[str, object], finish: str | None = "stop", **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]} | more


def anthropic(content: object, stop: str | None = "end_turn", **more: object) -> dict[str, object]:
    return {"type": "message", "content": content, "stop_reason": stop} | more


def gemini(parts: object, finish: str = "STOP", **more: object) -> dict[str, object]:
    return {"candidates": [{"content": {"parts": parts}, "finishReason": finish}]} | more


def ollama(message: object, reason: str = "stop") -> dict[str, object]:
    return OLLAMA_200 | {"message": message, "done_reason": reason}


TEXT = [{"type": "text", "text": "9"}]


@pytest.mark.parametrize(
    "kind, document, reason",
    [
        ("openai", openai({"content": "9"}, "stop"), FinishReason.STOP),
        ("openai", openai({"content": "9"}, "length"), FinishReason.LENGTH),
        ("openai", openai({"content": "9"}, "eos"), FinishReason.STOP),
        ("openai", openai({"content": "9"}, None), FinishReason.INTERRUPTED),
        ("anthropic", anthropic(TEXT, "end_turn"), FinishReason.STOP),
        ("anthropic", anthropic(TEXT, "stop_sequence"), FinishReason.STOP),
        ("anthropic", anthropic(TEXT, "max_tokens"), FinishReason.LENGTH),
        ("anthropic", anthropic(TEXT, "model_context_window_exceeded"), FinishReason.LENGTH),
        ("anthropic", anthropic(TEXT, "pause_turn"), FinishReason.INTERRUPTED),
        ("anthropic", anthropic(TEXT, None), FinishReason.INTERRUPTED),
        ("gemini", gemini([{"text": "9"}], "STOP"), FinishReason.STOP),
        ("gemini", gemini([{"text": "9"}], "MAX_TOKENS"), FinishReason.LENGTH),
        ("gemini", gemini([{"text": "9"}], "CONTINUATION"), FinishReason.LENGTH),
        ("gemini", gemini([{"text": "9"}], "OTHER"), FinishReason.INTERRUPTED),
        ("gemini", gemini([{"text": "9"}], "LANGUAGE"), FinishReason.INTERRUPTED),
        ("ollama", ollama({"content": "9"}, "length"), FinishReason.LENGTH),
    ],
)
def test_the_end_of_an_answer_is_read(kind: Kind, document: object, reason: FinishReason) -> None:
    reply = read(kind, document)

    assert reply.outcome is Outcome.ANSWERED
    assert reply.answer == Answer(text="9", finish_reason=reason)


@pytest.mark.parametrize(
    "kind, document",
    [
        ("openai", openai({"content": ""}, "length")),
        ("anthropic", anthropic([], "max_tokens")),
        ("gemini", {"candidates": [{"finishReason": "MAX_TOKENS"}]}),
        ("ollama", ollama({"content": ""}, "length")),
    ],
)
def test_a_limit_that_went_into_reasoning_is_an_empty_answer(kind: Kind, document: object) -> None:
    reply = read(kind, document)

    assert reply.answer == Answer(text="", finish_reason=FinishReason.LENGTH)


SILENT = pytest.mark.parametrize(
    "kind, document",
    [
        ("openai", openai({"content": None})),
        ("anthropic", anthropic([])),
        ("gemini", gemini([])),
        ("ollama", ollama({"content": ""})),
    ],
)


@SILENT
def test_a_model_that_ends_in_silence_has_not_answered(kind: Kind, document: object) -> None:
    assert read(kind, document).outcome is Outcome.SERVER_ERROR


@SILENT
def test_silence_is_an_answer_where_a_stop_text_may_have_come_first(kind: Kind, document: object) -> None:
    assert read(kind, document, options=STOPS).outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    "kind, document",
    [
        ("openai", openai({"content": "part"}, "content_filter")),
        ("deepseek", openai({"content": ""}, "content_filter")),
        ("anthropic", example_document("anthropic.200.refusal")),
        ("anthropic", anthropic(TEXT, "refusal")),
        ("gemini", example_document("gemini.200.blocked")),
        ("gemini", {"candidates": [], "usageMetadata": {}}),
        ("gemini", gemini([{"text": "part"}], "SAFETY")),
        ("gemini", gemini([], "RECITATION")),
        ("gemini", gemini([], "BLOCKLIST")),
        ("gemini", gemini([], "PROHIBITED_CONTENT")),
        ("gemini", gemini([], "SPII")),
        ("gemini", gemini([], "IMAGE_SAFETY")),
    ],
)
def test_a_blocked_answer_holds_nothing_but_its_reason(kind: Kind, document: object) -> None:
    reply = read(kind, document)

    assert reply.outcome is Outcome.CONTENT_BLOCKED
    assert reply.answer == Answer(text="", finish_reason=FinishReason.CONTENT_BLOCKED)


@pytest.mark.parametrize("candidates", [{"content": {}}, ["text"], "text"], ids=["object", "list of text", "text"])
def test_candidates_of_another_shape_are_no_answer_and_no_refusal(candidates: object) -> None:
    assert read("gemini", {"candidates": candidates}).outcome is Outcome.SERVER_ERROR


def test_a_refusal_in_words_is_handed_on() -> None:
    reply = read("openai", openai({"content": None, "refusal": "I cannot."}))

    assert reply.answer == Answer(text="I cannot.", finish_reason=FinishReason.CONTENT_BLOCKED)


def test_a_refusal_is_counted() -> None:
    assert read("anthropic", example_document("anthropic.200.refusal")).usage == Usage(input_tokens=412)


def test_deepseek_without_resources_is_overloaded() -> None:
    document = openai({"content": "par"}, "insufficient_system_resource", usage={"prompt_tokens": 5})

    reply = read("deepseek", document)

    assert (reply.outcome, reply.answer, reply.usage) == (Outcome.OVERLOADED, None, Usage(input_tokens=5))


@pytest.mark.parametrize(
    "finish", ["MALFORMED_RESPONSE", "OTHER", "MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE", ""]
)
def test_gemini_that_stops_oddly_without_text_is_a_server_error(finish: str) -> None:
    assert read("gemini", gemini([], finish)).outcome is Outcome.SERVER_ERROR


@pytest.mark.parametrize("finish", ["PUP_LIMITED_DISABLED", "ESCALATION"])
def test_gemini_that_restricts_the_account_forbids(finish: str) -> None:
    assert read("gemini", gemini([], finish)).outcome is Outcome.FORBIDDEN


def test_thoughts_are_no_text() -> None:
    thinking = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]

    claude = read("anthropic", anthropic([*thinking, *TEXT]))
    gemini_reply = read("gemini", gemini([{"text": "hm", "thought": True}, {"text": "9"}]))
    deepseek = read("deepseek", DEEPSEEK_200)
    local = read("ollama", ollama({"content": "9", "thinking": "hm"}))

    answers = [reply.answer for reply in (claude, gemini_reply, deepseek, local)]
    assert [answer.text for answer in answers if answer] == ["9", "9", "97", "9"]


@pytest.mark.parametrize(
    "kind, document, call",
    [
        (
            "openai",
            openai(
                {"content": None, "tool_calls": [{"id": "c1", "function": {"name": "w", "arguments": '{"n":1}'}}]},
                "tool_calls",
            ),
            ToolCall(id="c1", name="w", arguments_json='{"n":1}'),
        ),
        (
            "moonshot",
            openai({"content": "", "tool_calls": [{"id": "c1", "function": {"name": "w", "arguments": ""}}]}, "stop"),
            ToolCall(id="c1", name="w", arguments_json="{}"),
        ),
        (
            "anthropic",
            anthropic([{"type": "tool_use", "id": "c1", "name": "w", "input": {"n": 1}}], "tool_use"),
            ToolCall(id="c1", name="w", arguments_json='{"n":1}'),
        ),
        (
            "gemini",
            gemini([{"functionCall": {"name": "w", "args": {"n": 1}}}], responseId="r1"),
            ToolCall(id="call_0_r1", name="w", arguments_json='{"n":1}'),
        ),
        (
            "gemini",
            gemini([{"functionCall": {"id": "g1", "name": "w"}}]),
            ToolCall(id="g1", name="w", arguments_json="{}"),
        ),
        (
            "ollama",
            ollama({"content": "", "tool_calls": [{"function": {"name": "w", "arguments": {"n": 1}}}]}),
            ToolCall(id="call_0", name="w", arguments_json='{"n":1}'),
        ),
    ],
)
def test_a_wish_for_a_tool_is_read(kind: Kind, document: object, call: ToolCall) -> None:
    reply = read(kind, document)

    assert reply.outcome is Outcome.ANSWERED
    assert reply.answer == Answer(text="", finish_reason=FinishReason.TOOL_CALLS, tool_calls=(call,))


@pytest.mark.parametrize(
    "kind, counted, usage",
    [
        pytest.param(
            "openai",
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(
                input_tokens=100,
                cached_input_tokens=60,
                cache_write_tokens=10,
                output_tokens=50,
                reasoning_tokens=40,
            ),
            id="openai_counts_cached_inside",
        ),
        pytest.param(
            "deepseek",
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            Usage(input_tokens=100, cached_input_tokens=64, output_tokens=5),
            id="deepseek_hits",
        ),
        pytest.param(
            "moonshot",
            {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 64}},
            Usage(input_tokens=100, cached_input_tokens=64, output_tokens=5),
            id="moonshot_as_openai",
        ),
        pytest.param(
            "openai",
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}},
            Usage(input_tokens=10, cached_input_tokens=10, output_tokens=5),
            id="cached_is_never_more_than_all",
        ),
        pytest.param(
            "openai",
            {"prompt_tokens": -4, "completion_tokens": "5", "prompt_tokens_details": None},
            Usage(),
            id="what_does_not_count_is_zero",
        ),
    ],
)
def test_tokens_of_the_openai_family_are_counted(kind: Kind, counted: dict[str, Any], usage: Usage) -> None:
    assert read(kind, openai({"content": "9"}, usage=counted)).usage == usage


def test_moonshot_may_count_inside_the_choice() -> None:
    document = orjson.loads(orjson.dumps(MOONSHOT_200))
    document["choices"][0]["usage"] = document.pop("usage")

    assert read("moonshot", document).usage == BY_KIND["moonshot"].usage


def test_anthropic_counts_cached_input_apart() -> None:
    counted = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 3_000,
        "output_tokens": 70,
        "output_tokens_details": {"thinking_tokens": 60},
    }

    assert read("anthropic", anthropic(TEXT, usage=counted)).usage == Usage(
        input_tokens=3_210,
        cached_input_tokens=3_000,
        cache_write_tokens=200,
        output_tokens=70,
        reasoning_tokens=60,
    )


def test_gemini_counts_thoughts_apart_and_leaves_out_zeros() -> None:
    counted = {"promptTokenCount": 23, "cachedContentTokenCount": 20, "thoughtsTokenCount": 61}

    assert read("gemini", gemini([{"text": "9"}], usageMetadata=counted)).usage == Usage(
        input_tokens=23, cached_input_tokens=20, output_tokens=61, reasoning_tokens=61
    )


@pytest.mark.parametrize(
    "kind, document",
    [
        ("openai", openai({"content": "9"}, usage=None)),
        ("anthropic", anthropic(TEXT, usage=[])),
        ("gemini", gemini([{"text": "9"}])),
        ("ollama", {"message": {"content": "9"}, "done": True, "done_reason": "stop"}),
    ],
)
def test_tokens_that_nobody_counted_are_unknown(kind: Kind, document: object) -> None:
    assert read(kind, document).usage is None


def test_ollama_says_where_its_time_went() -> None:
    reply = read("ollama", OLLAMA_200)

    assert dict(reply.durations_s) == {
        "pointsman.ollama.total_duration": 5.0,
        "pointsman.ollama.load_duration": 1.0,
        "pointsman.ollama.prompt_eval_duration": 0.5,
        "pointsman.ollama.eval_duration": 2.0,
        "pointsman.ollama.slot_wait_duration": 1.5,
    }


def test_ollama_that_is_not_done_has_not_answered() -> None:
    assert read("ollama", OLLAMA_200 | {"done": False}).outcome is Outcome.SERVER_ERROR


@pytest.mark.parametrize(
    "kind, headers, request_id",
    [
        ("openai", {"x-request-id": "req_9"}, "req_9"),
        ("openai", {}, "chatcmpl-A1"),
        ("deepseek", {}, "d1"),
        ("anthropic", {"request-id": "req_9"}, "req_9"),
        ("anthropic", {}, "msg_A1"),
        ("gemini", {}, "A1bCdE"),
        ("ollama", {}, ""),
    ],
)
def test_the_id_of_the_call_is_kept(kind: Kind, headers: dict[str, str], request_id: str) -> None:
    case = BY_KIND[kind]

    reply = case.wire(KEY).read(case.call(), respond(case.answer, headers=headers), NOW)

    assert reply.provider_request_id == request_id


@ALL
def test_options_that_stay_behind_are_named(case: WireCase) -> None:
    options = Options(temperature=0.1, stop=("x",))

    reply = case.wire(KEY).read(case.call(options=options), respond(case.answer), NOW)

    assert reply.ignored_options == ("temperature", "stop")


@ALL
def test_options_that_are_sent_are_not_named(case: WireCase) -> None:
    model = make_model(accepts_temperature=True, accepts_stop=True)
    call = case.call(options=Options(temperature=0.1, stop=("x",)), model=model)

    assert case.wire(KEY).read(call, respond(case.answer), NOW).ignored_options == ()


def test_a_schema_that_deepseek_cannot_follow_is_named() -> None:
    assert read("deepseek", DEEPSEEK_200, options=Options(json_schema="{}")).ignored_options == ("json_schema",)


def test_a_wait_with_a_success_is_not_taken() -> None:
    reply = read("anthropic", example_document("anthropic.200"), headers={"retry-after": "12"})

    assert reply.retry_after_s is None


@pytest.mark.parametrize("kind", ["deepseek", "moonshot", "gemini", "ollama"])
def test_headers_of_others_are_not_believed(kind: Kind) -> None:
    case = BY_KIND[kind]
    headers = {"x-ratelimit-limit-requests": "5", "anthropic-ratelimit-requests-limit": "5"}

    assert case.wire(KEY).read(case.call(), respond(case.answer, headers=headers), NOW).stated == ()
