"""What can be wrong with a prompt: its text, its turns and their parts. One violation a field, all of them at once."""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from pointsman.config.settings import LimitsSettings
from pointsman.domain import image
from pointsman.domain.errors import Violation
from pointsman.domain.prompt import Role, utf8_bytes
from pointsman.rpc.check_options import is_json_object, shown
from pointsman.rpc.convert import ROLES
from pointsman.v1 import types_pb2 as pb

MAX_MESSAGES: Final = 1_000
MAX_PARTS: Final = 4_000
MAX_URL_CHARACTERS: Final = 8_192

_PARTS_OF_ROLE: Final = {
    Role.SYSTEM: ("text",),
    Role.USER: ("text", "image", "image_url"),
    Role.ASSISTANT: ("text", "tool_call"),
    Role.TOOL: ("tool_result",),
}
"""What each role can say. Every provider refuses the rest, each in its own words."""


def text_violations(text: str, limits: LimitsSettings) -> tuple[Violation, ...]:
    """Return what is wrong with a prompt that is one text."""
    if not text or text.isspace():
        return (_empty("text"),)
    size_bytes = utf8_bytes(text)
    return (_too_large("text", size_bytes, limits),) if size_bytes > limits.text_bytes else ()


def ambiguous() -> Violation:
    """Return the violation of sending a text and messages at once."""
    return Violation(
        field="text", reason="PROMPT_AMBIGUOUS", message="text and messages are both set; send one of them"
    )


def conversation_violations(messages: Sequence[pb.Message], limits: LimitsSettings) -> Iterator[Violation]:
    """Yield what is wrong with a prompt that is a conversation of at least one message."""
    if len(messages) > MAX_MESSAGES:
        message = (
            f"{len(messages)} messages are too many; send at most {MAX_MESSAGES}, for example by dropping the oldest"
        )
        yield Violation(field="messages", reason="PROMPT_TOO_LARGE", message=message)
        return
    parts = sum(len(message_pb.parts) for message_pb in messages)
    if parts > MAX_PARTS:
        message = f"{parts} parts are too many; send at most {MAX_PARTS}, for example by joining neighbouring texts"
        yield Violation(field="messages", reason="PROMPT_TOO_LARGE", message=message)
        return
    if all(_is_blank(part) for message_pb in messages for part in message_pb.parts):
        yield _empty("messages")
        return
    for index, message_pb in enumerate(messages):
        yield from _message_violations(message_pb, f"messages[{index}]", limits)
    yield from _tool_result_violations(messages)
    yield from _last_violations(messages)
    yield from _sum_violations(messages, limits)


def _last_violations(messages: Sequence[pb.Message]) -> Iterator[Violation]:
    last, field = messages[-1], f"messages[{len(messages) - 1}]"
    if last.role in (pb.ROLE_SYSTEM, pb.ROLE_ASSISTANT):
        message = f"the last message is {pb.Role.Name(last.role)}'s; end with one of ROLE_USER or ROLE_TOOL"
        yield Violation(field=f"{field}.role", reason="LAST_ROLE_INVALID", message=message)
    elif last.role == pb.ROLE_USER and last.parts and all(_is_blank(part) for part in last.parts):
        yield _empty(f"{field}.parts")


def _is_blank(part: pb.Part) -> bool:
    return part.WhichOneof("kind") == "text" and not part.text.strip()


def _sum_violations(messages: Sequence[pb.Message], limits: LimitsSettings) -> Iterator[Violation]:
    parts = [part for message_pb in messages for part in message_pb.parts]
    size_bytes = sum(_text_bytes(part) for part in parts)
    if size_bytes > limits.text_bytes:
        yield _too_large("messages", size_bytes, limits)
    images = sum(part.WhichOneof("kind") in ("image", "image_url") for part in parts)
    if images > limits.images:
        message = f"{images} images are too many; send at most {limits.images} (limits.images)"
        yield Violation(field="messages", reason="IMAGES_TOO_MANY", message=message)


def _text_bytes(part: pb.Part) -> int:
    match part.WhichOneof("kind"):
        case "text":
            return utf8_bytes(part.text)
        case "tool_call":
            return utf8_bytes(part.tool_call.name) + utf8_bytes(part.tool_call.arguments_json)
        case "tool_result":
            return utf8_bytes(part.tool_result.text)
        case _:
            return 0


def _message_violations(message_pb: pb.Message, field: str, limits: LimitsSettings) -> Iterator[Violation]:
    role = ROLES.from_pb(message_pb.role)
    if role is None:
        message = f"role {message_pb.role} is not known; send ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL"
        yield Violation(field=f"{field}.role", reason="ROLE_UNKNOWN", message=message)
    texts = [part.text for part in message_pb.parts if part.WhichOneof("kind") == "text"]
    if not message_pb.parts or (len(texts) == len(message_pb.parts) and not any(texts)):
        message = "a message says nothing; give it a part that is not empty, or leave it out"
        yield Violation(field=f"{field}.parts", reason="MESSAGE_EMPTY", message=message)
    for index, part in enumerate(message_pb.parts):
        at = f"{field}.parts[{index}]"
        kind = part.WhichOneof("kind")
        if kind is None:
            message = "a part holds nothing; set text, image, image_url, tool_call or tool_result"
            yield Violation(field=at, reason="PART_EMPTY", message=message)
        elif role is not None and kind not in _PARTS_OF_ROLE[role]:
            message = (
                f"{pb.Role.Name(message_pb.role)} cannot say {kind}; it can say {' or '.join(_PARTS_OF_ROLE[role])}"
            )
            yield Violation(field=f"{at}.{kind}", reason="PART_MISPLACED", message=message)
        else:
            yield from _part_violations(part, f"{at}.{kind}", limits)


def _part_violations(part: pb.Part, field: str, limits: LimitsSettings) -> Iterator[Violation]:
    match part.WhichOneof("kind"):
        case "image":
            yield from _image_violations(part.image, field, limits)
        case "image_url":
            yield from _url_violations(part.image_url.url, f"{field}.url")
        case "tool_call":
            yield from _tool_call_violations(part.tool_call, field)


def _image_violations(image_pb: pb.ImageBytes, field: str, limits: LimitsSettings) -> Iterator[Violation]:
    content, mime_type = image_pb.data, image_pb.mime_type
    known = ", ".join(image.MIME_TYPES)
    if not content:
        message = "an image has no bytes; send the encoded image, or leave the part out"
        yield Violation(field=f"{field}.data", reason="IMAGE_EMPTY", message=message)
    elif len(content) > limits.image_bytes:
        message = (
            f"an image of {len(content)} bytes is too large; send at most {limits.image_bytes} (limits.image_bytes)"
        )
        yield Violation(field=f"{field}.data", reason="IMAGE_TOO_LARGE", message=message)
    elif mime_type not in image.MIME_TYPES:
        message = f"{shown(mime_type)} is no MIME type of an image here; send one of {known}"
        yield Violation(field=f"{field}.mime_type", reason="IMAGE_TYPE_UNKNOWN", message=message)
    elif (real := image.mime_type_of(content)) != mime_type:
        found = real or f"none of {known}"
        message = f"an image is said to be {mime_type}, and its bytes are {found}; send the type that they are"
        yield Violation(field=f"{field}.mime_type", reason="IMAGE_TYPE_WRONG", message=message)
    elif not image.is_whole(content, mime_type):
        message = f"an image of {len(content)} bytes has no end; send the whole file"
        yield Violation(field=f"{field}.data", reason="IMAGE_TRUNCATED", message=message)


def _url_violations(url: str, field: str) -> Iterator[Violation]:
    if len(url) > MAX_URL_CHARACTERS:
        message = f"an image URL of {len(url)} characters is too long; send at most {MAX_URL_CHARACTERS}, or bytes"
        yield Violation(field=field, reason="IMAGE_URL_INVALID", message=message)
    elif not _is_https(url):
        message = f"{shown(url)} is no https URL; send one, or the image's bytes"
        yield Violation(field=field, reason="IMAGE_URL_INVALID", message=message)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no IPv6 address
        return False
    return parts.scheme == "https" and bool(parts.hostname) and url.isprintable() and " " not in url


def _tool_call_violations(call: pb.ToolCall, field: str) -> Iterator[Violation]:
    if not call.id or not call.name:
        message = "a tool call has no id or no name; send it back as the model made it"
        yield Violation(field=field, reason="TOOL_CALL_INVALID", message=message)
    if not is_json_object(call.arguments_json):
        message = (
            f"the arguments {shown(call.arguments_json)} are not a JSON object; send them back as the model made them"
        )
        yield Violation(field=f"{field}.arguments_json", reason="TOOL_CALL_INVALID", message=message)


def _tool_result_violations(messages: Sequence[pb.Message]) -> Iterator[Violation]:
    called: set[str] = set()
    for index, message_pb in enumerate(messages):
        for number, part in enumerate(message_pb.parts):
            if part.HasField("tool_call"):
                called.add(part.tool_call.id)
            elif part.HasField("tool_result") and part.tool_result.tool_call_id not in called:
                called_as = shown(part.tool_result.tool_call_id)
                message = f"no earlier tool call has the id {called_as}; send the message with the call too"
                field = f"messages[{index}].parts[{number}].tool_result.tool_call_id"
                yield Violation(field=field, reason="TOOL_RESULT_INVALID", message=message)


def _empty(field: str) -> Violation:
    return Violation(
        field=field, reason="PROMPT_EMPTY", message="the prompt holds nothing but white space; say what you want"
    )


def _too_large(field: str, size_bytes: int, limits: LimitsSettings) -> Violation:
    message = f"the prompt's text has {size_bytes} bytes; send at most {limits.text_bytes} (limits.text_bytes)"
    return Violation(field=field, reason="PROMPT_TOO_LARGE", message=message)
