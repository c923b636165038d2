"""What a model produced, and what it used up."""

from enum import StrEnum

from pointsman.domain.frozen import frozen
from pointsman.domain.prompt import ToolCall


class FinishReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_BLOCKED = "content_blocked"
    INTERRUPTED = "interrupted"


@frozen
class Usage:
    """Tokens used.

    `input_tokens` includes cached ones and cache writes; `output_tokens` includes reasoning. All are ≥ 0.
    `estimated` is True when the numbers are our own, because the provider did not count.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum; it is estimated when either side is."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


@frozen
class Answer:
    """What a model said. `text` may be empty when tools are called or the output limit went into reasoning."""

    text: str
    finish_reason: FinishReason
    tool_calls: tuple[ToolCall, ...] = ()


@frozen
class ToolCallDelta:
    """More of one tool call: `id` and `name` come with its first delta, `arguments_json` is appended.

    `index` says which call of the answer it is, from 0.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""


@frozen
class Delta:
    """More of an answer, as it is produced. It holds content; what holds none, such as a role, is no delta."""

    text: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
