"""What can be read off a prompt."""

import pytest

from pointsman.domain.prompt import (
    Image,
    ImageUrl,
    Message,
    Options,
    Part,
    Prompt,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

PNG = Image(content=b"\x89PNG-secret", mime_type="image/png")
LINK = ImageUrl(url="https://example.com/a.png")


def prompt(*parts: Part, role: Role = Role.USER) -> Prompt:
    return Prompt(messages=(Message(role=role, parts=parts),))


@pytest.mark.parametrize(
    "parts, has_image, has_url, count",
    [
        pytest.param((Text(text="hi"),), False, False, 0, id="text"),
        pytest.param((PNG,), True, False, 1, id="attached"),
        pytest.param((LINK,), True, True, 1, id="linked"),
        pytest.param((Text(text="hi"), PNG, LINK), True, True, 2, id="both"),
    ],
)
def test_which_images_a_prompt_has(parts: tuple[Part, ...], *, has_image: bool, has_url: bool, count: int) -> None:
    made = prompt(*parts)

    assert (made.has_image, made.has_image_url, made.image_count) == (has_image, has_url, count)


@pytest.mark.parametrize(
    "parts, size",
    [
        pytest.param((Text(text="abc"),), 3, id="english"),
        pytest.param((Text(text="가나"),), 6, id="korean"),
        pytest.param((Text(text="😀"),), 4, id="an-emoji"),
        pytest.param((ToolCall(id="1", name="ab", arguments_json='{"가": 1}'),), 12, id="a-tool-call"),
        pytest.param((ToolResult(tool_call_id="1", text="abcd"),), 4, id="a-tool-result"),
        pytest.param((PNG, LINK), 0, id="images-are-no-text"),
        pytest.param((Text(text="ab"), PNG, Text(text="c")), 3, id="several"),
    ],
)
def test_how_much_text_a_prompt_holds(parts: tuple[Part, ...], size: int) -> None:
    assert prompt(*parts).text_bytes == size


def test_the_parts_of_all_messages_come_in_order() -> None:
    first, second = Text(text="a"), Text(text="b")
    made = Prompt(messages=(Message(role=Role.SYSTEM, parts=(first,)), Message(role=Role.USER, parts=(second, PNG))))

    assert list(made.parts) == [first, second, PNG]


def test_the_text_of_a_message_is_one_part_a_line() -> None:
    assert Message(role=Role.USER, parts=(Text(text="a"), PNG, Text(text="b"))).text == "a\nb"


@pytest.mark.parametrize(
    "messages, text",
    [
        pytest.param([(Role.USER, "one"), (Role.ASSISTANT, "two"), (Role.USER, "three")], "three", id="the-last"),
        pytest.param([(Role.USER, "one"), (Role.ASSISTANT, "two")], "one", id="before-the-models"),
        pytest.param([(Role.SYSTEM, "one")], "", id="none"),
    ],
)
def test_what_the_user_said_last(messages: list[tuple[Role, str]], text: str) -> None:
    made = Prompt(messages=tuple(Message(role=role, parts=(Text(text=said),)) for role, said in messages))

    assert made.last_user_text == text


def test_the_bytes_of_an_image_are_not_shown() -> None:
    assert "secret" not in repr(PNG)


def test_a_request_asks_for_nothing_beside_the_prompt_by_default() -> None:
    assert Request(prompt=prompt(Text(text="hi"))).options == Options()
