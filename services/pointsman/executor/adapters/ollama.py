"""The wire format of Ollama's own chat API, for the fallback and for local candidates.

It is spoken over our own rim and not through the `ollama` package, which has no bound on the size of answers, follows
redirects, drops fields, cannot send `truncate` and `shift`, and raises AttributeError on some error bodies (0.6.3).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pointsman.domain.local_text import break_control_tokens
from pointsman.domain.prompt import Image, ImageUrl, Message, Prompt, Role, Tool, ToolCall, ToolResult
from pointsman.domain.secret import Key
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import errors, replies, shape
from pointsman.executor.adapters.base import Call, HttpRequest, HttpResponse, Reply, StreamReader, Unsendable
from pointsman.executor.adapters.errors import Complaint, Rule
from pointsman.executor.adapters.framing import JsonLines
from pointsman.executor.adapters.ollama_answer import read_chat
from pointsman.executor.adapters.ollama_stream import ChatFold
from pointsman.executor.adapters.quota_headers import retry_after_s
from pointsman.executor.adapters.stream_reader import DocumentReader

Json = dict[str, Any]

RULES: Final = (
    Rule(
        outcome=Outcome.CONTEXT_TOO_LONG,
        detail="The prompt is longer than num_ctx.",
        statuses=(400,),
        phrases=("longer than the context length", "exceeds the available context size", "exceeds the context length"),
    ),
    Rule(
        outcome=Outcome.FORBIDDEN,
        detail="Ollama refuses the Host header or the cloud; see OLLAMA_HOST and OLLAMA_NO_CLOUD.",
        statuses=(403,),
    ),
    Rule(outcome=Outcome.MODEL_NOT_FOUND, detail="Ollama does not have the model; pull it.", statuses=(404,)),
    Rule(outcome=Outcome.SERVER_ERROR, detail="Ollama could not load or run the model.", statuses=(500,)),
    Rule(outcome=Outcome.OVERLOADED, detail="Ollama's queue is full.", statuses=(503,)),
)

_FOR_EVER: Final = -1
"""As a number; the string "-1" is a 400."""

_NO_THINKING: Final = frozenset({"disabled", "none"})


class Ollama:
    """The wire format; the key is empty unless the server is behind something that wants one."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def request(self, call: Call) -> HttpRequest:
        return self._post(request_body(call))

    def read(self, call: Call, response: HttpResponse, now: datetime) -> Reply:
        document = shape.parse(response.body)
        if response.is_success and not shape.at(document, "error"):
            reply = read_chat(call, document)
        else:
            reply = _classify(response, document, now)
        return self.stamp(call, response, reply, now, model=shape.text(document, "model"), id_="")

    def stream_request(self, call: Call) -> HttpRequest:
        return self._post(request_body(call) | {"stream": True})

    def reader(self, call: Call, response: HttpResponse) -> StreamReader:
        return DocumentReader(self, call, response, JsonLines(), ChatFold())

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

    def probe_requests(self, model: str) -> tuple[HttpRequest, ...]:
        body = shape.encode({"model": model})
        return (HttpRequest(path="/api/show", headers=self._headers(), body=body),)

    def read_probe(self, model: str, response: HttpResponse, now: datetime) -> Reply:  # noqa: ARG002 - the port's
        document = shape.parse(response.body)
        if response.is_success and isinstance(document, dict) and not shape.at(document, "error"):
            return Reply(outcome=Outcome.ANSWERED)
        return _classify(response, document, now)

    def _post(self, body: Json) -> HttpRequest:
        # The text of the whole body at once, so that nothing that reaches the model is forgotten: in JSON, "<|" can
        # only stand inside a string.
        content = shape.encode(body)
        if b"<" in content:
            content = break_control_tokens(content.decode()).encode()
        return HttpRequest(path="/api/chat", headers=self._headers(), body=content)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        key = (("authorization", f"Bearer {self._key.reveal()}"),) if self._key else ()
        return (*key, ("content-type", "application/json"))


def request_body(call: Call) -> Json:
    """Return the body of a chat request, before control tokens are broken. Raises Unsendable.

    Everything that makes Ollama reload a model (`num_ctx`, `shift`) is the same in every call for a candidate.
    `truncate` and `shift` are off, since both cut prompts in silence.
    """
    candidate, options = call.candidate, call.request.options
    sampling: Json = {"num_ctx": candidate.model.context_tokens, "num_predict": call.max_output_tokens}
    if options.temperature is not None and candidate.model.accepts_temperature:
        sampling["temperature"] = options.temperature
    if options.stop and candidate.model.accepts_stop:
        sampling["stop"] = list(options.stop)
    body: Json = {
        "model": candidate.model.id,
        "messages": list(_messages(call.request.prompt)),
        "stream": False,
        "keep_alive": _FOR_EVER,
        "truncate": False,
        "shift": False,
        "options": sampling,
    }
    if candidate.effort:
        body["think"] = False if candidate.effort in _NO_THINKING else candidate.effort
    if options.json_schema:
        body["format"] = shape.decode_object(options.json_schema, "json_schema")
    if options.tools:
        body["tools"] = [_tool(tool) for tool in options.tools]
    return body


def _messages(prompt: Prompt) -> Iterator[Json]:
    names = {p.id: p.name for message in prompt.messages for p in message.parts if isinstance(p, ToolCall)}
    for message in prompt.messages:
        for part in message.parts:
            if isinstance(part, ImageUrl):
                raise Unsendable("Ollama fetches no images; attach the bytes.")
            if isinstance(part, ToolResult):
                name = names.get(part.tool_call_id, part.tool_call_id)
                yield {"role": "tool", "tool_name": name, "content": part.text}
        if not all(isinstance(part, ToolResult) for part in message.parts):
            yield _turn(message)


def _turn(message: Message) -> Json:
    role = Role.USER if message.role is Role.TOOL else message.role
    turn: Json = {"role": role.value, "content": message.text}
    images = [shape.in_base64(part.content) for part in message.parts if isinstance(part, Image)]
    if images:
        turn["images"] = images
    calls = [_function(part) for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        turn["tool_calls"] = calls
    return turn


def _function(call: ToolCall) -> Json:
    arguments = shape.decode_object(call.arguments_json or "{}", f"The arguments of tool call {call.name}")
    return {"function": {"name": call.name, "arguments": arguments}}


def _tool(tool: Tool) -> Json:
    schema = tool.parameters_json_schema
    parameters = (
        shape.decode_object(schema, f"The schema of tool {tool.name}")
        if schema
        else {"type": "object", "properties": {}}
    )
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _classify(response: HttpResponse, document: object, now: datetime) -> Reply:
    message = shape.text(document, "error") if isinstance(document, dict) else ""
    status = 500 if response.is_success else response.status
    said = errors.readable(message) or errors.readable_body(response.body)
    reply = errors.reply(errors.judge(Complaint(status=status, message=said), RULES))
    asked = retry_after_s(response.status, response.headers, now)
    return replace(reply, retry_after_s=errors.wait_s(reply.outcome, asked))
