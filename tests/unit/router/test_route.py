import pytest

from pointsman.config.settings import RouterSettings
from pointsman.domain.errors import ClassifierDown, OutOfTime
from pointsman.domain.prompt import Image, Message, Prompt, Role, Text, ToolResult
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop, Verdict
from pointsman.router.route import (
    CONTEXT_BYTES,
    TEXT_BYTES,
    Question,
    classifier_budget_s,
    executor_budget_s,
    question_of,
    rule,
)

SETTINGS = RouterSettings(classifier_timeout_s=0.8, reply_reserve_s=0.05)
CATEGORIES = ("reasoning", "coding", "vision")
VERDICT = Verdict(category="coding", confidence=0.9, decided_by=DecidedBy.MODEL, model_hop=ModelHop.ANSWERED)
PICTURE = Image(content=b"\x89PNG", mime_type="image/png")


def said(role: Role, text: str) -> Message:
    return Message(role=role, parts=(Text(text=text),))


def asking(*messages: Message) -> Prompt:
    return Prompt(messages=messages or (said(Role.USER, "hi"),))


def test_the_question_is_the_last_that_the_user_said_and_what_came_before() -> None:
    prompt = asking(
        said(Role.SYSTEM, "be brief"), said(Role.USER, "2+2?"), said(Role.ASSISTANT, "4"), said(Role.USER, "and 3+3?")
    )

    question = question_of(prompt)

    assert question == Question(text="and 3+3?", context="system: be brief\nuser: 2+2?\nassistant: 4", has_image=False)


def test_an_image_anywhere_is_told_without_its_bytes() -> None:
    seen = Message(role=Role.USER, parts=(Text(text="see"), PICTURE))

    assert question_of(asking(seen, said(Role.ASSISTANT, "ok"), said(Role.USER, "and?"))).has_image


def test_a_long_text_keeps_its_two_ends() -> None:
    text = "가" * 20_000 + "middle" + "나" * 20_000

    question = question_of(asking(said(Role.USER, text)))

    assert len(question.text.encode()) <= TEXT_BYTES
    assert question.text.startswith("가가")
    assert question.text.endswith("나나")
    assert "middle" not in question.text


def test_a_long_context_keeps_its_end() -> None:
    turns = [said(Role.USER, f"{n} " + "가" * 1_000) for n in range(50)]

    question = question_of(asking(*turns, said(Role.USER, "last")))

    assert len(question.context.encode()) <= CONTEXT_BYTES
    assert "49 " in question.context
    assert "40 " not in question.context


def test_a_long_answer_hides_no_earlier_question() -> None:
    asked, answered = said(Role.USER, "write a loop in C"), said(Role.ASSISTANT, "for " + "x" * 20_000 + " done")

    context = question_of(asking(asked, answered, said(Role.USER, "and in Go?"))).context

    assert context.startswith("user: write a loop in C\nassistant: for ")
    assert context.endswith(" done")
    assert len(context) < 300


@pytest.mark.parametrize(
    "remaining_s, budget_s",
    [
        pytest.param(120.0, 0.8, id="time enough: the configured limit"),
        pytest.param(2.0, 0.5, id="little time: a quarter of it"),
        pytest.param(0.0, 0.0, id="none"),
    ],
)
def test_the_ruling_gets_a_slice_of_the_deadline(remaining_s: float, budget_s: float) -> None:
    assert classifier_budget_s(remaining_s, SETTINGS) == pytest.approx(budget_s)


def test_the_answer_gets_the_rest_less_the_way_back() -> None:
    assert executor_budget_s(2.0, SETTINGS) == pytest.approx(1.95)


@pytest.mark.parametrize("remaining_s", [0.05, 0.0, -1.0])
def test_no_model_is_asked_when_nothing_is_left(remaining_s: float) -> None:
    with pytest.raises(OutOfTime, match="allow more time"):
        executor_budget_s(remaining_s, SETTINGS)


async def test_the_classifiers_verdict_stands() -> None:
    async def classify(question: Question, timeout_s: float) -> Verdict:
        return VERDICT

    assert await rule(asking(), "", 10.0, SETTINGS, CATEGORIES, classify) is VERDICT


async def test_a_category_of_the_callers_needs_no_classifier() -> None:
    async def classify(question: Question, timeout_s: float) -> Verdict:
        raise AssertionError

    verdict = await rule(asking(), "coding", 10.0, SETTINGS, CATEGORIES, classify)

    assert (verdict.category, verdict.decided_by, verdict.degraded) == ("coding", DecidedBy.CALLER, ())


async def test_a_prompt_in_which_only_tools_speak_is_not_asked_about() -> None:
    async def classify(question: Question, timeout_s: float) -> Verdict:
        raise AssertionError

    told = Message(role=Role.TOOL, parts=(ToolResult(tool_call_id="c", text="4"),))

    verdict = await rule(asking(told), "", 10.0, SETTINGS, CATEGORIES, classify)

    assert (verdict.category, verdict.decided_by, verdict.degraded) == ("reasoning", DecidedBy.DEFAULT, ())


@pytest.mark.parametrize(
    "error, why",
    [
        pytest.param(ClassifierDown("down"), DegradedReason.CLASSIFIER_DOWN, id="down"),
        pytest.param(OutOfTime("late"), DegradedReason.CLASSIFIER_LATE, id="late"),
    ],
)
async def test_without_a_verdict_the_default_category_stands_in(error: Exception, why: DegradedReason) -> None:
    async def classify(question: Question, timeout_s: float) -> Verdict:
        raise error

    verdict = await rule(asking(), "", 10.0, SETTINGS, CATEGORIES, classify)

    assert (verdict.category, verdict.decided_by, verdict.degraded) == ("reasoning", DecidedBy.DEFAULT, (why,))


@pytest.mark.parametrize(
    "categories, category",
    [(("reasoning", "vision"), "vision"), (("reasoning",), "reasoning")],
    ids=["a pool for vision", "no pool for vision"],
)
async def test_an_image_without_a_verdict_is_vision_where_there_is_such_a_pool(
    categories: tuple[str, ...], category: str
) -> None:
    async def classify(question: Question, timeout_s: float) -> Verdict:
        raise ClassifierDown("down")

    seen = Message(role=Role.USER, parts=(PICTURE,))

    verdict = await rule(asking(seen), "", 10.0, SETTINGS, categories, classify)

    assert verdict.category == category
