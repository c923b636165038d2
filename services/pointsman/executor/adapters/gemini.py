"""The wire format of Gemini's generateContent, with an AI Studio key."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from pointsman.domain.prompt import Image, ImageUrl, Message, Part, Prompt, Role, Text, Tool, ToolCall, ToolResult
from pointsman.domain.secret import Key
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, HttpRequest, HttpResponse, Reply, StreamReader
from pointsman.executor.adapters.gemini_answer import read_content
from pointsman.executor.adapters.gemini_errors import classify
from pointsman.executor.adapters.gemini_stream import ContentFold
from pointsman.executor.adapters.sse import Events
from pointsman.executor.adapters.stream_reader import DocumentReader

Json = dict[str, Any]

API_VERSION: Final = "v1beta"
"""The version that is called when the settings name none: recorded with every field used here (2026-08)."""

_ANY_SIGNATURE: Final = "skip_thought_signature_validator"
"""Stands for the signature of a thought that is not kept here; Gemini 3 refuses calls without one (docs, 2025-12)."""

_MIME_TYPES: Final = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "webp": "webp"}


class Gemini:
    """The wire format, with the key of one project."""

    def __init__(self, key: Key, *, api_version: str = "") -> None:
        self._key = key
        self._root = f"/{api_version or API_VERSION}/models"

    def request(self, call: Call) -> HttpRequest:
        return self._post(call, "generateContent")

    def read(self, call: Call, response: HttpResponse, now: datetime) -> Reply:
        document = shape.unwrap(shape.parse(response.body))
        if response.is_success and not shape.at(document, "error"):
            reply = read_content(call, document)
        else:
            reply = classify(response, document, now)
        id_ = shape.text(document, "responseId")
        return self.stamp(call, response, reply, now, model=shape.text(document, "modelVersion"), id_=id_)

    def stream_request(self, call: Call) -> HttpRequest:
        return self._post(call, "streamGenerateContent?alt=sse")

    def reader(self, call: Call, response: HttpResponse) -> StreamReader:
        return DocumentReader(self, call, response, Events(), ContentFold())

    def stamp(
        self,
        call: Call,
        response: HttpResponse,
        reply: Reply,
        now: datetime,  # noqa: ARG002 - the port's
        *,
        model: str,
        id_: str,
    ) -> Reply:
        """Return the reply with its names and the options that were not sent; the headers state nothing."""
        return replies.stamped(reply, response, model=model, id_=id_, ignored=replies.ignored_options(call))

    def probe_requests(self, model: str) -> tuple[HttpRequest, ...]:  # noqa: ARG002 - the port's
        return (HttpRequest(path=f"{self._root}?pageSize=1000", headers=self._headers()),)

    def read_probe(self, model: str, response: HttpResponse, now: datetime) -> Reply:
        document = shape.unwrap(shape.parse(response.body))
        if not response.is_success or not isinstance(document, dict) or shape.at(document, "error"):
            return classify(response, document, now)
        names = (shape.text(entry, "name") for entry in shape.objects(document, "models"))
        return replies.listed(model, (name.removeprefix("models/") for name in names))

    def _post(self, call: Call, method: str) -> HttpRequest:
        path = f"{self._root}/{quote(call.candidate.model.id, safe='')}:{method}"
        return HttpRequest(path=path, headers=self._headers(), body=shape.encode(request_body(call)))

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return ("x-goog-api-key", self._key.reveal()), ("content-type", "application/json")


def request_body(call: Call) -> Json:
    """Return the body of a generateContent request. Raises Unsendable."""
    prompt, options = call.request.prompt, call.request.options
    body: Json = {}
    system = [{"text": message.text} for message in prompt.messages if message.role is Role.SYSTEM]
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = _contents(prompt)
    body["generationConfig"] = _generation_config(call)
    if options.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in options.tools]}]
    return body


def _generation_config(call: Call) -> Json:
    model, options, effort = call.candidate.model, call.request.options, call.candidate.effort
    config: Json = {"maxOutputTokens": call.max_output_tokens}
    if options.stop and model.accepts_stop:
        config["stopSequences"] = list(options.stop)
    if options.temperature is not None and model.accepts_temperature:
        config["temperature"] = options.temperature
    if options.json_schema:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = shape.decode_object(options.json_schema, "json_schema")
    if effort:  # a number is a budget of tokens, which only the 2.5 generation takes
        config["thinkingConfig"] = {"thinkingBudget": int(effort)} if effort.isdecimal() else {"thinkingLevel": effort}
    return config


def _contents(prompt: Prompt) -> list[Json]:
    """Return the turns; neighbours of one side become one, since all results of tools must stand in one turn."""
    names = {p.id: p.name for message in prompt.messages for p in message.parts if isinstance(p, ToolCall)}
    contents: list[Json] = []
    for message in prompt.messages:
        if message.role is Role.SYSTEM:
            continue
        role = "model" if message.role is Role.ASSISTANT else "user"
        parts = list(_parts(message, names))
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"].extend(parts)
        else:
            contents.append({"role": role, "parts": parts})
    return contents


def _parts(message: Message, names: dict[str, str]) -> Iterator[Json]:
    is_signed = False
    for part in message.parts:
        entry = _part(part, names)
        if isinstance(part, ToolCall) and not is_signed:
            entry["thoughtSignature"] = _ANY_SIGNATURE  # the first call of a step carries it for all of them
            is_signed = True
        yield entry


def _part(part: Part, names: dict[str, str]) -> Json:
    match part:
        case Text(text=text):
            return {"text": text}
        case Image(content=content, mime_type=mime_type):
            return {"inlineData": {"mimeType": mime_type, "data": shape.in_base64(content)}}
        case ImageUrl(url=url):
            return {"fileData": _mime_type(url) | {"fileUri": url}}
        case ToolCall(name=name, arguments_json=arguments):
            given = shape.decode_object(arguments or "{}", f"The arguments of tool call {name}")
            return {"functionCall": {"name": name, "args": given}}
        case ToolResult(tool_call_id=id_, text=text, is_error=is_error):
            response = {"error" if is_error else "output": text}
            return {"functionResponse": {"name": names.get(id_, id_), "response": response}}


def _mime_type(url: str) -> Json:
    """Return the MIME type that the name in the URL suggests; nothing where it does not, since it may be left out."""
    kind = _MIME_TYPES.get(urlsplit(url).path.rpartition(".")[2].lower())
    return {"mimeType": f"image/{kind}"} if kind else {}


def _declaration(tool: Tool) -> Json:
    schema = tool.parameters_json_schema
    named: Json = {"name": tool.name} | ({"description": tool.description} if tool.description else {})
    if not schema:
        return named
    return named | {"parametersJsonSchema": shape.decode_object(schema, f"The schema of tool {tool.name}")}
