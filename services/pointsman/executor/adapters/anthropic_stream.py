"""A streamed message: blocks that begin, grow and end, between `message_start` and `message_stop`."""

from dataclasses import dataclass
from typing import Any

from pointsman.domain.answer import Delta, ToolCallDelta, Usage
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.anthropic_answer import finish_reason, usage, withheld
from pointsman.executor.adapters.base import Call, Reply

Json = dict[str, Any]


@dataclass(slots=True)
class _Begun:
    """A tool call under way; `index` counts tool calls, not blocks."""

    index: int
    has_arguments: bool = False


class MessageFold:
    """What the events say. Thoughts, signatures, citations and pings add nothing; unknown events are passed over."""

    def __init__(self) -> None:
        self.model = ""
        self.id = ""
        self.usage: Usage | None = None
        self.is_over = False
        self._counted: Json = {}
        self._stop = ""
        self._has_started = False
        self._has_text = False
        self._calls = 0
        self._latest: dict[int, _Begun] = {}
        """The last call that began at each place."""

    def take(self, document: Json) -> Delta:
        match document.get("type"):
            case "message_start":
                self._has_started = True
                self.model, self.id = shape.text(document, "message", "model"), shape.text(document, "message", "id")
                self._count(shape.at(document, "message", "usage"))
            case "content_block_start":
                return self._begin(shape.count(document, "index"), shape.at(document, "content_block"))
            case "content_block_delta":
                return self._grow(shape.count(document, "index"), shape.at(document, "delta"))
            case "content_block_stop":
                return self._finish(shape.count(document, "index"))
            case "message_delta":
                self._stop = shape.text(document, "delta", "stop_reason") or self._stop
                self._count(shape.at(document, "usage"))
            case "message_stop":
                self.is_over = True
        return Delta()

    def reply(self, call: Call) -> Reply | None:
        if not (self.is_over and self._has_started):
            return None
        held_back = withheld(self._stop, self.usage)
        if held_back is not None:
            return held_back
        is_empty = not (self._has_text or self._calls)
        return replies.streamed(call, finish_reason(self._stop), self.usage, is_empty=is_empty)

    def _count(self, counted: object) -> None:
        """Take a count over what was counted before: totals, not additions."""
        if isinstance(counted, dict):
            self._counted |= {name: number for name, number in counted.items() if number is not None}
            self.usage = usage({"usage": self._counted})

    def _begin(self, place: int, block: object) -> Delta:
        match shape.text(block, "type"):
            case "text":
                return self._text(shape.text(block, "text"))
            case "tool_use":
                call = self._latest[place] = _Begun(self._calls)
                self._calls += 1
                named = ToolCallDelta(index=call.index, id=shape.text(block, "id"), name=shape.text(block, "name"))
                return Delta(tool_calls=(named,))
            case _:
                return Delta()

    def _grow(self, place: int, delta: object) -> Delta:
        call = self._latest.get(place)
        match shape.text(delta, "type"):
            case "text_delta":
                return self._text(shape.text(delta, "text"))
            case "input_json_delta" if call is not None:
                return self._arguments(call, shape.text(delta, "partial_json"))
            case _:
                return Delta()

    def _finish(self, place: int) -> Delta:
        """Return the arguments of a tool call that was given none, since nothing is no JSON."""
        call = self._latest.get(place)
        return Delta() if call is None or call.has_arguments else self._arguments(call, "{}")

    def _text(self, text: str) -> Delta:
        self._has_text = self._has_text or bool(text)
        return Delta(text=text)

    def _arguments(self, call: _Begun, piece: str) -> Delta:
        if not piece:
            return Delta()
        call.has_arguments = True
        return Delta(tool_calls=(ToolCallDelta(index=call.index, arguments_json=piece),))
