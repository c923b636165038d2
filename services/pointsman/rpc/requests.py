"""Requests, read and checked once: Protobuf in, domain values that cannot be wrong out; and on to the Executor."""

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from itertools import chain, islice
from typing import Final

from pointsman.config.settings import LimitsSettings
from pointsman.domain.errors import InvalidRequest, PromptTooLarge, Violation
from pointsman.domain.prompt import (
    Image,
    ImageUrl,
    Message,
    Options,
    Part,
    Prompt,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from pointsman.domain.verdict import DegradedReason, Verdict
from pointsman.rpc.check_options import category_violations, id_violations, label_violations, options_violations
from pointsman.rpc.check_prompt import ambiguous, conversation_violations, text_violations
from pointsman.rpc.convert import (
    ROLES,
    degraded_to_pb,
    tool_call_from_pb,
    tool_call_to_pb,
    verdict_from_pb,
    write_duration,
)
from pointsman.v1 import executor_pb2, router_pb2
from pointsman.v1 import types_pb2 as pb

RouterRequest = router_pb2.RouteRequest | router_pb2.StreamRouteRequest | router_pb2.ExplainRequest

_NO_OPTIONS: Final = Options()

_MAX_VIOLATIONS: Final = 20
"""More of them help nobody, and the details of a status are small."""


def prompt_from_pb(request_pb: RouterRequest, limits: LimitsSettings, categories: Collection[str]) -> Prompt:
    """Return the prompt of a request that is right as a whole: `options.category` is empty or one of `categories`.

    Raises InvalidRequest with one violation a field, PromptTooLarge when the first of them is the size of the text.
    """
    named = request_pb.options.category
    _refuse(
        *_violations(request_pb, limits),
        category_violations(named, categories, "options.category") if named else (),
    )
    return _prompt(request_pb)


def execute_request_from_pb(
    request_pb: executor_pb2.ExecuteRequest, limits: LimitsSettings, categories: Collection[str]
) -> tuple[Request, str, Verdict | None]:
    """Return the request, the category whose pool to use, and the verdict behind it, None when there was none.

    Raises as `prompt_from_pb` does; the category is required here.
    """
    _refuse(
        *_violations(request_pb, limits),
        category_violations(request_pb.category, categories, "category"),
        id_violations(request_pb.caller, "caller"),
    )
    verdict = None
    if request_pb.HasField("verdict"):
        verdict = verdict_from_pb(request_pb.verdict, request_pb.degraded_reasons)
    return _request(request_pb), request_pb.category, verdict


def write_execute_request(
    asked_pb: executor_pb2.ExecuteRequest,
    request_pb: RouterRequest,
    prompt: Prompt,
    *,
    request_id: str,
    caller: str,
    verdict_pb: pb.Verdict,
    degraded: Collection[DegradedReason] = (),
    classify_s: float | None = None,
) -> None:
    """Write into an empty message what the Executor is asked: what the caller sent, and what was found out about it.

    `prompt` was read from the request. `classify_s` is how long the verdict was waited for, None for not at all.
    Conversations are written where they shall stand: a message that is handed to another one is serialized and parsed
    again, once a level, which for 10 MB of images took 33 ms and 36 MB instead of 1.4 ms and 10 MB (protobuf 7.36,
    2026-11).
    """
    asked_pb.text = request_pb.text
    if request_pb.messages:
        for message in prompt.messages:
            _write_message(asked_pb.messages.add(), message)
    asked_pb.category = verdict_pb.category
    if request_pb.HasField("options"):
        asked_pb.options.CopyFrom(request_pb.options)
    asked_pb.request_id = request_id
    if session_id := request_pb.session_id:
        asked_pb.session_id = session_id
    if labels := request_pb.labels:
        asked_pb.labels.update(labels)
    asked_pb.verdict.CopyFrom(verdict_pb)
    if degraded:
        asked_pb.degraded_reasons.extend(degraded_to_pb(degraded))
    if classify_s is not None:
        write_duration(asked_pb.classify_duration, classify_s)
    if caller:
        asked_pb.caller = caller


def _write_message(message_pb: pb.Message, message: Message) -> None:
    message_pb.role = ROLES.to_pb(message.role)
    for part in message.parts:
        _write_part(message_pb.parts.add(), part)


def options_to_pb(options: Options) -> pb.Options:
    """Return the options as a message."""
    return pb.Options(
        category=options.category,
        max_output_tokens=options.max_output_tokens,
        temperature=options.temperature,
        stop=options.stop,
        json_schema=options.json_schema,
        tools=[
            pb.Tool(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters_json_schema)
            for tool in options.tools
        ],
        local_only=options.local_only,
        max_cost_usd=None if options.max_cost_usd is None else float(options.max_cost_usd),
        max_attempts=options.max_attempts,
    )


def options_from_pb(options_pb: pb.Options) -> Options:
    """Return the options, unchecked."""
    has, tools = options_pb.HasField, options_pb.tools
    return Options(
        category=options_pb.category,
        max_output_tokens=options_pb.max_output_tokens if has("max_output_tokens") else None,
        temperature=options_pb.temperature if has("temperature") else None,
        stop=tuple(options_pb.stop),
        json_schema=options_pb.json_schema,
        tools=tuple([_tool_from_pb(tool) for tool in tools]) if tools else (),
        local_only=options_pb.local_only,
        max_cost_usd=Decimal(repr(options_pb.max_cost_usd)) if has("max_cost_usd") else None,
        max_attempts=options_pb.max_attempts if has("max_attempts") else None,
    )


def _tool_from_pb(tool: pb.Tool) -> Tool:
    return Tool(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters_json_schema)


def _refuse(*violations: Iterable[Violation]) -> None:
    """Raise when there is any; looking ends with as many as are told."""
    found = tuple(islice(chain.from_iterable(violations), _MAX_VIOLATIONS))
    if not found:
        return
    error = PromptTooLarge if found[0].reason == "PROMPT_TOO_LARGE" else InvalidRequest
    raise error(*found)


def _violations(
    request_pb: RouterRequest | executor_pb2.ExecuteRequest, limits: LimitsSettings
) -> Iterator[Iterable[Violation]]:
    """Yield what is wrong with a request, part by part."""
    yield _prompt_violations(request_pb, limits)
    if request_pb.HasField("options"):
        yield options_violations(request_pb.options)
    yield id_violations(request_pb.request_id, "request_id")
    yield id_violations(request_pb.session_id, "session_id")
    if labels := request_pb.labels:
        yield label_violations(labels)


def _prompt_violations(
    request_pb: RouterRequest | executor_pb2.ExecuteRequest, limits: LimitsSettings
) -> Iterable[Violation]:
    messages, text = request_pb.messages, request_pb.text
    if not messages:
        return text_violations(text, limits)
    return (ambiguous(),) if text else conversation_violations(messages, limits)


def _request(request_pb: executor_pb2.ExecuteRequest) -> Request:
    return Request(
        prompt=_prompt(request_pb),
        options=options_from_pb(request_pb.options) if request_pb.HasField("options") else _NO_OPTIONS,
        request_id=request_pb.request_id,
        session_id=request_pb.session_id,
        labels=tuple(sorted(request_pb.labels.items())) if request_pb.labels else (),
        caller=request_pb.caller,
    )


def _prompt(request_pb: RouterRequest | executor_pb2.ExecuteRequest) -> Prompt:
    if request_pb.messages:
        return Prompt(messages=tuple(_message_from_pb(message_pb) for message_pb in request_pb.messages))
    return Prompt(messages=(Message(role=Role.USER, parts=(Text(text=request_pb.text),)),))


def _message_from_pb(message_pb: pb.Message) -> Message:
    """Return a checked turn; its role is known and each part is set."""
    role = ROLES.from_pb(message_pb.role) or Role.USER
    return Message(role=role, parts=tuple(_part_from_pb(part_pb) for part_pb in message_pb.parts))


def _part_from_pb(part_pb: pb.Part) -> Part:
    match part_pb.WhichOneof("kind"):
        case "image":
            return Image(content=part_pb.image.data, mime_type=part_pb.image.mime_type)
        case "image_url":
            return ImageUrl(url=part_pb.image_url.url)
        case "tool_call":
            return tool_call_from_pb(part_pb.tool_call)
        case "tool_result":
            told = part_pb.tool_result
            return ToolResult(tool_call_id=told.tool_call_id, text=told.text, is_error=told.is_error)
        case _:
            return Text(text=part_pb.text)


def _write_part(part_pb: pb.Part, part: Part) -> None:
    match part:
        case Text(text=text):
            part_pb.text = text
        case Image(content=content, mime_type=mime_type):
            part_pb.image.data = content
            part_pb.image.mime_type = mime_type
        case ImageUrl(url=url):
            part_pb.image_url.url = url
        case ToolCall():
            part_pb.tool_call.CopyFrom(tool_call_to_pb(part))
        case ToolResult(tool_call_id=tool_call_id, text=text, is_error=is_error):
            part_pb.tool_result.tool_call_id = tool_call_id
            part_pb.tool_result.text = text
            part_pb.tool_result.is_error = is_error
