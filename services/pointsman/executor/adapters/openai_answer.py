"""What a chat completion means, whole or streamed: its end, its tokens, its tool calls."""

from collections.abc import Iterator
from typing import Final

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.prompt import ToolCall
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, Reply

REFUSED: Final = "The model refused."

_FINISH: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "": FinishReason.INTERRUPTED,
}


def read_completion(call: Call, document: object) -> Reply:
    """Return what a whole completion means, whatever `document` is."""
    choice = shape.members(shape.at(document, "choices", 0))
    message = choice.get("message")
    if not isinstance(message, dict):
        return replies.no_answer("The provider answered with something that is no chat completion.")
    finish = shape.string(choice.get("finish_reason"))
    counted = usage(document)
    refusal = shape.string(message.get("refusal"))
    if refusal:
        return replies.blocked(REFUSED, counted, text=refusal)
    held_back = withheld(finish, counted)
    if held_back is not None:
        return held_back
    calls = tuple(_tool_calls(message)) if message.get("tool_calls") else ()
    reason = finish_reason(finish, has_calls=bool(calls))
    answer = Answer(text=shape.string(message.get("content")), finish_reason=reason, tool_calls=calls)
    return replies.answered(call, answer, counted)


def withheld(finish: str, counted: Usage | None) -> Reply | None:
    """Return what became of an answer that the provider did not give to its end; None for all others."""
    if finish == "content_filter":
        return replies.blocked("The provider blocked the answer.", counted)
    if finish == "insufficient_system_resource":
        return Reply(outcome=Outcome.OVERLOADED, usage=counted, detail="The provider ran out of capacity midway.")
    return None


def finish_reason(finish: str, *, has_calls: bool) -> FinishReason:
    """Return why the model stopped; some say "stop" where they call tools."""
    return FinishReason.TOOL_CALLS if has_calls and finish == "stop" else _FINISH.get(finish, FinishReason.STOP)


def usage(completion: object) -> Usage | None:
    """Return the tokens used: cached ones are inside the prompt total, reasoning inside the completion total."""
    counted = shape.at(completion, "usage") or shape.at(completion, "choices", 0, "usage")
    if not isinstance(counted, dict):
        return None
    total = shape.number(counted.get("prompt_tokens"))
    in_prompt = shape.members(counted.get("prompt_tokens_details"))
    in_output = shape.members(counted.get("completion_tokens_details"))
    cached = (
        shape.number(in_prompt.get("cached_tokens"))
        or shape.number(counted.get("prompt_cache_hit_tokens"))  # DeepSeek
        or shape.number(counted.get("cached_tokens"))  # Moonshot's older answers
    )
    return Usage(
        input_tokens=total,
        cached_input_tokens=min(cached, total),
        cache_write_tokens=shape.number(in_prompt.get("cache_write_tokens")),
        output_tokens=shape.number(counted.get("completion_tokens")),
        reasoning_tokens=shape.number(in_output.get("reasoning_tokens")),
    )


def _tool_calls(message: object) -> Iterator[ToolCall]:
    for call in shape.objects(message, "tool_calls"):
        name = shape.text(call, "function", "name")
        if name:
            arguments = shape.text(call, "function", "arguments") or "{}"
            yield ToolCall(id=shape.text(call, "id"), name=name, arguments_json=arguments)
