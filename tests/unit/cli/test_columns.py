import pytest

from pointsman.cli.columns import Column, fitting, folded

NAME = Column(heading="name", cells=("a" * 20,))
STORY = Column(heading="story", cells=("one · two · three",), least=8)
SIZE = Column(heading="size", cells=("12345",), rank=2)
PLACE = Column(heading="place", cells=("b" * 12,), rank=1)


@pytest.mark.parametrize(
    "width, headings",
    [
        pytest.param(10, ["name", "story"], id="too little for what is always shown"),
        pytest.param(30, ["name", "story"], id="just that"),
        pytest.param(37, ["name", "story", "size"], id="a later column that is narrower"),
        pytest.param(44, ["name", "story", "place"], id="the first of the others"),
        pytest.param(51, ["name", "story", "size", "place"], id="all"),
    ],
)
def test_columns_come_back_in_the_order_of_their_rank(width: int, headings: list[str]) -> None:
    assert [column.heading for column in fitting([NAME, STORY, SIZE, PLACE], width)] == headings


@pytest.mark.parametrize(
    "width, lines",
    [
        (17, ["one · two · three"]),
        (16, ["one · two", "three"]),
        (8, ["one", "two", "three"]),
        (2, ["one", "two", "three"]),
    ],
)
def test_a_cell_is_broken_between_its_parts(width: int, lines: list[str]) -> None:
    assert folded("one · two · three", width).splitlines() == lines


def test_korean_letters_take_two_columns_each() -> None:
    assert folded("가나 · 다라", 10).splitlines() == ["가나", "다라"]
    assert folded("가나 · 다라", 11).splitlines() == ["가나 · 다라"]
