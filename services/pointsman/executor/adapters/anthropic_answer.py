"""What a message means, whole or streamed: its end, its tokens, its tool calls."""

from typing import Any, Final

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.prompt import ToolCall
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply

Json = dict[str, Any]

_FINISH: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.INTERRUPTED,
}


def read_message(call: Call, document: object) -> Reply:
    """Return what a whole message means, whatever `document` is."""
    if not isinstance(shape.at(document, "content"), list):
        return replies.no_answer("The provider answered with something that is no message.")
    counted = usage(document)
    stop = shape.text(document, "stop_reason")
    held_back = withheld(stop, counted)
    if held_back is not None:
        return held_back
    blocks = shape.objects(document, "content")
    answer = Answer(
        text="".join([shape.string(block.get("text")) for block in blocks if block.get("type") == "text"]),
        finish_reason=finish_reason(stop),
        tool_calls=tuple([_tool_call(block) for block in blocks if block.get("type") == "tool_use"]),
    )
    return replies.answered(call, answer, counted)


def withheld(stop: str, counted: Usage | None) -> Reply | None:
    """Return the reply of a refusal; None for all other ends."""
    # What came before a refusal is to be thrown away (docs, 2026-11).
    return replies.blocked("The model refused.", counted) if stop == "refusal" else None


def finish_reason(stop: str) -> FinishReason:
    """Return why the model stopped."""
    return _FINISH.get(stop, FinishReason.STOP if stop else FinishReason.INTERRUPTED)


def usage(message: object) -> Usage | None:
    """Return the tokens used. Unlike everyone else, Anthropic counts cached input apart (docs, 2026-11)."""
    counted = shape.at(message, "usage")
    if not isinstance(counted, dict):
        return None
    cached = shape.number(counted.get("cache_read_input_tokens"))
    written = shape.number(counted.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=shape.number(counted.get("input_tokens")) + cached + written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=shape.number(counted.get("output_tokens")),
        reasoning_tokens=shape.count(counted, "output_tokens_details", "thinking_tokens"),
    )


def _tool_call(block: Json) -> ToolCall:
    arguments = shape.encode_again(shape.at(block, "input") or {})
    return ToolCall(id=shape.text(block, "id"), name=shape.text(block, "name"), arguments_json=arguments)
