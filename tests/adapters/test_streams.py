"""What a stream means: the same as the answer when it comes whole, however the bytes are cut, and only to its end."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from pointsman.domain.answer import Answer, Delta, FinishReason, ToolCallDelta, Usage
from pointsman.domain.prompt import Options, ToolCall
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import HttpResponse, Reply
from pointsman.executor.adapters.lines import LINE_BYTES
from tests.adapters.streams import (
    BY_NAME,
    DONE,
    STARTED,
    STOPPED,
    STREAMS,
    USAGE,
    StreamCase,
    begun,
    calls_of,
    chat,
    chunk,
    content,
    data,
    function,
    grown,
    lines,
    named,
    read_stream,
    recorded,
    stopped,
    text_of,
)
from tests.adapters.wires import BY_KIND, CASES, KEY, NOW, Kind, WireCase

EACH = pytest.mark.parametrize("case", STREAMS, ids=list(BY_NAME))
ALL = pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
SAID = {
    "openai": data(chunk({"content": "Par"})),
    "deepseek": data(chunk({"content": "Par"})),
    "moonshot": data(chunk({"content": "Par"})),
    "anthropic": named(STARTED, begun(0, type="text", text="Par")),
    "gemini": data(content([{"text": "Par"}])),
    "ollama": lines(chat({"content": "Par"})),
}
"""A beginning in every wire format that says "Par"."""


def emptied(reply: Reply) -> Reply:
    """Return a whole reply as a stream leaves it: what was said has been handed on."""
    answer = reply.answer
    return replace(reply, answer=replace(answer, text="", tool_calls=()) if answer else None)


@EACH
def test_a_streamed_answer_is_the_whole_answer(case: StreamCase) -> None:
    whole = case.read_whole()

    deltas, reply = case.read(case.stream)

    assert reply == emptied(whole)
    if whole.answer:
        assert (text_of(deltas), calls_of(deltas)) == (whole.answer.text, whole.answer.tool_calls)


@EACH
def test_a_stream_is_the_same_wherever_it_is_cut(case: StreamCase) -> None:
    as_one = case.read(case.stream)

    for at in range(len(case.stream)):
        assert case.read(case.stream[:at], case.stream[at:]) == as_one


@EACH
def test_a_stream_is_the_same_byte_by_byte(case: StreamCase) -> None:
    as_one = case.read(case.stream)

    assert case.read(*(case.stream[at : at + 1] for at in range(len(case.stream)))) == as_one


@EACH
def test_a_stream_that_is_cut_off_is_no_answer(case: StreamCase) -> None:
    said, _ = case.read(case.stream)

    for end in range(case.end):
        deltas, reply = case.read(case.stream[:end])
        assert reply.outcome in {Outcome.NETWORK, Outcome.SERVER_ERROR}
        assert reply.answer is None
        assert deltas == said[: len(deltas)]


@EACH
def test_a_stream_is_whole_with_its_terminal_marker(case: StreamCase) -> None:
    assert case.read(case.stream[: case.end]) == case.read(case.stream)


@EACH
def test_no_delta_is_empty(case: StreamCase) -> None:
    deltas, _ = case.read(case.stream)

    assert Delta() not in deltas


@ALL
def test_a_stream_that_breaks_off_is_a_broken_connection_that_keeps_its_facts(case: WireCase) -> None:
    deltas, reply = read_stream(case.kind, SAID[case.kind])

    assert deltas == [Delta(text="Par")]
    assert (reply.outcome, reply.detail) == (Outcome.NETWORK, "The stream broke off before its end.")
    assert reply.model


@ALL
def test_an_event_that_is_cut_off_is_a_broken_connection_and_no_garbage(case: WireCase) -> None:
    said = SAID[case.kind]

    for end in range(len(said)):
        assert read_stream(case.kind, said, said[:end])[1].outcome is Outcome.NETWORK


def test_what_was_counted_before_a_break_is_kept() -> None:
    _, reply = read_stream("anthropic", named(STARTED))

    assert reply.usage == Usage(input_tokens=25, output_tokens=1)


@ALL
def test_the_model_is_known_with_the_first_delta(case: WireCase) -> None:
    reader = case.wire(KEY).reader(case.call(), HttpResponse(status=200))

    assert reader.model == ""
    assert reader.feed(SAID[case.kind])
    assert reader.model


@ALL
@pytest.mark.parametrize(
    "body",
    [b"", b"<!doctype html>\n<html></html>\n", b"\xff\xfe\x00", b"null", b"97\n\n", b"\n\n\n", b"{}", b"{"],
    ids=["empty", "html", "bytes", "null", "number", "blank", "object", "brace"],
)
def test_what_is_no_stream_is_no_answer(case: WireCase, body: bytes) -> None:
    deltas, reply = read_stream(case.kind, body)

    assert (deltas, reply.answer) == ([], None)
    assert reply.outcome in {Outcome.SERVER_ERROR, Outcome.NETWORK}


@ALL
@pytest.mark.parametrize(
    "garbage",
    [
        b"data: <html></html>\n\n",
        b"data: 7\n\n",
        b"data: [{},{}]\n\n",
        b"data: null\n\n",
        b"event: error\ndata: {}\n\n",
    ],
)
def test_garbage_midway_ends_a_stream(case: WireCase, garbage: bytes) -> None:
    deltas, reply = read_stream(case.kind, SAID[case.kind], garbage, SAID[case.kind])

    assert deltas == [Delta(text="Par")]
    assert reply.outcome is Outcome.SERVER_ERROR
    assert reply.detail == "The provider streamed something that is no part of an answer."


@ALL
def test_a_line_over_a_mebibyte_ends_a_stream(case: WireCase) -> None:
    deltas, reply = read_stream(case.kind, SAID[case.kind], b"x" * (LINE_BYTES + 1), SAID[case.kind])

    assert deltas == [Delta(text="Par")]
    assert reply.outcome is Outcome.SERVER_ERROR
    assert reply.detail == "The provider streamed a line of more than 1 MiB."


@ALL
def test_a_reader_that_is_done_takes_nothing_more(case: WireCase) -> None:
    reader = case.wire(KEY).reader(case.call(), HttpResponse(status=200))
    reader.feed(lines({"error": "x"}) if case.kind == "ollama" else data({"error": {"message": "x"}}))

    assert reader.is_done
    assert reader.feed(SAID[case.kind]) == ()
    assert reader.flush() == ()


ERRORS: tuple[tuple[Kind, bytes, Outcome], ...] = (
    ("openai", data({"error": {"message": "x", "type": "server_error", "code": "server_error"}}), Outcome.SERVER_ERROR),
    (
        "openai",
        data({"error": {"message": "x", "type": "tokens", "code": "rate_limit_exceeded"}}),
        Outcome.RATE_LIMITED,
    ),
    ("openai", data({"error": {"type": "service_unavailable_error"}}), Outcome.OVERLOADED),
    ("deepseek", b": keep-alive\n\n" + data({"error": {"message": "x"}}), Outcome.SERVER_ERROR),
    ("moonshot", data({"error": {"type": "engine_overloaded_error", "message": "x"}}), Outcome.OVERLOADED),
    ("moonshot", data({"error": {"type": "content_filter", "message": "x"}}), Outcome.CONTENT_BLOCKED),
    ("anthropic", named({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}), Outcome.OVERLOADED),
    ("anthropic", named({"type": "error", "error": {"type": "rate_limit_error"}}), Outcome.RATE_LIMITED),
    ("anthropic", named({"type": "error", "error": {"type": "api_error"}}), Outcome.SERVER_ERROR),
    ("gemini", data({"error": {"code": 503, "status": "UNAVAILABLE"}}), Outcome.OVERLOADED),
    ("gemini", data({"error": {"status": "RESOURCE_EXHAUSTED"}}), Outcome.RATE_LIMITED),
    ("gemini", b'{\r\n  "error": {\r\n    "code": 504\r\n  }\r\n}', Outcome.TIMED_OUT),
    ("gemini", b'[{\n  "error": {\n    "code": 503\n  }\n}\n]\n', Outcome.OVERLOADED),
    ("gemini", b'{"error": {"code": 500}}\n', Outcome.SERVER_ERROR),
    ("ollama", lines({"error": "llama runner process has terminated"}), Outcome.SERVER_ERROR),
)


@pytest.mark.parametrize("kind, error, outcome", ERRORS)
def test_an_error_before_any_content_is_classified_as_a_body_is(kind: Kind, error: bytes, outcome: Outcome) -> None:
    deltas, reply = read_stream(kind, error)

    assert (deltas, reply.outcome) == ([], outcome)


@pytest.mark.parametrize("kind, error, outcome", ERRORS)
def test_an_error_behind_content_is_classified_alike(kind: Kind, error: bytes, outcome: Outcome) -> None:
    deltas, reply = read_stream(kind, SAID[kind], error)

    assert deltas == [Delta(text="Par")]
    assert reply.outcome is outcome
    assert reply.model == read_stream(kind, SAID[kind])[1].model


@pytest.mark.parametrize(
    "kind, tag, said, outcome, id_",
    [
        ("openai", "openai.stream.error", "Par", Outcome.SERVER_ERROR, "chatcmpl-A2"),
        ("anthropic", "anthropic.stream.error", "", Outcome.OVERLOADED, "msg_A3"),
        ("gemini", "gemini.stream.error.data", "Par", Outcome.OVERLOADED, "A1bCdG"),
        ("gemini", "gemini.stream.error.bare", "Par", Outcome.OVERLOADED, "A1bCdG"),
    ],
)
def test_the_documented_errors_are_read_wherever_they_are_cut(
    kind: Kind, tag: str, said: str, outcome: Outcome, id_: str
) -> None:
    stream = recorded(tag)

    for at in range(len(stream)):
        deltas, reply = read_stream(kind, stream[:at], stream[at:])
        assert (text_of(deltas), reply.outcome, reply.provider_request_id) == (said, outcome, id_)


def test_what_the_provider_says_of_itself_is_not_passed_on() -> None:
    _, reply = read_stream("openai", data({"error": {"message": "sk-canary", "type": "server_error"}}))

    assert "canary" not in repr(reply)


def test_headers_of_a_stream_are_in_its_reply() -> None:
    headers = {
        "x-request-id": "req_1",
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "retry-after": "12",
    }

    for body in (SAID["openai"], recorded("openai.stream.200"), recorded("openai.stream.error")):
        _, reply = read_stream("openai", body, headers=headers)
        assert reply.provider_request_id == "req_1"
        assert [(quota.limit, quota.remaining) for quota in reply.stated] == [(10, 9)]
        assert reply.retry_after_s is None


@pytest.mark.parametrize(
    "kind, switch",
    [
        ("openai", {"stream": True, "stream_options": {"include_usage": True}}),
        ("deepseek", {"stream": True, "stream_options": {"include_usage": True}}),
        ("moonshot", {"stream": True, "stream_options": {"include_usage": True}}),
        ("anthropic", {"stream": True}),
        ("gemini", {}),
        ("ollama", {"stream": True}),
    ],
)
def test_a_stream_is_asked_for_as_an_answer_is_but_for_its_switch(kind: Kind, switch: dict[str, Any]) -> None:
    case = BY_KIND[kind]
    whole, streamed = case.wire(KEY).request(case.call()), case.wire(KEY).stream_request(case.call())

    assert streamed.headers == whole.headers
    assert _document(streamed.body) == _document(whole.body) | switch
    assert streamed.path == (
        "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse" if kind == "gemini" else whole.path
    )


def _document(body: bytes | None) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(body or b"")
    return document


def test_silence_is_an_answer_where_a_stop_text_may_have_come_first() -> None:
    case = BY_KIND["openai"]
    reader = case.wire(KEY).reader(case.call(options=Options(stop=("97",))), HttpResponse(status=200))
    reader.feed(BY_NAME["openai: silence"].stream)

    assert reader.end(NOW).outcome is Outcome.ANSWERED


def test_options_that_were_not_sent_are_named() -> None:
    case = BY_KIND["gemini"]
    reader = case.wire(KEY).reader(case.call(options=Options(temperature=0.5)), HttpResponse(status=200))
    reader.feed(recorded("gemini.stream.200"))

    assert reader.end(NOW).ignored_options == ("temperature",)


def test_a_marker_without_an_answer_before_it_is_no_answer() -> None:
    assert read_stream("openai", DONE)[1].outcome is Outcome.SERVER_ERROR
    assert read_stream("openai", data(chunk(None, usage=USAGE)), DONE)[1].outcome is not Outcome.ANSWERED
    assert read_stream("anthropic", named(STOPPED))[1].outcome is not Outcome.ANSWERED


def test_an_answer_that_ends_for_no_reason_was_interrupted() -> None:
    _, reply = read_stream("openai", data(chunk({"content": "9"})), DONE)

    assert reply.answer == Answer(text="", finish_reason=FinishReason.INTERRUPTED)


def test_a_piece_of_a_call_that_has_no_name_is_passed_over() -> None:
    nameless = chunk({"tool_calls": [function(0, "{}", id_="t1"), function(1, "", id_="t2", name="now")]})

    deltas, reply = read_stream("openai", data(nameless, chunk({}, "stop")), DONE)

    assert [call.name for call in calls_of(deltas)] == ["now"]
    assert reply.answer == Answer(text="", finish_reason=FinishReason.TOOL_CALLS)


def test_a_name_that_is_repeated_is_told_once() -> None:
    piece = chunk({"tool_calls": [function(0, "{", id_="t1", name="now")]})

    deltas, _ = read_stream("openai", data(piece, piece))

    assert [call for delta in deltas for call in delta.tool_calls] == [
        ToolCallDelta(index=0, id="t1", name="now", arguments_json="{"),
        ToolCallDelta(index=0, arguments_json="{"),
    ]


def test_counts_of_anthropic_are_totals() -> None:
    stream = named(
        STARTED,
        begun(0, type="text", text="9"),
        stopped("end_turn", output_tokens=5, input_tokens=None),
        stopped("end_turn", output_tokens=9, cache_read_input_tokens=100),
        STOPPED,
    )

    _, reply = read_stream("anthropic", stream)

    assert reply.usage == Usage(input_tokens=125, cached_input_tokens=100, output_tokens=9)


def test_a_delta_for_a_block_that_never_began_adds_no_call() -> None:
    stray = grown(7, type="input_json_delta", partial_json="{}")

    assert read_stream("anthropic", named(STARTED, stray))[0] == []


@pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": -1}, {"index": 2**40}, {"index": "1"}])
def test_another_id_is_another_call_whatever_index_it_is_given(index: dict[str, Any]) -> None:
    pieces = [function(0, "", id_=f"t{number}", name=name) | index for number, name in enumerate(["now", "then"])]
    if not index:
        pieces = [{key: piece[key] for key in piece if key != "index"} for piece in pieces]
    more = function(0, '{"a":1}') | index

    deltas, _ = read_stream(
        "openai", data(*(chunk({"tool_calls": [piece]}) for piece in (*pieces, more)), chunk({}, "tool_calls")), DONE
    )

    assert calls_of(deltas) == (
        ToolCall(id="t0", name="now", arguments_json="{}"),
        ToolCall(id="t1", name="then", arguments_json='{"a":1}'),
    )


def test_blocks_that_begin_at_one_place_are_calls_of_their_own() -> None:
    names = ("now", "then", "here")
    stream = named(
        STARTED,
        *(begun(place, type="tool_use", id=name, name=name) for place, name in zip((0, 0, 1), names, strict=True)),
    )

    deltas, _ = read_stream("anthropic", stream)

    assert [call.index for delta in deltas for call in delta.tool_calls] == [0, 1, 2]


SAYING = {
    "openai": lambda text: data(chunk({"content": text})),
    "anthropic": lambda text: named(grown(0, type="text_delta", text=text)),
    "gemini": lambda text: data(content([{"text": text}])),
    "ollama": lambda text: lines(chat({"content": text})),
}


@pytest.mark.parametrize("kind", SAYING)
@pytest.mark.parametrize(
    "said, heard",
    [
        pytest.param(("a<d83d>", "<de00>b"), ["Par", "a", "😀b"], id="cut-in-two"),
        pytest.param(("a<d83d>", "<de00><d83d>", "<de00>b"), ["Par", "a", "😀", "😀b"], id="twice"),
        pytest.param(("a<d83d>", "b"), ["Par", "a", "\ufffdb"], id="the-second-half-never-comes"),
        pytest.param(("a<d83d>",), ["Par", "a"], id="nothing-follows"),
        pytest.param(("<d83d>", "<de00>"), ["Par", "😀"], id="no-delta-is-empty"),
    ],
)
def test_a_character_that_is_cut_in_two_is_handed_on_whole(kind: Kind, said: tuple[str, ...], heard: list[str]) -> None:
    pieces = (SAYING[kind](text).replace(b"<", rb"\u").replace(b">", b"") for text in said)

    deltas, _ = read_stream(kind, SAID[kind], *pieces)

    assert [delta.text for delta in deltas] == heard
