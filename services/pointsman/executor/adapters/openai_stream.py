"""A streamed chat completion, in all dialects: `delta` adds to the message, `[DONE]` ends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pointsman.domain.answer import Delta, ToolCallDelta, Usage
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.adapters.openai_answer import REFUSED, finish_reason, usage, withheld

Json = dict[str, Any]


@dataclass(slots=True)
class _Begun:
    """A tool call under way; `index` counts from 0 in the order of appearance. `id` is empty where none was given."""

    index: int
    id: str
    has_arguments: bool = False


class CompletionFold:
    """What the chunks say. The usage may stand on the last choice or behind it, on a chunk without choices."""

    def __init__(self) -> None:
        self.model = ""
        self.id = ""
        self.usage: Usage | None = None
        self.is_over = False
        self._finish = ""
        self._has_choice = False
        self._has_text = False
        self._is_refused = False
        self._calls: list[_Begun] = []
        self._latest: dict[int, _Begun] = {}
        """The last call that began at each place."""

    def take(self, document: Json) -> Delta:
        # Called for every token, so what most chunks do not hold is not looked for along a path.
        self.model = self.model or shape.text(document, "model")
        self.id = self.id or shape.text(document, "id")
        choices = document.get("choices")
        choice = choices[0] if choices and isinstance(choices, list) else None
        if not isinstance(choice, dict):
            self.usage = usage(document) or self.usage
            return Delta()
        if document.get("usage") or choice.get("usage"):
            self.usage = usage(document) or self.usage
        self._has_choice = True
        finish, delta = choice.get("finish_reason"), choice.get("delta")
        self._finish = shape.string(finish) or self._finish if finish else self._finish
        if not isinstance(delta, dict):
            return Delta(tool_calls=tuple(self._tool_calls(choice))) if finish else Delta()
        text = shape.string(delta.get("content"))
        self._has_text = self._has_text or bool(text)
        if not finish and not delta.get("refusal") and "tool_calls" not in delta:
            return Delta(text=text)
        refusal = shape.string(delta.get("refusal"))
        self._is_refused = self._is_refused or bool(refusal)
        return Delta(text=text + refusal, tool_calls=tuple(self._tool_calls(choice)))

    def reply(self, call: Call) -> Reply | None:
        if not (self.is_over and self._has_choice):
            return None
        if self._is_refused:
            return replies.blocked(REFUSED, self.usage)
        held_back = withheld(self._finish, self.usage)
        if held_back is not None:
            return held_back
        reason = finish_reason(self._finish, has_calls=bool(self._calls))
        return replies.streamed(call, reason, self.usage, is_empty=not (self._has_text or self._calls))

    def _tool_calls(self, choice: Json) -> Iterator[ToolCallDelta]:
        for call in shape.objects(choice, "delta", "tool_calls"):
            place, name, id_ = shape.count(call, "index"), shape.text(call, "function", "name"), shape.text(call, "id")
            arguments = shape.text(call, "function", "arguments")
            begun = self._latest.get(place)
            # Some that speak this dialect give no index, or 0 to all: another id is another call.
            if name and (begun is None or (id_ and id_ != begun.id)):
                begun = self._latest[place] = _Begun(len(self._calls), id_, has_arguments=bool(arguments))
                self._calls.append(begun)
                yield ToolCallDelta(index=begun.index, id=id_, name=name, arguments_json=arguments)
            elif begun is not None and arguments:
                begun.has_arguments = True
                yield ToolCallDelta(index=begun.index, arguments_json=arguments)
        if shape.text(choice, "finish_reason"):
            yield from self._empty_arguments()

    def _empty_arguments(self) -> Iterator[ToolCallDelta]:
        """Yield the arguments of calls that were given none, since nothing is no JSON."""
        for begun in self._calls:
            if not begun.has_arguments:
                begun.has_arguments = True
                yield ToolCallDelta(index=begun.index, arguments_json="{}")
