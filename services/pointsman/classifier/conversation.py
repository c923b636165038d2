"""What earlier turns say about the last one: the same work goes on, or something else begins."""

from collections.abc import Callable
from typing import Final

from pointsman.classifier.calibration import Distribution, fuse

USER: Final = "user: "
"""How a line of context begins that the user said."""
_ROLES: Final = ("system: ", USER, "assistant: ", "tool: ")

GOES_ON: Final = 0.65
"""The weight of earlier turns beside "and in Python?", which says nearly nothing alone."""
MAY_GO_ON: Final = 0.3
"""The weight beside any other text of a few words."""
BEGINS_ANEW: Final = 0.0

_SHORT_CHARACTERS: Final = 40
_UNTOLD_TAIL: Final = 400

_OPENINGS: Final = (
    "and ", "and,", "what about", "how about", "what if", "now ", "but ", "also ", "then ", "so ", "same ", "it ",
    "that ", "this one", "again", "another", "one more", "more ", "less ", "shorter", "longer", "simpler", "without ",
    "with ", "make it", "try ", "still ", "instead", "no, ", "can you make it", "can you do", "why not",
    "그럼", "그러면", "그리고", "그런데", "근데", "그 ", "그거", "그건", "그게", "이건", "이거", "여기", "또 ", "더 ",
    "좀 더", "좀더", "너무 ", "다시", "아니", "만약", "만일", "이번에", "이번엔", "계속", "하나 더",
)  # fmt: skip
_ENDINGS: Final = (
    "으로는",
    "로는",
    "에서는",
    "에는",
    "면",
    "이라면",
    "라면",
    "은요",
    "는요",
    "것도",
    "말고",
    "짧게",
    "길게",
)
_CLOSINGS: Final = (
    "thank", "thx", "cheers", "ok", "great", "perfect", "bye", "lol", "고마", "감사", "수고", "좋아", "완벽", "ㅇㅋ",
    "ㄱㅅ", "ㄳ",
)  # fmt: skip


def read(judge: Callable[[str], Distribution], text: str, context: str) -> Distribution:
    """Return what `judge` makes of the last turn, with what it makes of the earlier ones where they count."""
    now = judge(text)
    weight = earlier_weight(text) if context.strip() else BEGINS_ANEW
    return now if weight == BEGINS_ANEW else fuse(now, judge(topic(context)), second_weight=weight)


def earlier_weight(text: str) -> float:
    """Return how much earlier turns count beside the last one, 0 to 1; only for a text of a few words is it above 0."""
    said = text.strip().casefold()
    if len(said) > _SHORT_CHARACTERS or said.startswith(_CLOSINGS):
        return BEGINS_ANEW
    if said.startswith(_OPENINGS) or said.rstrip("?？!. ").endswith(_ENDINGS):
        return GOES_ON
    return MAY_GO_ON


def topic(context: str) -> str:
    """Return what the conversation was about: the user's last turn that can stand alone, and those after it.

    A context without roles is read by its end.
    """
    turns = _user_turns(context)
    if not turns:
        return context[-_UNTOLD_TAIL:]
    standing = [number for number, turn in enumerate(turns) if earlier_weight(turn) < GOES_ON]
    return "\n".join(turns[standing[-1] if standing else 0 :])


def _user_turns(context: str) -> list[str]:
    turns: list[str] = []
    is_users = False
    for line in context.split("\n"):
        if line.startswith(_ROLES):
            is_users = line.startswith(USER)
            if is_users:
                turns.append(line.removeprefix(USER))
        elif is_users:
            turns[-1] += f"\n{line}"
    return turns
