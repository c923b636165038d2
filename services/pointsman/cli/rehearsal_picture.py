"""The rehearsed day as a picture: who answers when, where limits bind, what it costs and what is wasted.

Made for the width of a phone held upright: one column, nothing smaller than an eleventh of an inch there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.cli.rehearsal_table import binding, name_of
from pointsman.cli.rehearsal_tally import MINUTES_A_DAY, SLOT_S, SLOTS, Tally
from pointsman.cli.svg import Point, area, document, element, line, rectangle, text
from pointsman.cli.terminal import dollars

WIDTH: Final = 480.0
LEFT: Final = 46.0
RIGHT: Final = 14.0
ACROSS: Final = WIDTH - LEFT - RIGHT
LINE: Final = 20.0
"""From one line of text to the next."""

MOST_NAMES: Final = 11
MOST_LIMITS: Final = 8
LONGEST_NAME: Final = 21
"""Letters that fit into half of the width; longer names have it all to themselves."""

LONGEST_ALONE: Final = 48
LONGEST_LIMIT: Final = 50

COLOURS: Final = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c6bb1",
    "#b8860b", "#66a61e", "#1b4f72", "#f4a6a0", "#7f7f7f",
)  # fmt: skip
"""The palette of Okabe and Ito, which most who confuse colours can tell apart, and some more."""

LOST: Final = "#d32f2f"
QUIET: Final = "#5f6b76"
GRID: Final = "#e3e7eb"
BIND: Final = "#b3261e"
COST: Final = "#0072b2"

STYLE: Final = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans CJK KR',sans-serif;"
    f"font-size:13px;fill:#1d252c}}.title{{font-size:20px;font-weight:700}}.head{{font-size:15px;font-weight:600}}"
    f".quiet{{fill:{QUIET}}}"
)


@dataclass(slots=True)
class Sheet:
    """What is drawn so far, and how far down it goes."""

    drawn: list[str]
    down: float = 16.0

    def say(self, said: str, kind: str = "", *, by: float = LINE) -> None:
        """Put a line of text below what is there."""
        self.down += by
        self.drawn.append(text((RIGHT, self.down), said, class_=kind) if kind else text((RIGHT, self.down), said))

    def add(self, *parts: str) -> None:
        """Add what has its own place."""
        self.drawn += parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A field with an axis: `top` is the largest number shown, at the height `at`."""

    at: float
    height: float
    top: float

    def point(self, slot: float, value: float) -> Point:
        """Return where a value of the middle of a slot is."""
        return LEFT + slot / SLOTS * ACROSS, self.at + self.height * (1 - value / self.top)

    def points(self, values: Sequence[float]) -> list[Point]:
        """Return the points of a whole day, drawn out to both edges."""
        middle = [self.point(slot + 0.5, value) for slot, value in enumerate(values)]
        return [self.point(0, values[0]), *middle, self.point(SLOTS, values[-1])]


def picture(tally: Tally) -> str:
    """Return the picture as SVG."""
    sheet = Sheet(drawn=[])
    days, requests = f"{tally.days:,.0f}", tally.requests / tally.days
    sheet.say("A day, rehearsed", "title", by=12)
    over = "" if tally.days == 1 else f", the mean of {days} days"
    sheet.say(f"{requests:,.0f} requests a day{over}", by=24)
    cost = dollars(tally.cost_usd_a_month)
    sheet.say(f"{cost} a month · {tally.wasted:,} calls wasted · {tally.lost:,} requests lost")
    sheet.say("Providers are simulated; pools, limits and prices are yours.", "quiet")
    sheet.say("Hours are UTC.", "quiet")
    _who_answers(sheet, tally)
    _where_limits_bind(sheet, tally)
    _what_it_costs(sheet, tally)
    _what_goes_wrong(sheet, tally)
    sheet.down += 16
    return document(
        WIDTH,
        sheet.down,
        rectangle((0, 0), WIDTH, sheet.down, fill="#ffffff"),
        *sheet.drawn,
        title="A rehearsed day of Pointsman",
        description=_in_words(tally),
        style=STYLE,
    )


def _who_answers(sheet: Sheet, tally: Tally) -> None:
    """Draw the requests of a minute as layers, the candidate that answers most at the bottom."""
    layers = _layers(tally)
    a_minute = tally.days * SLOT_S / 60
    sheet.say("Requests a minute, by who answers", "head", by=34)
    highest = max(map(sum, zip(*(counts for _, counts, _ in layers), strict=True)), default=0)
    plot = _axes(sheet, 190, highest / a_minute)
    below = [0.0] * SLOTS
    for _, counts, colour in layers:
        above = [base + count / a_minute for base, count in zip(below, counts, strict=True)]
        sheet.add(area([*plot.points(above), *reversed(plot.points(below))], fill=colour))
        below = above
    _legend(sheet, [(name, sum(counts) / max(1, tally.requests), colour) for name, counts, colour in layers])


def _layers(tally: Tally) -> list[tuple[str, Sequence[float], str]]:
    """Return name, requests by slot and colour of each layer; many small ones become one, and lost ones are red."""
    ranked = sorted(
        ((name, line_.answered_at) for name, line_ in tally.lines.items() if line_.answered),
        key=lambda each: -sum(each[1]),
    )
    shown, rest = (ranked, []) if len(ranked) <= MOST_NAMES else (ranked[: MOST_NAMES - 1], ranked[MOST_NAMES - 1 :])
    if rest:
        shown = [*shown, (f"{len(rest)} others", [sum(counts) for counts in zip(*(c for _, c in rest), strict=True)])]
    layers: list[tuple[str, Sequence[float], str]] = [
        (name, counts, colour) for (name, counts), colour in zip(shown, COLOURS, strict=False)
    ]
    return [*layers, ("lost", tally.lost_at, LOST)] if tally.lost else layers


def _legend(sheet: Sheet, entries: Sequence[tuple[str, float, str]]) -> None:
    """Name the layers with the share of each, in two columns where all names are short."""
    columns = 2 if all(len(name) <= LONGEST_NAME for name, _, _ in entries) else 1
    rows, width = math.ceil(len(entries) / columns), (WIDTH - 2 * RIGHT) / columns
    sheet.down += 10
    for index, (name, share, colour) in enumerate(entries):
        x, y = RIGHT + index // rows * width, sheet.down + (index % rows + 1) * LINE
        ends = x + width - (12 if columns == 2 and index < rows else 0)  # noqa: PLR2004 - a gap between the two
        sheet.add(
            rectangle((x, y - 11), 12, 12, rx=2, fill=colour),
            text((x + 18, y), _short(name, LONGEST_ALONE)),
            text((ends, y), _percent(share), class_="quiet", text_anchor="end"),
        )
    sheet.down += rows * LINE


def _where_limits_bind(sheet: Sheet, tally: Tally) -> None:
    """Draw a strip a limit: the darker, the more of that quarter of an hour it bound."""
    sheet.say("Where limits bind", "head", by=34)
    every = binding(tally)
    if not every:
        sheet.say("Nowhere: no limit ever kept a candidate from being called.", "quiet")
        return
    width, minutes_a_slot = ACROSS / SLOTS, MINUTES_A_DAY // SLOTS
    for bound in every[:MOST_LIMITS]:
        sheet.say(_short(name_of(bound), LONGEST_LIMIT), by=24)
        minutes = f"{tally.minutes_a_day(bound):,.0f} min a day"
        sheet.add(text((WIDTH - RIGHT, sheet.down), minutes, class_="quiet", text_anchor="end"))
        sheet.down += 7
        sheet.add(rectangle((LEFT, sheet.down), ACROSS, 12, fill="#f1f3f5"))
        for slot in range(SLOTS):
            bound_here = sum(tally.bound_at[bound][slot * minutes_a_slot : (slot + 1) * minutes_a_slot])
            share = bound_here / (minutes_a_slot * tally.days)
            if share:
                opacity = round(min(1.0, 0.15 + 0.85 * share), 2)
                at = LEFT + slot * width, sheet.down
                sheet.add(rectangle(at, width, 12, fill=BIND, fill_opacity=opacity))
        sheet.down += 12
    _hours(sheet, sheet.down)
    sheet.down += 18
    if len(every) > MOST_LIMITS:
        sheet.say(f"and {len(every) - MOST_LIMITS} more that bind less", "quiet", by=22)


def _what_it_costs(sheet: Sheet, tally: Tally) -> None:
    sheet.say("Cost, dollars an hour", "head", by=34)
    an_hour = [cost / tally.days / (SLOT_S / 3_600) for cost in tally.cost_at]
    plot = _axes(sheet, 80, max(an_hour), form="${:,g}")
    sheet.add(
        area([plot.point(0, 0), *plot.points(an_hour), plot.point(SLOTS, 0)], fill=COST, fill_opacity=0.15),
        line(plot.points(an_hour), stroke=COST, stroke_width=2, stroke_linejoin="round"),
    )


def _what_goes_wrong(sheet: Sheet, tally: Tally) -> None:
    sheet.say("Wasted calls and lost requests, an hour", "head", by=34)
    if not tally.wasted and not tally.lost:
        sheet.say("None: no call ended on a limit, and every request was answered.", "quiet")
        return
    wasted, lost = (
        [count / tally.days / (SLOT_S / 3_600) for count in counts] for counts in (tally.wasted_at, tally.lost_at)
    )
    plot = _axes(sheet, 80, max(*wasted, *lost))
    sheet.add(
        line(plot.points(wasted), stroke=COLOURS[1], stroke_width=2, stroke_linejoin="round"),
        line(plot.points(lost), stroke=LOST, stroke_width=2, stroke_linejoin="round"),
    )
    _legend(
        sheet,
        [
            ("wasted calls", tally.wasted / max(1, tally.calls), COLOURS[1]),
            ("lost requests", tally.lost / max(1, tally.requests), LOST),
        ],
    )


def _axes(sheet: Sheet, height: float, highest: float, *, form: str = "{:,g}") -> Plot:
    """Draw an empty field with its axes below what is there."""
    step = _step(highest)
    plot = Plot(at=sheet.down + 14, height=height, top=max(1, math.ceil(highest / step - 1e-9)) * step)
    for number in range(round(plot.top / step) + 1):
        _, y = plot.point(0, number * step)
        sheet.add(
            line([(LEFT, y), (WIDTH - RIGHT, y)], stroke=GRID, stroke_width=1),
            text((LEFT - 6, y + 4), form.format(round(number * step, 6)), class_="quiet", text_anchor="end"),
        )
    sheet.down = plot.at + height
    _hours(sheet, sheet.down)
    sheet.down += 18
    return plot


def _hours(sheet: Sheet, at: float) -> None:
    """Write the hours of the day (UTC) below a field."""
    for hour in range(0, 25, 4):
        anchor = "end" if hour == 24 else "start" if hour == 0 else "middle"  # noqa: PLR2004 - the end of a day
        x = LEFT + hour / 24 * ACROSS
        sheet.add(
            element("line", x1=x, y1=at, x2=x, y2=at + 4, stroke=QUIET, stroke_width=1),
            text((x, at + 17), f"{hour:02}:00", class_="quiet", text_anchor=anchor),
        )


def _step(highest: float) -> float:
    """Return the distance of grid lines: 1, 2 or 5 of some power of ten, so that there are two to five of them."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * 4 >= highest)


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"  # noqa: PLR2004 - a tenth of a percent


def _in_words(tally: Tally) -> str:
    shares = ", ".join(f"{name} {_percent(sum(c) / max(1, tally.requests))}" for name, c, _ in _layers(tally))
    limits = "; ".join(f"{name_of(b)}, {tally.minutes_a_day(b):.0f} minutes a day" for b in binding(tally))
    return f"Answered by {shares}. Limits that bind: {limits or 'none'}. {dollars(tally.cost_usd_a_month)} a month."
