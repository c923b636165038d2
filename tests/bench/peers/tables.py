"""The results as a table for a terminal, and as one of Markdown between two marks of the README."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.table import Table

from tests.bench.peers.figures import ALONE, MANY, Figures, Results

BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"
COLUMNS: Final = (
    "",
    f"CPU a request, {ALONE} caller",
    f"{MANY} callers",
    "a core-second",
    f"p50 / p99, {ALONE} caller",
    f"{MANY} callers",
    "p50 added",
    "RSS",
    "start",
    "errors",
    "what it does",
)


def cells(title: str, figures: Figures, does: str) -> tuple[str, ...]:
    """Return a row."""
    return (
        title,
        f"{figures[f'cpu_us_{ALONE}']:,.0f} µs",
        f"{figures[f'cpu_us_{MANY}']:,.0f} µs",
        f"{figures['per_core_s']:,.0f}",
        f"{figures[f'p50_ms_{ALONE}']:.2f} / {figures[f'p99_ms_{ALONE}']:.2f} ms",
        f"{figures[f'p50_ms_{MANY}']:.1f} / {figures[f'p99_ms_{MANY}']:.1f} ms",
        f"{figures['added_p50_ms']:+.2f} ms",
        f"{figures['rss_mib']:,.0f} MiB",
        f"{figures['startup_s']:.1f} s",
        f"{figures['errors']:.0f}",
        does,
    )


def table_of(results: Results, does: Mapping[str, str], caption: str) -> Table:
    """Return the table for a terminal."""
    table = Table(*COLUMNS, title="Gateways before a provider that answers at once", caption=caption)
    for title, figures in results.items():
        table.add_row(*cells(title, figures, does[title]))
    return table


def markdown_of(results: Results, does: Mapping[str, str], caption: str) -> str:
    """Return the table for the README, with its caption above."""
    rows = [cells(title, figures, does[title]) for title, figures in results.items()]
    lines = [f"| {' | '.join(COLUMNS)} |", f"| {' | '.join(['---'] * len(COLUMNS))} |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join((caption, "", *lines))


def rewrite(readme: Path, between: str) -> None:
    """Put a text between the marks of a file. Raises ValueError when they are not there."""
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN} … {END}")
    readme.write_text(f"{before}{BEGIN}\n{between}\n{END}{after}")
