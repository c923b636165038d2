"""The report as a page: its parts, hostile names, and how it looks in a real browser."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pointsman.cli.evaluation_figures import Figures, summarise
from pointsman.cli.evaluation_page import page
from pointsman.domain.verdict import ModelHop
from tests.fakes.evaluation import evaluation, verdict

SVG = "{http://www.w3.org/2000/svg}"
FOUND = summarise(evaluation())
HOPS = (ModelHop.ANSWERED, ModelHop.ANSWERED, ModelHop.LATE, ModelHop.CONFIDENT, ModelHop.NOT_NEEDED)

MEASURE = """
window.onload = () => {
  const page = document.querySelector("iframe").contentDocument, boxes = [];
  page.querySelectorAll("svg").forEach((picture, number) => picture.querySelectorAll("text").forEach((word) => {
    const box = word.getBoundingClientRect(), around = picture.getBoundingClientRect();
    boxes.push({picture: number, says: word.textContent, left: box.left, right: box.right, top: box.top,
      bottom: box.bottom, size: parseFloat(getComputedStyle(word).fontSize) * around.width / 360,
      inside: box.left >= around.left - 1 && box.right <= around.right + 1 && box.bottom <= around.bottom + 1});
  }));
  const moved = [...page.querySelectorAll(".wide")].filter((table) => table.scrollWidth > table.clientWidth);
  const scrolling = moved.map((table) => table.parentNode.querySelector("h2").textContent);
  const measured = {width: page.documentElement.scrollWidth, boxes, scrolling};
  document.querySelector("pre").textContent = JSON.stringify(measured);
};
"""
"""Writes what the browser made of the page into the document that shows it; the page itself has no script."""


def tree(made: str) -> ET.Element:
    return ET.fromstring(made.removeprefix("<!doctype html>\n"))  # noqa: S314 - our own


def drawn(found: Figures = FOUND, *, source: str = "prompts.jsonl", falls_short: tuple[str, ...] = ()) -> str:
    return page(found, source=source, falls_short=falls_short)


def titles(made: str) -> list[str]:
    return [each.text or "" for each in tree(made).iter(f"{SVG}title")]


def test_every_plot_has_words_for_those_who_cannot_see_it() -> None:
    pictures = list(tree(drawn()).iter(f"{SVG}svg"))

    assert titles(drawn()) == [
        "As sure as it is right?", "What accepting costs", "What was taken for what", "Found, by category",
        "Accuracy, by language",
    ]  # fmt: skip
    assert [picture.findtext(f"{SVG}desc") for picture in pictures][1] == "At 0.8: 60% accepted, 0.0% of these wrong."


def test_it_needs_nothing_but_itself() -> None:
    made = drawn()

    assert re.findall(r"(?:src|href|url)\s*[=(]|<script|<link|@import", made) == []
    assert "default-src 'none'" in made


def test_what_falls_short_stands_on_top() -> None:
    assert [each.text for each in tree(drawn(falls_short=("ece is 0.2, wanted at most 0.1",))).iter("li")] == [
        "ece is 0.2, wanted at most 0.1"
    ]


def test_no_prompt_gets_into_it() -> None:
    assert "as you like it" not in drawn()


def test_the_small_model_has_a_tile_where_it_is_asked() -> None:
    found = summarise(evaluation(HOPS, turned={0: verdict("review", 0.6), 1: verdict("quick", 0.6)}))

    assert "50.0% turn with the order" in drawn(found)


def test_nothing_accepted_can_be_drawn() -> None:
    found = FOUND | {"accepted_accuracy": None, "accepted_share": 0.0}

    assert "At 0.8 nothing is accepted." in drawn(found)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("<script>alert(1)</script>", id="markup"),
        pytest.param('a" onload="x', id="quotes"),
        pytest.param("</title><b>", id="the end of an element"),
        pytest.param("\x00\x1b[2J\ufffe\ud800", id="what XML has no place for"),
        pytest.param("한국어", id="Korean"),
    ],
)
def test_no_name_breaks_the_page(name: str) -> None:
    made = drawn(summarise(evaluation(lang=name, name=name)), source=name, falls_short=(name,))

    known, every = tree(drawn(falls_short=("ece",))).iter(), list(tree(made).iter())
    assert {each.tag.removeprefix(SVG) for each in every} == {each.tag.removeprefix(SVG) for each in known}
    assert not any("onload" in each.attrib for each in every)
    assert "\x1b" not in made


def measured(made: str, folder: Path, *, width: int) -> Any:  # noqa: ANN401 - what the script wrote
    """Return what Chromium makes of the page in a window of `width` CSS pixels."""
    file = folder / "measure.html"
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{escape(made)}"></iframe>'
    file.write_text(
        f"<!doctype html><meta charset=utf-8>{frame}<pre></pre><script>{MEASURE}</script>", encoding="utf-8"
    )
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    finished = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
            "--hide-scrollbars", "--window-size=1600,1000", "--dump-dom", file.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip
    return json.loads(unescape(finished.stdout.split("<pre>")[1].split("</pre>")[0]))


@pytest.mark.needs_chromium
@pytest.mark.parametrize("width", [320, 390, 1280], ids=["a small phone", "a phone", "a desk"])
def test_it_can_be_read_on_any_screen(width: int, tmp_path: Path) -> None:
    found = summarise(evaluation(HOPS, turned={0: verdict("review", 0.6), 1: verdict("quick", 0.6)}))

    seen = measured(drawn(found, falls_short=("ece is 0.2, wanted at most 0.1",)), tmp_path, width=width)

    assert seen["width"] <= width
    assert len(seen["boxes"]) > 50
    assert [box["says"] for box in seen["boxes"] if not box["inside"]] == []
    assert min(box["size"] for box in seen["boxes"]) >= 8.5
    assert overlapping(seen["boxes"]) == []


def overlapping(boxes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the words of one picture that stand on each other; a pixel is no more than a neighbour."""
    return [
        (one["says"], other["says"])
        for place, one in enumerate(boxes)
        for other in boxes[place + 1 :]
        if one["picture"] == other["picture"]
        and min(one["right"], other["right"]) - max(one["left"], other["left"]) > 1
        and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 3  # lines touch; letters do not
    ]
