"""A streamed content: every event is a whole response with more of the answer, and the end of the body ends it."""

from typing import Any

from pointsman.domain.answer import Delta, Usage
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.adapters.gemini_answer import (
    finish_reason,
    is_blocked,
    prompt_blocked,
    said,
    tool_calls,
    usage,
    withheld,
)


class ContentFold:
    """What the events say. Usage is a running total; the finish reason tells a whole answer from a part of one."""

    def __init__(self) -> None:
        self.model = ""
        self.id = ""
        self.usage: Usage | None = None
        self.is_over = False
        self._finish = ""
        self._is_blocked = False
        self._has_text = False
        self._calls = 0

    def take(self, document: dict[str, Any]) -> Delta:
        self.model = shape.text(document, "modelVersion") or self.model
        self.id = shape.text(document, "responseId") or self.id
        self.usage = usage(document) or self.usage
        self._is_blocked = self._is_blocked or is_blocked(document)
        candidate = shape.at(document, "candidates", 0)
        if not isinstance(candidate, dict):
            return Delta()
        self._finish = shape.text(candidate, "finishReason") or self._finish
        text, calls = said(candidate), tuple(tool_calls(candidate, self.id, first=self._calls))
        deltas = tuple(replies.whole_call(index, call) for index, call in enumerate(calls, start=self._calls))
        self._has_text = self._has_text or bool(text)
        self._calls += len(calls)
        return Delta(text=text, tool_calls=deltas)

    def reply(self, call: Call) -> Reply | None:
        if self._is_blocked:
            return prompt_blocked(self.usage)
        if not self._finish:
            return None
        is_empty = not (self._has_text or self._calls)
        held_back = withheld(self._finish, self.usage, is_empty=is_empty)
        if held_back is not None:
            return held_back
        reason = finish_reason(self._finish, has_calls=self._calls > 0)
        return replies.streamed(call, reason, self.usage, is_empty=is_empty)
