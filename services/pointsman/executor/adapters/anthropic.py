"""The wire format of Anthropic's Messages API."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from pointsman.domain.prompt import Image, ImageUrl, Message, Part, Prompt, Role, Text, Tool, ToolCall, ToolResult
from pointsman.domain.secret import Key
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.anthropic_answer import read_message
from pointsman.executor.adapters.anthropic_errors import classify
from pointsman.executor.adapters.anthropic_stream import MessageFold
from pointsman.executor.adapters.base import Call, HttpRequest, HttpResponse, Reply, StreamReader
from pointsman.executor.adapters.quota_headers import anthropic_quota
from pointsman.executor.adapters.sse import Events
from pointsman.executor.adapters.stream_reader import DocumentReader

Json = dict[str, Any]

API_VERSION: Final = "2026-10-21"
"""The version that is sent when the settings name none. It refuses sampling parameters (docs, 2026-11)."""

_NO_THINKING: Final = frozenset({"disabled", "none"})


class Anthropic:
    """The wire format, with the key of one account."""

    def __init__(self, key: Key, *, api_version: str = "") -> None:
        self._key = key
        self._api_version = api_version or API_VERSION

    def request(self, call: Call) -> HttpRequest:
        return HttpRequest(path="/v1/messages", headers=self._headers(), body=shape.encode(request_body(call)))

    def read(self, call: Call, response: HttpResponse, now: datetime) -> Reply:
        document = shape.parse(response.body)
        if response.is_success and not shape.at(document, "error"):
            reply = read_message(call, document)
        else:
            reply = classify(response, document, now)
        id_ = shape.text(document, "request_id") or shape.text(document, "id")
        return self.stamp(call, response, reply, now, model=shape.text(document, "model"), id_=id_)

    def stream_request(self, call: Call) -> HttpRequest:
        body = request_body(call) | {"stream": True}
        return HttpRequest(path="/v1/messages", headers=self._headers(), body=shape.encode(body))

    def reader(self, call: Call, response: HttpResponse) -> StreamReader:
        return DocumentReader(self, call, response, Events(), MessageFold())

    def stamp(self, call: Call, response: HttpResponse, reply: Reply, now: datetime, *, model: str, id_: str) -> Reply:
        """Return the reply with its names, what the headers state and the options that were not sent."""
        return replies.stamped(
            reply,
            response,
            model=model,
            id_=response.headers.get("request-id") or id_,
            stated=anthropic_quota(response.headers, now),
            ignored=replies.ignored_options(call),
        )

    def probe_requests(self, model: str) -> tuple[HttpRequest, ...]:  # noqa: ARG002 - the port's
        return (HttpRequest(path="/v1/models?limit=1000", headers=self._headers()),)

    def read_probe(self, model: str, response: HttpResponse, now: datetime) -> Reply:
        document = shape.parse(response.body)
        if not response.is_success or not isinstance(document, dict) or shape.at(document, "error"):
            return classify(response, document, now)
        return replies.listed(model, (shape.text(entry, "id") for entry in shape.objects(document, "data")))

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("x-api-key", self._key.reveal()),
            ("anthropic-version", self._api_version),
            ("content-type", "application/json"),
        )


def request_body(call: Call) -> Json:
    """Return the body of a message request. Raises Unsendable."""
    candidate, options = call.candidate, call.request.options
    body: Json = {"model": candidate.model.id, "max_tokens": call.max_output_tokens}
    system = "\n\n".join(message.text for message in call.request.prompt.messages if message.role is Role.SYSTEM)
    if system:
        body["system"] = system
    body["messages"] = _turns(call.request.prompt)
    if options.stop and candidate.model.accepts_stop:
        body["stop_sequences"] = list(options.stop)
    if options.temperature is not None and candidate.model.accepts_temperature:
        body["temperature"] = options.temperature
    if options.tools:
        body["tools"] = [_tool(tool) for tool in options.tools]
    if candidate.effort in _NO_THINKING:
        body["thinking"] = {"type": "disabled"}
    output = _output_config(candidate.effort, options.json_schema)
    if output:
        body["output_config"] = output
    body["stream"] = False
    return body


def _output_config(effort: str, json_schema: str) -> Json:
    config: Json = {"effort": effort} if effort and effort not in _NO_THINKING else {}
    if json_schema:
        config["format"] = {"type": "json_schema", "schema": shape.decode_object(json_schema, "json_schema")}
    return config


def _turns(prompt: Prompt) -> list[Json]:
    """Return the turns; neighbours of one side become one, since all results of tools must stand in one turn."""
    turns: list[Json] = []
    for message in prompt.messages:
        if message.role is Role.SYSTEM:
            continue
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = _blocks(turns[-1]["content"]) + _blocks(_content(message))
        else:
            turns.append({"role": role, "content": _content(message)})
    return turns


def _content(message: Message) -> str | list[Json]:
    if all(isinstance(part, Text) for part in message.parts):
        return message.text
    return [block for part in message.parts for block in _block(part)]


def _blocks(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(part: Part) -> Iterator[Json]:
    match part:
        case Text(text=text) if text:
            yield {"type": "text", "text": text}
        case Image(content=content, mime_type=mime_type):
            source = {"type": "base64", "media_type": mime_type, "data": shape.in_base64(content)}
            yield {"type": "image", "source": source}
        case ImageUrl(url=url):
            yield {"type": "image", "source": {"type": "url", "url": url}}
        case ToolCall(id=id_, name=name, arguments_json=arguments):
            given = shape.decode_object(arguments or "{}", f"The arguments of tool call {name}")
            yield {"type": "tool_use", "id": id_, "name": name, "input": given}
        case ToolResult(tool_call_id=id_, text=text, is_error=is_error):
            result: Json = {"type": "tool_result", "tool_use_id": id_, "content": text}
            yield result | ({"is_error": True} if is_error else {})
        case _:
            return


def _tool(tool: Tool) -> Json:
    schema = tool.parameters_json_schema
    named: Json = {"name": tool.name} | ({"description": tool.description} if tool.description else {})
    parameters = shape.decode_object(schema, f"The schema of tool {tool.name}") if schema else {"type": "object"}
    return named | {"input_schema": parameters}
