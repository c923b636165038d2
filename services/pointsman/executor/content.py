"""What a span holds of a prompt and of an answer, where the settings ask for it: GenAI messages as JSON, cut in bytes.

Nothing here runs unless `telemetry.content_bytes` is set. Bytes of images never leave by this way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from pointsman.domain.answer import Answer, Delta
from pointsman.domain.prompt import Image, ImageUrl, Part, Prompt, Text, ToolCall, ToolResult
from pointsman.telemetry.masks import masked_text

Told = Mapping[str, object]
"""A part of a message, in the words of the GenAI conventions (`gen_ai.input.messages`, 2026-11)."""


def input_messages(prompt: Prompt, most_bytes: int) -> str:
    """Return the messages of a prompt; the last ones first get the room of `most_bytes`, what has none is left out."""
    told: list[Told] = []
    room = most_bytes
    for message in reversed(prompt.messages):
        if room <= 0:
            break
        parts = _cut(map(_part, message.parts), room)
        told.append({"role": message.role.value, "parts": parts})
        room -= len(orjson.dumps(parts))
    return _json(told[::-1])


def output_messages(answer: Answer, text: str, most_bytes: int) -> str:
    """Return the one message of an answer, whose text may have been handed on before: then `text` is what came."""
    parts: list[Told] = [{"type": "text", "content": answer.text or text}, *map(_part, answer.tool_calls)]
    return _json([{"role": "assistant", "parts": _cut(parts, most_bytes), "finish_reason": answer.finish_reason.value}])


@dataclass(slots=True)
class Overheard:
    """The beginning of a streamed text, about `most_bytes` of it."""

    most_bytes: int
    _texts: list[str] = field(default_factory=list)
    _room: int = field(init=False)

    def __post_init__(self) -> None:
        self._room = self.most_bytes

    def take(self, delta: Delta) -> None:
        """Keep a delta's text while there is room."""
        if self._room > 0 and delta.text:
            self._texts.append(delta.text)
            self._room -= len(delta.text)

    @property
    def text(self) -> str:
        """What was kept."""
        return "".join(self._texts)


def _part(part: Part) -> Told:
    match part:
        case Text(text=text):
            return {"type": "text", "content": text}
        case Image(mime_type=mime_type):
            return {"type": "blob", "modality": "image", "mime_type": mime_type, "content": ""}
        case ImageUrl(url=url):
            return {"type": "uri", "modality": "image", "uri": url}
        case ToolCall(id=id_, name=name, arguments_json=arguments):
            return {"type": "tool_call", "id": id_, "name": name, "arguments": arguments}
        case ToolResult(tool_call_id=id_, text=text):
            return {"type": "tool_call_response", "id": id_, "response": text}


def _cut(parts: Iterable[Told], room: int) -> list[Told]:
    """Return the parts that have room; the texts of the last of them are cut to what is left."""
    kept: list[Told] = []
    for part in parts:
        if room <= 0:
            break
        short = {name: _shortened(text, room) for name, text in part.items()}
        kept.append(short)
        room -= len(orjson.dumps(short))
    return kept


def _shortened(text: object, room: int) -> object:
    if not isinstance(text, str):
        return text
    shown = masked_text(text)
    encoded = shown.encode(errors="replace")
    return encoded[:room].decode(errors="ignore") if len(encoded) > room else encoded.decode()


def _json(messages: list[Told]) -> str:
    return orjson.dumps(messages).decode()
