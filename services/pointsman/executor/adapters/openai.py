"""The wire format of OpenAI's Chat Completions, which DeepSeek and Moonshot speak too, each in its Dialect."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from pointsman.domain.prompt import Image, ImageUrl, Message, Role, Text, Tool, ToolCall, ToolResult
from pointsman.domain.secret import Key
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, HttpRequest, HttpResponse, Reply, StatedQuota, StreamReader
from pointsman.executor.adapters.openai_answer import read_completion
from pointsman.executor.adapters.openai_dialect import Dialect
from pointsman.executor.adapters.openai_errors import classify
from pointsman.executor.adapters.openai_stream import CompletionFold
from pointsman.executor.adapters.quota_headers import openai_quota
from pointsman.executor.adapters.sse import Events
from pointsman.executor.adapters.stream_reader import DocumentReader

Json = dict[str, Any]


_NO_THINKING: Final = frozenset({"disabled", "none"})
_REASONING_NOT_KEPT: Final = "(reasoning not kept)"


class OpenAI:
    """The wire format in one dialect, with the key of one account."""

    def __init__(self, dialect: Dialect, key: Key) -> None:
        self._dialect = dialect
        self._key = key

    def request(self, call: Call) -> HttpRequest:
        body = request_body(call, self._dialect)
        return HttpRequest(path="/chat/completions", headers=self._headers(), body=shape.encode(body))

    def read(self, call: Call, response: HttpResponse, now: datetime) -> Reply:
        document = shape.parse(response.body)
        if response.is_success and not shape.at(document, "error"):
            reply = read_completion(call, document)
        else:
            reply = classify(response, document, now, self._dialect.errors)
        model, id_ = shape.text(document, "model"), shape.text(document, "id")
        return self.stamp(call, response, reply, now, model=model, id_=id_)

    def stream_request(self, call: Call) -> HttpRequest:
        body = request_body(call, self._dialect) | {"stream": True, "stream_options": {"include_usage": True}}
        return HttpRequest(path="/chat/completions", headers=self._headers(), body=shape.encode(body))

    def reader(self, call: Call, response: HttpResponse) -> StreamReader:
        return DocumentReader(self, call, response, Events(), CompletionFold(), terminal=b"[DONE]")

    def stamp(self, call: Call, response: HttpResponse, reply: Reply, now: datetime, *, model: str, id_: str) -> Reply:
        """Return the reply with its names, what the headers state and the options that were not sent."""
        return replies.stamped(
            reply,
            response,
            model=model,
            id_=response.headers.get("x-request-id") or id_,
            stated=self._stated(response, now),
            ignored=ignored_options(call, self._dialect),
        )

    def probe_requests(self, model: str) -> tuple[HttpRequest, ...]:  # noqa: ARG002 - the port's
        paths = ("/models", self._dialect.balance_path)
        return tuple(HttpRequest(path=path, headers=self._headers()) for path in paths if path)

    def read_probe(self, model: str, response: HttpResponse, now: datetime) -> Reply:
        document = shape.parse(response.body)
        if not response.is_success or not isinstance(document, dict) or shape.at(document, "error"):
            return classify(response, document, now, self._dialect.errors)
        if self._dialect.is_broke(document):
            return Reply(outcome=Outcome.BILLING, detail="The account has no money left.")
        if "data" in document and isinstance(document["data"], list):
            return replies.listed(model, (shape.text(entry, "id") for entry in shape.objects(document, "data")))
        return Reply(outcome=Outcome.ANSWERED)

    def _stated(self, response: HttpResponse, now: datetime) -> tuple[StatedQuota, ...]:
        return openai_quota(response.headers, now) if self._dialect.states_quota else ()

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return ("authorization", f"Bearer {self._key.reveal()}"), ("content-type", "application/json")


def request_body(call: Call, dialect: Dialect) -> Json:
    """Return the body of a chat completion. Raises Unsendable."""
    candidate, options = call.candidate, call.request.options
    body: Json = {
        "model": candidate.model.id,
        "messages": [entry for message in call.request.prompt.messages for entry in _messages(message, dialect)],
        dialect.output_limit_field: call.max_output_tokens,
    }
    body |= _effort(candidate.effort, dialect)
    if options.temperature is not None and candidate.model.accepts_temperature:
        body["temperature"] = options.temperature
    if options.stop and candidate.model.accepts_stop:
        body["stop"] = list(options.stop)
    if options.tools:
        body["tools"] = [_tool(tool) for tool in options.tools]
    if options.json_schema and dialect.follows_json_schema:
        body["response_format"] = _response_format(options.json_schema)
    body["stream"] = False
    return body


def ignored_options(call: Call, dialect: Dialect) -> tuple[str, ...]:
    """Return the names of options that were asked for and not sent."""
    schema_stays = bool(call.request.options.json_schema) and not dialect.follows_json_schema
    return replies.ignored_options(call) + (("json_schema",) if schema_stays else ())


def _effort(effort: str, dialect: Dialect) -> Json:
    if not effort:
        return {}
    if dialect.has_thinking_switch and effort in _NO_THINKING:
        return {"thinking": {"type": "disabled"}}
    return {"reasoning_effort": effort}


def _messages(message: Message, dialect: Dialect) -> list[Json]:
    match message.role:
        case Role.SYSTEM:
            return [{"role": dialect.system_role, "content": message.text}]
        case Role.ASSISTANT:
            return [_assistant(message, dialect)]
        case Role.USER | Role.TOOL:
            results: list[Json] = [
                {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.text}
                for part in message.parts
                if isinstance(part, ToolResult)
            ]
            said = [{"role": "user", "content": _content(message)}] if len(results) < len(message.parts) else []
            return results + said


def _assistant(message: Message, dialect: Dialect) -> Json:
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if not calls:
        return {"role": "assistant", "content": message.text}
    functions = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json or "{}"}}
        for call in calls
    ]
    turn: Json = {"role": "assistant", "content": message.text or None, "tool_calls": functions}
    # Reasoning is not part of a conversation here; both providers take any text in its place (reports, 2026-10).
    return turn | ({"reasoning_content": _REASONING_NOT_KEPT} if dialect.wants_reasoning_back else {})


def _content(message: Message) -> str | list[Json]:
    """Return plain text where there is no image: older Moonshot models refuse lists."""
    if not any(isinstance(part, Image | ImageUrl) for part in message.parts):
        return message.text
    return [entry for part in message.parts for entry in _part(part)]


def _part(part: object) -> Iterator[Json]:
    match part:
        case Text(text=text):
            yield {"type": "text", "text": text}
        case Image(content=content, mime_type=mime_type):
            url = shape.in_base64(content, f"data:{mime_type};base64,")
            yield {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}
        case ImageUrl(url=url):
            yield {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}
        case _:
            return


def _tool(tool: Tool) -> Json:
    schema = tool.parameters_json_schema
    parameters = (
        shape.decode_object(schema, f"The schema of tool {tool.name}")
        if schema
        else {"type": "object", "properties": {}}
    )
    function: Json = {"name": tool.name, "parameters": parameters}
    return {"type": "function", "function": function | ({"description": tool.description} if tool.description else {})}


def _response_format(json_schema: str) -> Json:
    schema = shape.decode_object(json_schema, "json_schema")
    named = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
    return {"type": "json_schema", "json_schema": named}


def _is_strict(schema: Json) -> bool:
    """Return whether strict mode takes the schema: every object in it closed, and all properties required."""
    pending: list[object] = [schema]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            if not _is_closed(part):
                return False
            pending.extend(part.values())
    return True


def _is_closed(schema: Json) -> bool:
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, dict):
        return schema.get("type") != "object"
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    return schema.get("additionalProperties") is False and set(names) == set(properties)
