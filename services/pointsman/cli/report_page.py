"""The report as one page: what was asked and answered, what it cost, what was wasted, and what was slow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.cli.columns import Column
from pointsman.cli.executor import ReportLine, ReportSums
from pointsman.cli.page import page as whole_page
from pointsman.cli.page import plot, table, tiles
from pointsman.cli.svg import element, escaped, picture, rectangle, text
from pointsman.cli.terminal import seconds

WIDTH: Final = 360
_ROW: Final = 40
_MOST_BARS: Final = 16
_MOST_LETTERS: Final = 30

HOPS: Final[Mapping[str, str]] = {
    "classify": "waiting for the verdict",
    "small_model": "small local model",
    "execute": "inside the Executor, in all",
    "queue": "before the first call leaves",
    "provider": "one call of a provider",
}
"""Parts of a request's way, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its name, its length in any unit, and what is written at its end."""

    name: str
    length: float
    says: str


def page(total: ReportSums, grouped: Mapping[str, Sequence[ReportLine]], notes: Sequence[str]) -> str:
    """Return the page; `grouped` are the sums by what they are grouped by, days among them."""
    details = total.details
    about = f"{total.total.requests:,} requests since {total.since:%Y-%m-%d %H:%M} UTC, journal: {total.journal}."
    days = sorted(grouped.get("day", ()), key=lambda line: line.key)
    confidence = [
        Bar(name=f"{place / 10:.1f} to {(place + 1) / 10:.1f}", length=count, says=f"{count:,}")
        for place, count in enumerate(details.confidence)
    ]
    slow = [
        Bar(name=HOPS.get(hop.hop, hop.hop), length=hop.p95_s, says=f"{seconds(hop.mean_s)} / {seconds(hop.p95_s)}")
        for hop in details.hops
    ]
    plots = (
        ("Requests, by day", "The latest days (UTC).", [_counted(day, total) for day in days]),
        ("Cost, by category", "US dollars.", [_priced(line) for line in grouped.get("category", ())]),
        ("Who answered", "Requests by candidate.", [_counted(line, total) for line in grouped.get("candidate", ())]),
        ("Where time goes", "Bar: 95 of 100 within. Numbers: mean / 95 %.", slow),
        ("How sure the classifier was", "Verdicts by confidence.", confidence),
    )
    drawn = (plot(heading, caption, bars(heading, made)) for heading, caption, made in plots if made)
    return whole_page(
        "Pointsman report",
        element("p", escaped(about)),
        *(element("p", escaped(note)) for note in notes),
        tiles(figures(total.total)),
        element("div", *drawn, class_="plots"),
        element("div", *_tables(total, grouped), class_="tables"),
    )


def figures(total: ReportLine) -> list[tuple[str, str, str]]:
    """Return name, value and note of the figures that most people look for."""
    before = total.sequential_cost_usd
    saved = "–" if not before else f"{1 - total.cost_usd / before:.0%}"
    calls = (
        "" if total.sequential_attempts is None else f"sequential fallback {_ratio(total.sequential_attempts, total)}"
    )
    return [
        ("answered", f"{total.answered:,}", f"of {total.requests:,}; {total.cancelled:,} left before the end"),
        ("calls per request", _ratio(total.attempts, total), calls),
        ("wasted calls", _share(total.wasted, total.attempts), f"{total.unproductive:,} more gave no answer"),
        ("cost", f"${total.cost_usd:,.4f}", f"${total.unproductive_cost_usd:,.4f} of it without an answer"),
        ("saved", saved, "" if before is None else f"sequential fallback: ${before:,.4f}"),
        ("95 % within", seconds(total.p95_s), f"mean {seconds(total.mean_s)}"),
        ("tokens in", f"{total.usage.input_tokens:,}", f"{total.usage.cached_input_tokens:,} of them cached"),
        ("tokens out", f"{total.usage.output_tokens:,}", f"{total.usage.reasoning_tokens:,} of them reasoning"),
    ]


def bars(title: str, made: Sequence[Bar]) -> str:
    """Return bars below one another, the name of each above it. Of too many, the last are shown."""
    shown = made[-_MOST_BARS:]
    longest = max((bar.length for bar in shown), default=0) or 1
    drawn = []
    for place, bar in enumerate(shown):
        top = place * _ROW
        drawn.append(text((0, top + 14), _short(bar.name)))
        drawn.append(text((WIDTH, top + 14), bar.says, text_anchor="end", class_="quiet"))
        drawn.append(rectangle((0, top + 20), WIDTH, 10, class_="grid", fill="none", rx=2))
        drawn.append(rectangle((0, top + 20), max(1, WIDTH * bar.length / longest), 10, class_="cell", rx=2))
    described = "; ".join(f"{bar.name}: {bar.says}" for bar in shown)
    return picture(WIDTH, max(1, len(shown)) * _ROW, *drawn, title=title, description=described)


def _tables(total: ReportSums, grouped: Mapping[str, Sequence[ReportLine]]) -> list[str]:
    details = total.details
    made = [table(f"By {name}", _columns(name, lines)) for name, lines in grouped.items() if lines]
    for heading, words, rows in (
        ("Calls", ("candidate", "ended", "calls"), details.calls),
        ("Left out", ("candidate", "because", "times"), details.skips),
        ("Verdicts", ("category", "decided by", "requests"), details.verdicts),
    ):
        if rows:
            columns = zip(*rows, strict=True)
            cells = (tuple(map(_plain, column)) for column in columns)
            made.append(
                table(heading, [Column(heading=word, cells=each) for word, each in zip(words, cells, strict=True)])
            )
    return made


def _columns(name: str, lines: Sequence[ReportLine]) -> list[Column]:
    rows = [
        (line.key, f"{line.requests:,}", f"{line.answered:,}", f"{line.cancelled:,}", f"{line.attempts:,}",
         _share(line.wasted, line.attempts), seconds(line.p95_s), f"${line.cost_usd:,.4f}")
        for line in lines
    ]  # fmt: skip
    words = (name, "requests", "answered", "cancelled", "calls", "wasted", "95 %", "cost")
    return [Column(heading=word, cells=cells) for word, cells in zip(words, zip(*rows, strict=True), strict=True)]


def _counted(line: ReportLine, total: ReportSums) -> Bar:
    share = _share(line.requests, total.total.requests)
    return Bar(name=line.key, length=line.requests, says=f"{line.requests:,} ({share})")


def _priced(line: ReportLine) -> Bar:
    return Bar(name=line.key, length=line.cost_usd, says=f"${line.cost_usd:,.4f}")


def _plain(cell: str | int) -> str:
    return f"{cell:,}" if isinstance(cell, int) else cell.replace("_", " ")


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"


def _ratio(part: int, line: ReportLine) -> str:
    return f"{part / line.requests:.2f}" if line.requests else "–"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
