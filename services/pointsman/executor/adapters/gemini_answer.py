"""What a generated content means, whole or streamed: its end, its tokens, its tool calls."""

from collections.abc import Iterator
from typing import Any, Final

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.prompt import ToolCall
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply

Json = dict[str, Any]

_FINISH: Final = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
}
_BLOCKED: Final = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"})
_ACCOUNT: Final = frozenset({"PUP_LIMITED_DISABLED", "ESCALATION"})
_OURS: Final = frozenset({"candidates", "promptFeedback", "usageMetadata", "responseId", "modelVersion"})


def read_content(call: Call, document: object) -> Reply:
    """Return what a whole content means, whatever `document` is."""
    if not isinstance(document, dict) or not _OURS & document.keys():
        return replies.no_answer("The provider answered with something that is no content.")
    counted = usage(document)
    if is_blocked(document) or not document.get("candidates"):
        return prompt_blocked(counted)
    candidate = shape.at(document, "candidates", 0)
    if not isinstance(candidate, dict):
        return replies.no_answer("The provider answered with something that is no content.")
    finish = shape.text(candidate, "finishReason")
    text = said(candidate)
    calls = tuple(tool_calls(candidate, shape.text(document, "responseId")))
    held_back = withheld(finish, counted, is_empty=not text and not calls)
    if held_back is not None:
        return held_back
    reason = finish_reason(finish, has_calls=bool(calls))
    return replies.answered(call, Answer(text=text, finish_reason=reason, tool_calls=calls), counted)


def is_blocked(document: Json) -> bool:
    """Return whether the provider turned the prompt away."""
    return bool(shape.at(document, "promptFeedback", "blockReason"))


def prompt_blocked(counted: Usage | None) -> Reply:
    """Return the reply for a prompt that was turned away."""
    return replies.blocked("The provider blocked the prompt.", counted)


def withheld(finish: str, counted: Usage | None, *, is_empty: bool) -> Reply | None:
    """Return what became of an answer that was blocked, or that has nothing in it for a reason; None for all others."""
    if finish in _BLOCKED:
        return replies.blocked("The provider blocked the answer.", counted)
    if is_empty and finish in _ACCOUNT:
        detail = "The provider has restricted the account."
        return Reply(outcome=Outcome.FORBIDDEN, usage=counted, detail=detail)
    if is_empty and finish not in _FINISH:
        return replies.no_answer("The model stopped without an answer.", counted)
    return None


def finish_reason(finish: str, *, has_calls: bool) -> FinishReason:
    """Return why the model stopped."""
    return FinishReason.TOOL_CALLS if has_calls else _FINISH.get(finish, FinishReason.INTERRUPTED)


def said(candidate: Json) -> str:
    """Return the text of a candidate, without its thoughts."""
    parts = shape.objects(candidate, "content", "parts")
    return "".join([shape.string(part.get("text")) for part in parts if part.get("thought") is not True])


def tool_calls(candidate: Json, response_id: str, *, first: int = 0) -> Iterator[ToolCall]:
    """Yield the tool calls of a candidate; those without an id are numbered from `first`."""
    parts = shape.objects(candidate, "content", "parts")
    calls = [part["functionCall"] for part in parts if isinstance(part.get("functionCall"), dict)]
    for index, call in enumerate(calls, start=first):
        id_ = shape.text(call, "id") or f"call_{index}_{response_id}"
        arguments = shape.encode_again(shape.at(call, "args") or {})
        yield ToolCall(id=id_, name=shape.text(call, "name"), arguments_json=arguments)


def usage(content: object) -> Usage | None:
    """Return the tokens used. Thinking is counted apart from the candidates, and billed like them (2026-08)."""
    counted = shape.at(content, "usageMetadata")
    if not isinstance(counted, dict):
        return None
    total, thoughts = shape.number(counted.get("promptTokenCount")), shape.number(counted.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=total,
        cached_input_tokens=min(shape.number(counted.get("cachedContentTokenCount")), total),
        output_tokens=shape.number(counted.get("candidatesTokenCount")) + thoughts,
        reasoning_tokens=thoughts,
    )
