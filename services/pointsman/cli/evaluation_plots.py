"""The plots of an evaluation, each a picture as wide as a phone is; colours are the page's own, by class.

Classes: `quiet` and `small` for text, `grid` for lines of the field, `ideal` for what would be best; `mark`, `dot`,
`ring`, `soft` and `cell` for what was measured.
"""

import math
from collections.abc import Sequence
from typing import Final

from pointsman.cli import svg
from pointsman.cli.evaluation_figures import Figures
from pointsman.cli.svg import Point, element, line, rectangle, text

WIDTH: Final = 360.0
LEFT: Final = 44.0
RIGHT: Final = 22.0
ACROSS: Final = WIDTH - LEFT - RIGHT
TOP: Final = 28.0
SQUARE: Final = 220.0
"""Height of a plot of one share over another."""

ROW: Final = 30.0
NAMES: Final = 78.0
"""Left of a row's marks: its name, of at most so many letters."""
LONGEST_NAME: Final = 10
NUMBERS: Final = 62.0
LETTER: Final = 6.2
"""Width of a letter of the smaller text, nearly at most."""

_DARKEST: Final = 0.5
"""Opacity of a full cell: on it, text in ink is still easy to read, light or dark."""


def reliability(found: Figures) -> str:
    """Draw how often verdicts are right, by how sure they are; below, how many there are."""
    bins: list[Figures] = found["reliability"]
    field = _Field(top=1.0)
    drawn = [*field.axes("confidence", "right"), line([field.at(0, 0), field.at(1, 1)], class_="ideal")]
    for each in bins:
        left, up = field.at(each["low"], each["accuracy"])
        drawn += [
            rectangle((left + 1, up), ACROSS / 10 - 2, TOP + SQUARE - up, class_="soft"),
            line([field.at(each["confidence"], bound) for bound in each["accuracy_interval"]], class_="mark"),
            _dot(field.at(each["confidence"], each["accuracy"])),
        ]
    base, highest = TOP + SQUARE + 80, max(each["prompts"] for each in bins)
    drawn.append(text((0, base + 14), "prompts", class_="quiet"))
    for each in bins:
        height = 30 * each["prompts"] / highest
        middle = LEFT + (each["low"] + 0.05) * ACROSS
        drawn += [
            rectangle((middle - 12, base - height), 24, height, class_="soft"),
            text((middle, base + 14), _count(each["prompts"]), class_="quiet", text_anchor="middle"),
        ]
    said = "; ".join(f"{each['confidence']:.0%} sure, {each['accuracy']:.0%} right" for each in bins)
    return svg.picture(WIDTH, base + 22, *drawn, title="As sure as it is right?", description=said)


def risk_coverage(found: Figures) -> str:
    """Draw how many of the accepted verdicts are wrong, by how many are accepted; the setting's choice is marked."""
    curve: list[Figures] = found["risk_coverage"]
    highest = max(point["risk"] for point in curve)
    field = _Field(top=max(0.05, math.ceil(highest * 20) / 20))
    drawn = [
        *field.axes("accepted", "wrong"),
        line([field.at(point["coverage"], point["risk"]) for point in curve], class_="mark"),
    ]
    accept, accuracy = found["accept_confidence"], found["accepted_accuracy"]
    said = f"At {accept:g} nothing is accepted."
    if accuracy is not None:
        share, risk = found["accepted_share"], 1 - accuracy
        said = f"At {accept:g}: {share:.0%} accepted, {risk:.1%} of these wrong."
        x, y = field.at(share, risk)
        drawn += [line([(x, TOP), (x, TOP + SQUARE)], class_="ideal"), _dot((x, y))]
    below = TOP + SQUARE + 58
    drawn.append(text((0, below), said, class_="quiet"))
    return svg.picture(WIDTH, below + 10, *drawn, title="What accepting costs", description=said)


def categories(found: Figures) -> str:
    """Draw how many prompts of each category are found, with intervals."""
    rows = [
        (row["category"], row["recall"], row.get("recall_interval"), row["recall_lenient"])
        for row in found["categories"]
    ]
    return _ranges(rows, title="Found, by category")


def languages(found: Figures, *, unnamed: str) -> str:
    """Draw the accuracy in each language, with intervals; `unnamed` stands for prompts without one."""
    rows = [
        (row["lang"] or unnamed, row["accuracy"], row["accuracy_interval"], row["accuracy_lenient"])
        for row in found["languages"]
    ]
    return _ranges(rows, title="Accuracy, by language")


def confusion(found: Figures) -> str:
    """Draw what each label was taken for: the darker a cell, the more of its row."""
    counts: dict[str, dict[str, int]] = found["confusion"]
    width = (WIDTH - NAMES) / len(counts)
    drawn = [text((0, 30), "labelled ↓", class_="quiet"), text((NAMES, 12), "ruled as →", class_="quiet")]
    for column, ruled in enumerate(counts):
        name = _short(ruled, int(width / LETTER))
        drawn.append(text((NAMES + (column + 0.5) * width, 30), name, class_="small", text_anchor="middle"))
    for number, (label, row) in enumerate(counts.items()):
        down, whole = 38 + number * ROW, max(1, sum(row.values()))
        drawn.append(text((0, down + 20), _short(label, LONGEST_NAME)))
        for column, count in enumerate(row.values()):
            opacity = round(_DARKEST * count / whole, 3)
            at = NAMES + column * width
            drawn.append(rectangle((at + 1, down + 1), width - 2, ROW - 2, class_="cell", rx=3, fill_opacity=opacity))
            if count:
                drawn.append(text((at + width / 2, down + 20), _count(count), text_anchor="middle"))
    said = "; ".join(
        f"{label}: " + ", ".join(f"{count} as {ruled}" for ruled, count in row.items() if count)
        for label, row in counts.items()
        if any(row.values())
    )
    return svg.picture(WIDTH, 38 + len(counts) * ROW + 4, *drawn, title="What was taken for what", description=said)


class _Field:
    """A field of shares: from 0 to 1 across, from 0 to `top` up."""

    def __init__(self, *, top: float) -> None:
        self._top = top

    def at(self, across: float, up: float) -> Point:
        return LEFT + across * ACROSS, TOP + SQUARE * (1 - up / self._top)

    def axes(self, across: str, up: str) -> list[str]:
        """Return grid, numbers and names of both axes."""
        drawn = []
        for number in range(6):
            share = number / 5
            x, y = self.at(share, share * self._top)
            drawn += [
                line([(LEFT, y), (WIDTH - RIGHT, y)], class_="grid"),
                text((LEFT - 6, y + 4), _percent(share * self._top), class_="quiet", text_anchor="end"),
                text((x, TOP + SQUARE + 17), _percent(share), class_="quiet", text_anchor="middle"),
            ]
        return [
            *drawn,
            text((0, 12), f"↑ {up}", class_="quiet"),
            text((WIDTH - RIGHT, TOP + SQUARE + 36), f"{across} →", class_="quiet", text_anchor="end"),
        ]


def _ranges(rows: Sequence[tuple[str, float | None, Sequence[float] | None, float | None]], *, title: str) -> str:
    """Draw a row each: its name, a dot at the share, a line over its interval, a ring at the lenient share."""
    across = WIDTH - NAMES - NUMBERS
    ends = len(rows) * ROW + 4
    drawn = []
    for number in range(6):
        x = NAMES + number / 5 * across
        drawn += [
            line([(x, 0), (x, ends)], class_="grid"),
            text((x, ends + 15), _percent(number / 5), class_="quiet", text_anchor="middle"),
        ]
    for number, (name, share, interval, lenient) in enumerate(rows):
        middle = number * ROW + ROW / 2
        drawn.append(text((0, middle + 4), _short(name, LONGEST_NAME)))
        if share is None or interval is None:
            drawn.append(text((WIDTH, middle + 4), "–", class_="quiet", text_anchor="end"))
            continue
        low, high = (NAMES + bound * across for bound in interval)
        drawn.append(line([(low, middle), (high, middle)], class_="mark"))
        if lenient is not None:
            drawn.append(element("circle", cx=NAMES + lenient * across, cy=middle, r=5, class_="ring"))
        drawn.append(_dot((NAMES + share * across, middle)))
        drawn.append(text((WIDTH, middle + 4), f"{share:.1%}", text_anchor="end"))
    said = "; ".join(f"{name} {share:.1%}" for name, share, _, _ in rows if share is not None)
    return svg.picture(WIDTH, ends + 22, *drawn, title=title, description=said)


def _dot(at: Point) -> str:
    return element("circle", cx=at[0], cy=at[1], r=4, class_="dot")


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: max(1, longest - 1)] + "…"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _count(number: int) -> str:
    return f"{number}" if number < 10_000 else f"{number / 1_000:.0f}k"  # noqa: PLR2004 - four digits fit
