"""A streamed chat: every line has more of the message, the last one says that it is, and has the numbers."""

from dataclasses import replace
from typing import Any

from pointsman.domain.answer import Delta, FinishReason, Usage
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.adapters.ollama_answer import durations_s, finish_reason, is_last, said, tool_calls, usage


class ChatFold:
    """What the lines say. There is no id."""

    def __init__(self) -> None:
        self.model = ""
        self.id = ""
        self.usage: Usage | None = None
        self.is_over = False
        self._reason = FinishReason.INTERRUPTED
        self._durations_s: tuple[tuple[str, float], ...] = ()
        self._has_text = False
        self._calls = 0

    def take(self, document: dict[str, Any]) -> Delta:
        self.model = shape.text(document, "model") or self.model
        text, calls = said(document), tuple(tool_calls(document, first=self._calls))
        deltas = tuple(replies.whole_call(index, call) for index, call in enumerate(calls, start=self._calls))
        self._has_text = self._has_text or bool(text)
        self._calls += len(calls)
        if is_last(document):
            self.is_over = True
            self.usage = usage(document)
            self._reason = finish_reason(document, has_calls=self._calls > 0)
            self._durations_s = durations_s(document)
        return Delta(text=text, tool_calls=deltas)

    def reply(self, call: Call) -> Reply | None:
        if not self.is_over:
            return None
        reply = replies.streamed(call, self._reason, self.usage, is_empty=not (self._has_text or self._calls))
        return replace(reply, durations_s=self._durations_s)
