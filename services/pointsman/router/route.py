"""What the Router decides: what the Classifier is told, how time is shared, what stands in for a missing verdict."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol, TypeVar

import structlog

from pointsman.config.settings import RouterSettings
from pointsman.domain.category import VISION
from pointsman.domain.errors import ClassifierDown, OutOfTime, PointsmanError
from pointsman.domain.frozen import frozen
from pointsman.domain.prompt import Message, Prompt, Role, utf8_bytes
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop, Verdict
from pointsman.telemetry import names

CLASSIFIER_SHARE: Final = 0.25
"""The most that a ruling may take of what is left of the deadline."""

TEXT_BYTES: Final = 16_384
CONTEXT_BYTES: Final = 4_096
"""Bounds of what travels to the Classifier, which reads less than that."""

TURN_CHARACTERS: Final = {Role.USER: 400}
"""What is told of one earlier turn of a role; the Classifier reads a thousand characters, the user's before others'."""
OTHER_TURN_CHARACTERS: Final = 160

_GAP: Final = "\n…\n"


@frozen
class Question:
    """What the Classifier is told of a prompt; image bytes never."""

    text: str
    context: str
    has_image: bool


class Heard(Protocol):
    """What the Classifier said, in whatever form: it is handed on, and its category alone is gone by."""

    @property
    def category(self) -> str:
        """The category of the verdict."""


HeardT = TypeVar("HeardT", bound=Heard)

Classify = Callable[[Question, float], Awaitable[HeardT]]
"""Asks the Classifier within so many seconds. Raises ClassifierDown, OutOfTime or another PointsmanError."""


def question_of(prompt: Prompt) -> Question:
    """Return what to ask about a prompt: the last that the user said, and the end of what came before it."""
    messages = prompt.messages
    last = len(messages) - 1
    while last >= 0 and messages[last].role is not Role.USER:
        last -= 1
    text, earlier = (messages[last].text, messages[:last]) if last >= 0 else ("", messages)
    context = ""
    for message in reversed(earlier):
        if len(context) >= CONTEXT_BYTES:
            break
        context = f"{_told(message)}\n{context}" if context else _told(message)
    return Question(text=_head_and_tail(text), context=_tail(context), has_image=prompt.has_image)


def classifier_budget_s(remaining_s: float, settings: RouterSettings) -> float:
    """Return how long the ruling may take."""
    return min(settings.classifier_timeout_s, remaining_s * CLASSIFIER_SHARE)


def executor_budget_s(remaining_s: float, settings: RouterSettings) -> float:
    """Return how long the answer may take; the rest is for the way back. Raises OutOfTime when nothing is left."""
    budget_s = remaining_s - settings.reply_reserve_s
    if budget_s <= 0:
        message = f"{max(0.0, remaining_s):.3f} s of the deadline were left, too little to ask a model; allow more time"
        raise OutOfTime(message, remaining_s=f"{max(0.0, remaining_s):.3f}")
    return budget_s


def stand_in(prompt: Prompt, settings: RouterSettings, categories: Collection[str], *why: DegradedReason) -> Verdict:
    """Return the verdict for want of one: an image is vision if that has a pool, all else the default category."""
    sees = prompt.has_image and VISION in categories
    return Verdict(
        category=VISION if sees else settings.default_category,
        confidence=1.0 if sees else 0.0,
        decided_by=DecidedBy.RULE if sees else DecidedBy.DEFAULT,
        model_hop=ModelHop.NOT_NEEDED,
        degraded=why,
    )


async def rule(
    prompt: Prompt,
    named: str,
    remaining_s: float,
    settings: RouterSettings,
    categories: Collection[str],
    classify: Classify[HeardT],
) -> Verdict | HeardT:
    """Return a verdict for every request: the category that the caller `named`, else the Classifier's, else a stand-in.

    `named` is empty where the caller named none. What was heard is returned as it came.
    """
    if named:
        return Verdict(
            category=named,
            confidence=1.0,
            decided_by=DecidedBy.CALLER,
            model_hop=ModelHop.NOT_NEEDED,
        )
    question = question_of(prompt)
    if not question.has_image and not question.text.strip():  # tools alone speak; there is nothing to rule on
        return stand_in(prompt, settings, categories)
    try:
        heard = await classify(question, classifier_budget_s(remaining_s, settings))
    except OutOfTime:
        return stand_in(prompt, settings, categories, DegradedReason.CLASSIFIER_LATE)
    except ClassifierDown:
        return stand_in(prompt, settings, categories, DegradedReason.CLASSIFIER_DOWN)
    except PointsmanError as error:  # a fault of the Classifier's; the caller's request is none the worse for it
        _log_absorbed(reason=error.reason)
        return stand_in(prompt, settings, categories, DegradedReason.CLASSIFIER_DOWN)
    if heard.category not in categories:
        _log_absorbed(reason="CATEGORY_UNKNOWN", category=heard.category)
        return stand_in(prompt, settings, categories, DegradedReason.CLASSIFIER_DOWN)
    return heard


def _log_absorbed(**facts: str) -> None:
    structlog.get_logger().warning(names.EVENT_CLASSIFIER_ABSORBED, **facts)


def _told(message: Message) -> str:
    """Return an earlier turn with its role, both ends of it when it is long."""
    text, limit = message.text, TURN_CHARACTERS.get(message.role, OTHER_TURN_CHARACTERS)
    if len(text) > limit:
        text = f"{text[: limit // 2]} … {text[-limit // 2 :]}"
    return f"{message.role.value}: {text}"


def _head_and_tail(text: str) -> str:
    """Return the text, or its two ends when it is over TEXT_BYTES."""
    if len(text) <= TEXT_BYTES and utf8_bytes(text) <= TEXT_BYTES:
        return text
    half = (TEXT_BYTES - len(_GAP.encode())) // 2
    # Cut before encoding: no character takes less than a byte, and the middle may be megabytes.
    head, tail = text[:half].encode()[:half], text[-half:].encode()[-half:]
    return head.decode(errors="ignore") + _GAP + tail.decode(errors="ignore")


def _tail(text: str) -> str:
    if len(text) <= CONTEXT_BYTES and utf8_bytes(text) <= CONTEXT_BYTES:
        return text
    return text[-CONTEXT_BYTES:].encode()[-CONTEXT_BYTES:].decode(errors="ignore")
