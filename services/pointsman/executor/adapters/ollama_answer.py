"""What a chat of Ollama means, whole or streamed: its end, its tokens, its tool calls, its timings."""

from collections.abc import Iterator
from typing import Final

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.prompt import ToolCall
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply
from pointsman.telemetry import names

_FINISH: Final = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
_PARTS: Final = {
    "load_duration": names.OLLAMA_LOAD_DURATION,
    "prompt_eval_duration": names.OLLAMA_PROMPT_EVAL_DURATION,
    "eval_duration": names.OLLAMA_EVAL_DURATION,
}
_NANOSECONDS: Final = 1e-9


def read_chat(call: Call, document: object) -> Reply:
    """Return what a whole chat means, whatever `document` is."""
    if not isinstance(shape.at(document, "message"), dict) or not is_last(document):
        return replies.no_answer("Ollama answered with something that is no finished chat.")
    calls = tuple(tool_calls(document))
    answer = Answer(text=said(document), finish_reason=finish_reason(document, has_calls=bool(calls)), tool_calls=calls)
    return replies.answered(call, answer, usage(document), durations_s=durations_s(document))


def is_last(document: object) -> bool:
    """Return whether the model has ended: True for a whole chat and for the last line of a stream."""
    return shape.at(document, "done") is True


def said(document: object) -> str:
    """Return the text in a chat or a line of one, without its thoughts."""
    return shape.text(document, "message", "content")


def finish_reason(document: object, *, has_calls: bool) -> FinishReason:
    """Return why the model stopped."""
    finish = _FINISH.get(shape.text(document, "done_reason"), FinishReason.STOP)
    return FinishReason.TOOL_CALLS if has_calls else finish


def tool_calls(document: object, *, first: int = 0) -> Iterator[ToolCall]:
    """Yield the tool calls in a chat or a line of one; those without an id are numbered from `first`."""
    for index, call in enumerate(shape.objects(document, "message", "tool_calls"), start=first):
        id_ = shape.text(call, "id") or f"call_{index}"
        arguments = shape.encode_again(shape.at(call, "function", "arguments") or {})
        yield ToolCall(id=id_, name=shape.text(call, "function", "name"), arguments_json=arguments)


def usage(chat: object) -> Usage | None:
    """Return the tokens used; cached ones are counted like others and cannot be told apart."""
    if shape.at(chat, "prompt_eval_count") is None and shape.at(chat, "eval_count") is None:
        return None
    return Usage(input_tokens=shape.count(chat, "prompt_eval_count"), output_tokens=shape.count(chat, "eval_count"))


def durations_s(document: object) -> tuple[tuple[str, float], ...]:
    """Return Ollama's four timings and the rest of the total, which is the wait for a slot, by their names on spans."""
    if shape.at(document, "total_duration") is None:
        return ()
    total_s = shape.count(document, "total_duration") * _NANOSECONDS
    parts = {name: shape.count(document, key) * _NANOSECONDS for key, name in _PARTS.items()}
    slot_wait_s = max(0.0, total_s - sum(parts.values()))
    return (
        (names.OLLAMA_TOTAL_DURATION, total_s),
        *parts.items(),
        (names.OLLAMA_SLOT_WAIT_DURATION, slot_wait_s),
    )
