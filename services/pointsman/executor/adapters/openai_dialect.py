"""Where OpenAI, DeepSeek and Moonshot differ, as data (reference of 2026-11-22)."""

from collections.abc import Callable
from typing import Final

from pointsman.domain.frozen import frozen
from pointsman.executor.adapters import openai_errors, shape
from pointsman.executor.adapters.openai_errors import ErrorDialect


def _never_broke(_: object) -> bool:
    return False


def _deepseek_broke(balance: object) -> bool:
    return shape.at(balance, "is_available") is False


def _moonshot_broke(balance: object) -> bool:
    left = shape.at(balance, "data", "available_balance")
    return isinstance(left, int | float) and left <= 0


@frozen
class Dialect:
    """Where one provider differs.

    `has_thinking_switch`: thinking is turned off by an object of its own, not by a word of effort.
    `wants_reasoning_back`: an assistant message with tool calls without reasoning is refused.
    `states_quota`: x-ratelimit headers are sent. `balance_path` is empty where no balance can be asked for.
    """

    system_role: str
    output_limit_field: str
    follows_json_schema: bool
    has_thinking_switch: bool
    wants_reasoning_back: bool
    states_quota: bool
    errors: ErrorDialect
    balance_path: str = ""
    is_broke: Callable[[object], bool] = _never_broke


OPENAI: Final = Dialect(
    system_role="developer",
    output_limit_field="max_completion_tokens",
    follows_json_schema=True,
    has_thinking_switch=False,
    wants_reasoning_back=False,
    states_quota=True,
    errors=openai_errors.OPENAI,
)
DEEPSEEK: Final = Dialect(
    system_role="system",
    output_limit_field="max_tokens",  # the other name is ignored without an error (2026-11)
    follows_json_schema=False,
    has_thinking_switch=True,
    wants_reasoning_back=True,
    states_quota=False,
    errors=openai_errors.DEEPSEEK,
    balance_path="/user/balance",
    is_broke=_deepseek_broke,
)
MOONSHOT: Final = Dialect(
    system_role="system",
    output_limit_field="max_completion_tokens",
    follows_json_schema=True,
    has_thinking_switch=True,
    wants_reasoning_back=True,
    states_quota=False,
    errors=openai_errors.MOONSHOT,
    balance_path="/users/me/balance",
    is_broke=_moonshot_broke,
)
