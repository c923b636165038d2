from xml.etree import ElementTree as ET

import pytest

from pointsman.cli import svg
from pointsman.cli.rehearsal_picture import WIDTH, picture
from pointsman.cli.rehearsal_tally import SLOTS, Bound, Line, Tally

SVG = "{http://www.w3.org/2000/svg}"
RPM = Bound("group:flash", "requests", 60.0, 15)


def tally(names: tuple[str, ...] = ("a/one", "b/two"), *, lost: int = 0, days: float = 1.0) -> Tally:
    made = Tally(days=days, lines={name: Line() for name in names})
    for index, line in enumerate(made.lines.values()):
        line.answered_at = [10 + index] * SLOTS
        line.answered = line.calls = sum(line.answered_at)
        line.cost_usd = 1.5
    made.cost_at = [0.1] * SLOTS
    made.lost, made.lost_at = lost, [lost] + [0] * (SLOTS - 1)
    return made


def texts(drawn: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawn).iter(f"{SVG}text")]  # noqa: S314 - our own


def test_the_picture_is_one_column_of_valid_xml_with_words_for_those_who_cannot_see_it() -> None:
    root = ET.fromstring(picture(tally()))  # noqa: S314 - our own

    assert root.tag == f"{SVG}svg"
    assert root.attrib["viewBox"].startswith(f"0 0 {WIDTH:g} ")
    description = root.find(f"{SVG}desc")
    assert description is not None
    assert description.text == "Answered by b/two 52.4%, a/one 47.6%. Limits that bind: none. $90.00 a month."


def test_every_candidate_that_answered_stands_in_the_legend_with_its_share() -> None:
    shown = texts(picture(tally()))

    assert shown[shown.index("b/two") + 1] == "52.4%"
    assert shown[shown.index("a/one") + 1] == "47.6%"


def test_it_says_that_providers_are_simulated() -> None:
    assert "Providers are simulated; pools, limits and prices are yours." in texts(picture(tally()))


def test_a_limit_that_binds_is_marked_where_it_does() -> None:
    made = tally()
    for minute in range(600, 660):
        made.bind(RPM, minute)

    drawn = picture(made)

    assert "group:flash: 15 requests a minute" in texts(drawn)
    assert "60 min a day" in texts(drawn)
    marks = [each for each in ET.fromstring(drawn).iter(f"{SVG}rect") if "fill-opacity" in each.attrib]  # noqa: S314
    assert [mark.attrib["fill-opacity"] for mark in marks] == ["1"] * 4


def test_lost_requests_are_a_layer_and_a_line_of_their_own() -> None:
    shown = texts(picture(tally(lost=7)))

    assert "lost" in shown
    assert "lost requests" in shown


def test_without_waste_and_loss_it_says_so() -> None:
    assert any(said.startswith("None: no call ended on a limit") for said in texts(picture(tally())))


def test_many_candidates_become_others() -> None:
    shown = texts(picture(tally(tuple(f"p/{number}" for number in range(30)))))

    assert "20 others" in shown


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("<script>alert(1)</script>", id="markup"),
        pytest.param('a" onload="x', id="quotes"),
        pytest.param("a&b", id="an ampersand"),
        pytest.param("]]>", id="the end of a section"),
        pytest.param("\x00\x1b[2J\ufffe", id="what XML has no place for"),
        pytest.param("로컬/모델", id="Korean"),
    ],
)
def test_no_name_breaks_the_picture(name: str) -> None:
    drawn = picture(tally((name,)))

    root = ET.fromstring(drawn)  # noqa: S314 - our own
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "style", "rect", "text", "polyline", "polygon", "line",
    }  # fmt: skip
    assert "\x1b" not in drawn


def test_an_empty_day_can_be_drawn() -> None:
    nothing = Tally(days=1, lines={"a/one": Line()})

    assert ET.fromstring(picture(nothing)).tag == f"{SVG}svg"  # noqa: S314 - our own


def test_numbers_are_written_short() -> None:
    assert svg.rectangle((1, 2.0), 3.14159, 10) == '<rect x="1" y="2" width="3.14" height="10"/>'


def test_attributes_are_quoted() -> None:
    assert svg.element("g", class_='a"b<') == "<g class='a\"b&lt;'/>"
