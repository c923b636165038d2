"""Multi-turn: what counts of earlier turns, and how that rules on dialogues written by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.classifier import conversation
from pointsman.classifier.conversation import BEGINS_ANEW, GOES_ON, MAY_GO_ON, earlier_weight, topic
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.instructions import excerpt
from pointsman.domain.category import CATEGORIES
from pointsman.domain.prompt import Message, Prompt, Role, Text
from pointsman.router.route import question_of
from tests.unit.classifier.dialogues import FOLLOW_UPS, NEW_TOPICS, SECOND_SITTING, Dialogue

EMBEDDED = Embedded.load()


def ruled(dialogue: Dialogue) -> str:
    """Rule on the last turn as the service does, with the context that the Router tells."""
    earlier, last, _ = dialogue
    said = [(Role.USER if number % 2 == 0 else Role.ASSISTANT, text) for number, text in enumerate(earlier)]
    messages = tuple(Message(role=role, parts=(Text(text=text),)) for role, text in (*said, (Role.USER, last)))
    question = question_of(Prompt(messages=messages))
    read = excerpt(question.text, question.context)
    distribution = conversation.read(EMBEDDED.distribution, read.text, read.context)
    return CATEGORIES[distribution.index(max(distribution))]


@pytest.mark.parametrize(
    "dialogues, fewest",
    [
        pytest.param(FOLLOW_UPS, 19, id="the same work goes on"),
        pytest.param(NEW_TOPICS, 7, id="something else begins"),
        pytest.param(SECOND_SITTING, 22, id="both, written after the rule"),
    ],
)
def test_most_dialogues_are_ruled_as_anyone_would(dialogues: tuple[Dialogue, ...], fewest: int) -> None:
    wrong = [(last, label, ruled((earlier, last, label))) for earlier, last, label in dialogues]

    right = sum(label == found for _, label, found in wrong)
    assert right >= fewest, [row for row in wrong if row[1] != row[2]]


@pytest.mark.parametrize("number", [0, 10], ids=lambda number: FOLLOW_UPS[number][1])
def test_the_two_that_were_asked_for(number: int) -> None:
    assert ruled(FOLLOW_UPS[number]) == FOLLOW_UPS[number][2]


@pytest.mark.parametrize(
    "text, weight",
    [
        pytest.param("and in Python?", GOES_ON, id="an opening"),
        pytest.param("그럼 한국어로는?", GOES_ON, id="a Korean opening"),
        pytest.param("세 개를 뽑으면?", GOES_ON, id="a Korean ending"),
        pytest.param("Shorter", GOES_ON, id="a capital"),
        pytest.param("which button is red", MAY_GO_ON, id="a few words"),
        pytest.param("thanks a lot!", BEGINS_ANEW, id="thanks"),
        pytest.param("고마워!", BEGINS_ANEW, id="Korean thanks"),
        pytest.param("and now write me a whole new poem about the sea", BEGINS_ANEW, id="many words"),
    ],
)
def test_a_few_words_go_on_with_what_was_said(text: str, weight: float) -> None:
    assert earlier_weight(text) == weight


@pytest.mark.parametrize(
    "context, about",
    [
        pytest.param("user: write a loop\nassistant: for …", "write a loop", id="the user's turn"),
        pytest.param(
            "user: write a loop\nassistant: for …\nuser: and in C?\nassistant: for (;;)", "write a loop\nand in C?",
            id="a follow-up and what it follows",
        ),
        pytest.param(
            "user: who wrote Emma?\nassistant: Austen\nuser: write a loop\nin bash\nassistant: for …",
            "write a loop\nin bash", id="the last one, with all its lines",
        ),
        pytest.param("user: and you?\nassistant: fine", "and you?", id="nothing but a follow-up"),
        pytest.param("assistant: hello", "assistant: hello", id="the user said nothing"),
        pytest.param("write a loop\nfor …", "write a loop\nfor …", id="no roles"),
    ],
)  # fmt: skip
def test_the_topic_is_the_last_turn_that_stands_alone(context: str, about: str) -> None:
    assert topic(context) == about


@given(st.text(max_size=300), st.text(max_size=1_500))
def test_any_conversation_has_a_distribution(text: str, context: str) -> None:
    read = excerpt(text, context)

    distribution = conversation.read(EMBEDDED.distribution, read.text, read.context)

    assert sum(distribution) == pytest.approx(1)


def test_without_earlier_turns_the_last_one_stands_alone() -> None:
    assert conversation.read(EMBEDDED.distribution, "and in Go?", " ") == EMBEDDED.distribution("and in Go?")
