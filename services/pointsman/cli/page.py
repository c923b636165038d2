"""One page that needs nothing else: no script, no font, no network. Light and dark, and narrow as a phone."""

from collections.abc import Iterable, Sequence
from typing import Final

from pointsman.cli.columns import Column
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
.tables{display:flex;flex-wrap:wrap;gap:16px;align-items:start}
.tables section{flex:1 1 auto;min-width:0;max-width:100%}
@media(max-width:900px){td:first-child{white-space:normal}}
@media(max-width:480px){table{font-size:13px}th,td{padding-right:9px}}
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


def page(title: str, *inside: str) -> str:
    """Return the page; `inside` is what stands in it below one another."""
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", escaped(title)),
        element("style", STYLE),
    )
    body = (element("h1", escaped(title)), *inside)
    made = element("html", element("head", *head), "\n", element("body", *(f"\n{part}" for part in body)), lang="en")
    return f"<!doctype html>\n{made}\n"


def tiles(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return figures that most people look for, large: the name of each, its value, and a note."""
    drawn = (
        element("div", element("span", escaped(name)), element("b", escaped(value)), element("span", escaped(note)))
        for name, value, note in rows
    )
    return element("div", *drawn, class_="tiles")


def plot(heading: str, caption: str, drawn: str) -> str:
    """Return a picture with its heading and a sentence on how to read it."""
    return "\n" + element("section", element("h2", escaped(heading)), element("p", escaped(caption)), drawn)


def table(heading: str, columns: Sequence[Column]) -> str:
    """Return a table with its heading; one that is too wide is moved aside for itself."""
    head = element("tr", *(element("th", escaped(column.heading)) for column in columns))
    cells = zip(*(column.cells for column in columns), strict=True)
    rows = (element("tr", *(element("td", escaped(cell) or " ") for cell in row)) for row in cells)
    drawn = element("div", element("table", head, *rows), class_="wide")
    return "\n" + element("section", element("h2", escaped(heading)), drawn)
