"""Recorded streams of every wire format, each beside the body that the same answer has when it comes whole."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from pointsman.domain.answer import Delta
from pointsman.domain.prompt import ToolCall
from pointsman.executor.adapters.base import HttpResponse, Reply
from tests.adapters.wires import (
    BY_KIND,
    DEEPSEEK_200,
    EXAMPLES,
    KEY,
    MOONSHOT_200,
    NOW,
    OLLAMA_200,
    Kind,
    example,
    example_document,
)

Json = dict[str, Any]
ODD_TEXT = "한글 \u2028\u2029\x85 😀 é"
"""Characters of one to four bytes, and three that look like line ends."""


def recorded(tag: str) -> bytes:
    """Return a stream of the wire reference; on the wire Gemini's lines end in CRLF, which Markdown cannot say."""
    stream = (EXAMPLES / f"{tag}.sse").read_bytes()
    return stream.replace(b"\n", b"\r\n") if tag.startswith("gemini") else stream


def raw(document: object) -> bytes:
    """Return JSON in which characters stand as themselves."""
    return orjson.dumps(document)


def data(*documents: Json) -> bytes:
    """Return events without names."""
    return b"".join(b"data: " + raw(document) + b"\n\n" for document in documents)


def named(*documents: Json) -> bytes:
    """Return events that are named by their type, as Anthropic's are."""
    return b"".join(b"event: " + document["type"].encode() + b"\n" + data(document) for document in documents)


def lines(*documents: Json) -> bytes:
    """Return JSON lines."""
    return b"".join(raw(document) + b"\n" for document in documents)


DONE = b"data: [DONE]\n\n"


def chunk(delta: Json | None, finish: str | None = None, *, choice: Json | None = None, **more: object) -> Json:
    """Return a chunk of a chat completion; without a delta it has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish} | (choice or {})]
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m1", "choices": choices} | more


def completion(message: Json, finish: str, **more: object) -> bytes:
    """Return a whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    return raw({"id": "c1", "object": "chat.completion", "model": "m1", "choices": [choice]} | more)


def function(index: int, arguments: str, *, id_: str = "", name: str = "") -> Json:
    """Return a piece of a tool call as OpenAI streams it."""
    head = {"id": id_, "type": "function"} if id_ else {}
    return {"index": index} | head | {"function": ({"name": name} if name else {}) | {"arguments": arguments}}


def content(parts: list[Json], finish: str = "", **more: object) -> Json:
    """Return an event of Gemini."""
    ended = {"finishReason": finish} if finish else {}
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0} | ended
    return {"candidates": [candidate], "modelVersion": "g1", "responseId": "r1"} | more


def chat(message: Json, **more: object) -> Json:
    """Return a line of Ollama."""
    return {"model": "q", "created_at": "x", "message": {"role": "assistant"} | message, "done": False} | more


USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
STARTED = {
    "type": "message_start",
    "message": {"id": "m1", "model": "c1", "content": [], "usage": {"input_tokens": 25, "output_tokens": 1}},
}
STOPPED = {"type": "message_stop"}
ENDING = {name: value for name, value in OLLAMA_200.items() if name not in {"model", "created_at", "message"}}


def begun(index: int, **block: object) -> Json:
    """Return the beginning of a block of Anthropic's."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def grown(index: int, **delta: object) -> Json:
    """Return a delta of a block of Anthropic's."""
    return {"type": "content_block_delta", "index": index, "delta": delta}


def ended(index: int) -> Json:
    """Return the end of a block of Anthropic's."""
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str, **usage: object) -> Json:
    """Return Anthropic's word on why it stopped."""
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7} | usage}


def message(blocks: list[Json], stop: str) -> bytes:
    """Return a whole message of Anthropic's."""
    usage = {"input_tokens": 25, "output_tokens": 7}
    return raw({"id": "m1", "type": "message", "model": "c1", "content": blocks, "stop_reason": stop, "usage": usage})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCase:
    """A stream to its end, and the same answer whole."""

    kind: Kind
    name: str
    stream: bytes = field(repr=False)
    whole: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """How many bytes there are with the last one of the terminal marker."""
        return len(self.stream.rstrip())

    def read_whole(self) -> Reply:
        """Return what the whole answer is."""
        case = BY_KIND[self.kind]
        return case.wire(KEY).read(case.call(), HttpResponse(status=200, body=self.whole), NOW)

    def read(self, *chunks: bytes) -> tuple[list[Delta], Reply]:
        """Return what the stream is in these chunks."""
        return read_stream(self.kind, *chunks)


def read_stream(kind: Kind, *chunks: bytes, headers: dict[str, str] | None = None) -> tuple[list[Delta], Reply]:
    """Return what comes of a stream that ends in order behind the last chunk."""
    case = BY_KIND[kind]
    reader = case.wire(KEY).reader(case.call(), HttpResponse(status=200, headers=headers or {}))
    deltas = [delta for chunk in chunks for delta in reader.feed(chunk)]
    deltas += reader.flush()
    return deltas, reader.end(NOW)


def text_of(deltas: Iterable[Delta]) -> str:
    """Return the text that the deltas add up to."""
    return "".join(delta.text for delta in deltas)


def calls_of(deltas: Iterable[Delta]) -> tuple[ToolCall, ...]:
    """Return the tool calls that the deltas add up to; id and name come once, and first."""
    calls: list[ToolCall] = []
    for delta in (call for whole in deltas for call in whole.tool_calls):
        if delta.index == len(calls):
            calls.append(ToolCall(id=delta.id, name=delta.name, arguments_json=delta.arguments_json))
            continue
        assert (delta.id, delta.name) == ("", "")
        begun_call = calls[delta.index]
        arguments = begun_call.arguments_json + delta.arguments_json
        calls[delta.index] = ToolCall(id=begun_call.id, name=begun_call.name, arguments_json=arguments)
    return tuple(calls)


def _without_thinking_counted(tag: str) -> bytes:
    """Return Anthropic's whole example without the share of thinking, which the streamed one does not count."""
    document = example_document(tag)
    del document["usage"]["output_tokens_details"]
    return raw(document)


def _uncached(document: Json) -> bytes:
    """Return DeepSeek's whole answer with the usage of the streamed example."""
    hits = {"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 20}
    return raw(document | {"usage": document["usage"] | hits})


TWO_CALLS = [
    {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"서울"}'}},
    {"id": "t2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
]
STREAMS = (
    StreamCase(kind="openai", name="example", stream=recorded("openai.stream.200"), whole=example("openai.chat.200")),
    StreamCase(
        kind="openai",
        name="odd text",
        stream=data(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": ODD_TEXT}),
            chunk({"content": "\n\r\n" + ODD_TEXT}),
            chunk({}, "length"),
            chunk(None, usage=USAGE),
        )
        + DONE,
        whole=completion({"content": ODD_TEXT + "\n\r\n" + ODD_TEXT}, "length", usage=USAGE),
    ),
    StreamCase(
        kind="openai",
        name="tools",
        stream=data(
            chunk({"role": "assistant", "content": None}),
            chunk({"tool_calls": [function(0, "", id_="t1", name="weather")]}),
            chunk({"tool_calls": [function(0, '{"city":')]}),
            chunk({"tool_calls": [function(0, '"서울"}'), function(3, "", id_="t2", name="now")]}),
            chunk({"tool_calls": [function(3, "")]}),
            chunk({}, "tool_calls"),
            chunk(None, usage=USAGE),
        )
        + DONE,
        whole=completion({"content": None, "tool_calls": TWO_CALLS}, "tool_calls", usage=USAGE),
    ),
    StreamCase(
        kind="openai",
        name="refusal",
        stream=data(chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk({}, "stop")) + DONE,
        whole=completion({"content": None, "refusal": "I cannot."}, "stop"),
    ),
    StreamCase(
        kind="openai",
        name="filtered",
        stream=data(chunk({"role": "assistant"}), chunk({}, "content_filter"), chunk(None, usage=USAGE)) + DONE,
        whole=completion({"content": ""}, "content_filter", usage=USAGE),
    ),
    StreamCase(
        kind="openai",
        name="silence",
        stream=data(chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), chunk(None, usage=USAGE)) + DONE,
        whole=completion({"content": ""}, "stop", usage=USAGE),
    ),
    StreamCase(
        kind="openai",
        name="all reasoning",
        stream=data(chunk({"role": "assistant", "content": ""}), chunk({}, "length"), chunk(None, usage=USAGE)) + DONE,
        whole=completion({"content": ""}, "length", usage=USAGE),
    ),
    StreamCase(kind="deepseek", name="example", stream=recorded("deepseek.stream.200"), whole=_uncached(DEEPSEEK_200)),
    StreamCase(
        kind="deepseek",
        name="no capacity",
        stream=b": keep-alive\n\n: keep-alive\n\n"
        + data(chunk({"content": ""}), chunk({}, "insufficient_system_resource", usage=USAGE))
        + DONE,
        whole=completion({"content": ""}, "insufficient_system_resource", usage=USAGE),
    ),
    StreamCase(
        kind="moonshot",
        name="usage in the choice",
        stream=data(
            chunk({"role": "assistant", "content": ""}, id="m1", model="kimi-k3.1-pro"),
            chunk({"reasoning_content": "90 < p"}),
            chunk({"content": "97"}, id="m1", model="kimi-k3.1-pro"),
            chunk({}, "stop", choice={"usage": MOONSHOT_200["usage"]}, id="m1", model="kimi-k3.1-pro"),
        )
        + DONE,
        whole=raw(MOONSHOT_200),
    ),
    StreamCase(
        kind="anthropic",
        name="example",
        stream=recorded("anthropic.stream.200"),
        whole=_without_thinking_counted("anthropic.200"),
    ),
    StreamCase(
        kind="anthropic",
        name="thoughts and tools",
        stream=named(
            STARTED,
            begun(0, type="thinking", thinking="", signature=""),
            grown(0, type="thinking_delta", thinking="hm"),
            grown(0, type="signature_delta", signature="c2ln"),
            ended(0),
            begun(1, type="text", text="Let "),
            grown(1, type="text_delta", text=ODD_TEXT),
            grown(1, type="citations_delta", citation={"cited_text": "x"}),
            ended(1),
            {"type": "content_block_surprise", "index": 9},
            begun(2, type="tool_use", id="t1", name="weather", input={}),
            grown(2, type="input_json_delta", partial_json=""),
            grown(2, type="input_json_delta", partial_json='{"city":'),
            grown(2, type="input_json_delta", partial_json='"서울"}'),
            ended(2),
            begun(3, type="server_tool_use", id="s1", name="web_search", input={}),
            grown(3, type="input_json_delta", partial_json='{"query":"x"}'),
            ended(3),
            begun(4, type="tool_use", id="t2", name="now", input={}),
            ended(4),
            stopped("tool_use"),
            STOPPED,
        ),
        whole=message(
            [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "text", "text": "Let " + ODD_TEXT},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "서울"}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
                {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
            ],
            "tool_use",
        ),
    ),
    StreamCase(
        kind="anthropic",
        name="refusal",
        stream=named(STARTED, stopped("refusal"), STOPPED),
        whole=message([], "refusal"),
    ),
    StreamCase(
        kind="anthropic",
        name="silence",
        stream=named(STARTED, begun(0, type="text", text=""), ended(0), stopped("end_turn"), STOPPED),
        whole=message([{"type": "text", "text": ""}], "end_turn"),
    ),
    StreamCase(kind="gemini", name="example", stream=recorded("gemini.stream.200"), whole=example("gemini.200")),
    StreamCase(
        kind="gemini",
        name="thoughts and tools",
        stream=data(
            content([{"text": "hm", "thought": True}]),
            content([{"text": ODD_TEXT}, {"functionCall": {"name": "weather", "args": {"city": "서울"}}}]),
            content([{"functionCall": {"id": "g1", "name": "now"}}]),
            content([{"functionCall": {"name": "now", "args": {}}}]),
            content([{"text": ""}], "STOP", usageMetadata={"promptTokenCount": 3}),
        ).replace(b"\n", b"\r\n"),
        whole=raw(
            content(
                [
                    {"text": ODD_TEXT},
                    {"functionCall": {"name": "weather", "args": {"city": "서울"}}},
                    {"functionCall": {"id": "g1", "name": "now"}},
                    {"functionCall": {"name": "now", "args": {}}},
                ],
                "STOP",
                usageMetadata={"promptTokenCount": 3},
            )
        ),
    ),
    StreamCase(
        kind="gemini",
        name="blocked prompt",
        stream=data(example_document("gemini.200.blocked")),
        whole=example("gemini.200.blocked"),
    ),
    StreamCase(
        kind="gemini",
        name="blocked answer",
        stream=data(content([], "SAFETY")),
        whole=raw(content([], "SAFETY")),
    ),
    StreamCase(kind="gemini", name="silence", stream=data(content([], "STOP")), whole=raw(content([], "STOP"))),
    StreamCase(kind="gemini", name="odd end", stream=data(content([], "OTHER")), whole=raw(content([], "OTHER"))),
    StreamCase(
        kind="gemini",
        name="restricted account",
        stream=data(content([], "ESCALATION")),
        whole=raw(content([], "ESCALATION")),
    ),
    StreamCase(
        kind="ollama",
        name="example",
        stream=lines(
            chat({"content": "9"}, model=OLLAMA_200["model"]),
            chat({"content": "7"}, model=OLLAMA_200["model"]),
            OLLAMA_200 | {"message": {"role": "assistant", "content": ""}},
        ),
        whole=raw(OLLAMA_200),
    ),
    StreamCase(
        kind="ollama",
        name="thoughts and tools",
        stream=lines(
            chat({"content": "", "thinking": "hm"}),
            chat({"content": ODD_TEXT}),
            chat({"content": "", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]}),
            chat({"content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "서울"}}}]}),
            chat({"content": ""}, **ENDING),
        ),
        whole=raw(
            chat(
                {
                    "content": ODD_TEXT,
                    "tool_calls": [
                        {"function": {"name": "now", "arguments": {}}},
                        {"function": {"name": "weather", "arguments": {"city": "서울"}}},
                    ],
                },
                **ENDING,
            )
        ),
    ),
    StreamCase(
        kind="ollama",
        name="silence",
        stream=lines(chat({"content": ""}, **ENDING)),
        whole=raw(chat({"content": ""}, **ENDING)),
    ),
)
BY_NAME = {f"{case.kind}: {case.name}": case for case in STREAMS}
