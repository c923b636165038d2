"""An evaluation as one page that needs nothing else: no script, no font, no network, and no prompt in it."""

from collections.abc import Sequence
from typing import Final

from pointsman.cli import evaluation_plots as plots
from pointsman.cli.columns import Column
from pointsman.cli.evaluation_figures import Figures
from pointsman.cli.evaluation_table import NO_LANGUAGE, categories, languages, totals
from pointsman.cli.svg import element, escaped

STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f8fa;--ink:#1d252c;--quiet:#5a6672;--grid:#dfe4e9;--mark:#0072b2;
--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--paper:#12161a;--card:#1b2127;--ink:#e8ecf0;--quiet:#9aa7b3;--grid:#323b44;
--mark:#56b4e9;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1160px;padding:20px 16px 40px;background:var(--paper);color:var(--ink);line-height:1.45;
font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans CJK KR',sans-serif}
h1{font-size:22px;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 4px}
p{margin:0 0 10px;color:var(--quiet);overflow-wrap:anywhere}
.tiles,.plots{display:grid;gap:12px;margin:16px 0;grid-template-columns:repeat(auto-fill,minmax(min(100%,150px),1fr))}
.plots{gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr))}
.tiles div,section{background:var(--card);border-radius:10px;padding:12px}
.plots section{padding:12px 12px 8px}
.plots svg{display:block;width:100%;max-width:520px;height:auto;margin:0 auto}
.tiles b{display:block;font-size:22px;line-height:1.2}
.tiles span{color:var(--quiet);font-size:13px}
.short{border-left:4px solid var(--bad);margin:16px 0}
.short li{overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:3px 11px 3px 0;text-align:right;white-space:nowrap}
th{font-weight:600;color:var(--quiet);white-space:normal;vertical-align:bottom}
td:first-child,th:first-child{text-align:left}
.tables{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));align-items:start}
.tables section{min-width:0}
@media(max-width:480px){table{font-size:13px}th,td{padding-right:9px}td:first-child{white-space:normal}}
@media(max-width:360px){body{padding:16px 10px}.plots section{padding:10px 8px}}
svg text{font-size:13px;fill:var(--ink)}
svg .quiet{fill:var(--quiet);font-size:12px}
svg .small{font-size:11px}
.grid{stroke:var(--grid)}
.ideal{stroke:var(--quiet);stroke-dasharray:4 4}
.mark{stroke:var(--mark);stroke-width:2.5;stroke-linejoin:round}
.dot{fill:var(--mark);stroke:var(--card);stroke-width:1}
.ring{fill:var(--card);stroke:var(--mark);stroke-width:1.5}
.soft{fill:var(--mark);fill-opacity:.28}
.cell{fill:var(--mark)}
"""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(found: Figures, *, source: str, falls_short: Sequence[str]) -> str:
    """Return the page; `source` is the name of the file of prompts, `falls_short` what did not hold."""
    title = f"Classifier on {source}"
    about = f'{found["prompts"]:,} prompts, mode "{found["mode"]}", classifier {found["classifier_version"]}.'
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", escaped(title)),
        element("style", STYLE),
    )
    body = (
        element("h1", escaped(title)),
        element("p", escaped(about)),
        _short(falls_short),
        _tiles(found),
        element("div", *_plots(found), class_="plots"),
        element("div", *_tables(found), class_="tables"),
    )
    made = element("html", element("head", *head), "\n", element("body", *(f"\n{part}" for part in body)), lang="en")
    return f"<!doctype html>\n{made}\n"


def _short(falls_short: Sequence[str]) -> str:
    if not falls_short:
        return ""
    lines = (element("li", escaped(sentence)) for sentence in falls_short)
    return element("section", element("h2", "Falls short"), element("ul", *lines), class_="short")


def _tiles(found: Figures) -> str:
    """Return the figures that most people look for, large."""
    accepted = found["accepted_accuracy"]
    of_accepted = "nothing" if accepted is None else f"of these {accepted:.1%} right"
    rows = [
        ("accuracy", f"{found['accuracy']:.1%}", _between(found["accuracy_interval"])),
        ("accuracy, lenient", f"{found['accuracy_lenient']:.1%}", _between(found["accuracy_lenient_interval"])),
        ("macro-F1", f"{found['macro_f1']:.3f}", f"worst category {found['worst_f1']:.3f}"),
        ("calibration error", f"{found['ece']:.3f}", f"Brier score {found['brier']:.3f}"),
        (f"accepted at {found['accept_confidence']:g}", f"{found['accepted_share']:.1%}", of_accepted),
        ("a verdict takes", f"{found['p50_ms']:.2g} ms", f"99 of 100 within {found['p99_ms']:.2g} ms"),
    ]
    if found["mode"] != "embedded":
        flips = found["flips"]
        turned = "nobody asked twice" if flips is None else f"{flips['share']:.1%} turn with the order"
        rows.append(("asked the small model", f"{found['hop_share']:.1%}", turned))
    tiles = (
        element("div", element("span", name), element("b", value), element("span", note)) for name, value, note in rows
    )
    return element("div", *tiles, class_="tiles")


def _between(interval: Sequence[float]) -> str:
    low, high = interval
    return f"95 %: {low:.1%} to {high:.1%}"


def _plots(found: Figures) -> list[str]:
    rows = (
        (
            "As sure as it is right?",
            "On the dashed line, confidence is honest; below it, too high. Lines: 95 %.",
            plots.reliability,
        ),
        (
            "What accepting costs",
            "Left: only the surest verdicts are accepted. Right: all of them.",
            plots.risk_coverage,
        ),
        ("What was taken for what", "The stronger the colour, the more of that label.", plots.confusion),
        ("Found, by category", "Dot: the label itself. Ring: also what is acceptable. Line: 95 %.", plots.categories),
    )
    drawn = [_plot(heading, caption, draw(found)) for heading, caption, draw in rows]
    by_language = plots.languages(found, unnamed=NO_LANGUAGE)
    return [*drawn, _plot("Accuracy, by language", "Dots, rings and lines as before.", by_language)]


def _plot(heading: str, caption: str, drawn: str) -> str:
    return "\n" + element("section", element("h2", heading), element("p", caption), drawn)


def _tables(found: Figures) -> list[str]:
    mistakes: list[Figures] = found["mistakes"]
    surest = (
        Column(heading="prompt", cells=tuple(row["id"] for row in mistakes)),
        Column(heading="labelled", cells=tuple(row["label"] for row in mistakes)),
        Column(heading="ruled", cells=tuple(row["ruled"] for row in mistakes)),
        Column(heading="confidence", cells=tuple(f"{row['confidence']:.3f}" for row in mistakes)),
    )
    rows = (
        ("All figures", totals(found)),
        ("Categories", categories(found)),
        ("Languages", languages(found)),
        *((("The surest mistakes", surest),) if mistakes else ()),
    )
    return [_table(heading, columns) for heading, columns in rows]


def _table(heading: str, columns: Sequence[Column]) -> str:
    head = element("tr", *(element("th", escaped(column.heading)) for column in columns))
    cells = zip(*(column.cells for column in columns), strict=True)
    rows = (element("tr", *(element("td", escaped(cell) or " ") for cell in row)) for row in cells)
    drawn = element("div", element("table", head, *rows), class_="wide")
    return "\n" + element("section", element("h2", heading), drawn)
