"""What a caller asks: the conversation and the options beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final

from pointsman.domain.frozen import frozen


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@frozen
class Text:
    """Plain text."""

    text: str


@frozen
class Image:
    """An image by value: the encoded bytes and the MIME type that they really have."""

    content: bytes = field(repr=False)
    mime_type: str


@frozen
class ImageUrl:
    """An image that the provider fetches by itself; Pointsman never does."""

    url: str


@frozen
class ToolCall:
    """A model's wish to have a tool run; `arguments_json` is a JSON object as text."""

    id: str
    name: str
    arguments_json: str


@frozen
class ToolResult:
    """What the caller's tool gave back for the ToolCall of that id."""

    tool_call_id: str
    text: str
    is_error: bool = False


Part = Text | Image | ImageUrl | ToolCall | ToolResult

_IMAGES: Final = (Image, ImageUrl)


@frozen
class Message:
    """One turn; has at least one part."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, one a line."""
        return "\n".join([part.text for part in self.parts if isinstance(part, Text)])


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A conversation, oldest turn first; has at least one message, and the last one is the user's or a tool's.

    Without slots, because each candidate asks anew what is worked out once here.
    """

    messages: tuple[Message, ...]

    @property
    def parts(self) -> Iterator[Part]:
        """Every part of every message, in order."""
        return (part for message in self.messages for part in message.parts)

    @property
    def has_image(self) -> bool:
        """True when an image is attached or linked."""
        return self.image_count > 0

    @property
    def has_image_url(self) -> bool:
        """True when an image is linked and not attached."""
        return self.image_count > 0 and any(isinstance(part, ImageUrl) for part in self.parts)

    @cached_property
    def image_count(self) -> int:
        """Number of images, attached or linked."""
        return sum([isinstance(part, _IMAGES) for message in self.messages for part in message.parts])

    @cached_property
    def text_bytes(self) -> int:
        """Size in UTF-8 bytes of everything that is text, tool calls and results included."""
        return sum([_text_bytes(part) for message in self.messages for part in message.parts])

    @property
    def last_user_text(self) -> str:
        """The text of the last message of the user; empty when it holds none."""
        return next((m.text for m in reversed(self.messages) if m.role is Role.USER), "")


def utf8_bytes(text: str) -> int:
    """Return the size of a text in UTF-8; plain ASCII, which Python marks, is not encoded for it."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _text_bytes(part: Part) -> int:
    match part:
        case Text(text=text) | ToolResult(text=text):
            return utf8_bytes(text)
        case ToolCall(name=name, arguments_json=arguments):
            return utf8_bytes(name) + utf8_bytes(arguments)
        case _:
            return 0


@frozen
class Tool:
    """A tool that the model may ask for; an empty schema means that it takes no arguments."""

    name: str
    description: str = ""
    parameters_json_schema: str = ""


@frozen
class Options:
    """What is asked for beside the prompt. None and empty mean: not asked for."""

    category: str = ""
    max_output_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    json_schema: str = ""
    tools: tuple[Tool, ...] = ()
    local_only: bool = False
    max_cost_usd: Decimal | None = None
    max_attempts: int | None = None


@frozen
class Request:
    """One request as the caller made it, checked. `caller` is whose key came with it; empty where nobody is asked."""

    prompt: Prompt
    options: Options = field(default_factory=Options)
    request_id: str = ""
    session_id: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    caller: str = ""
