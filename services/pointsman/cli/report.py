"""`pointsman report`: the sums of what a running stack was asked, tried and paid."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from pointsman.cli.columns import Column, table_of
from pointsman.cli.executor import ReportLine, ReportSums, reaching
from pointsman.cli.failure import Misuse
from pointsman.cli.loop import run
from pointsman.cli.pools import not_running
from pointsman.cli.report_page import page
from pointsman.cli.terminal import print_json, printable, ratio, say, screen, seconds, share
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import ExecutorDown
from pointsman_client import Tls

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST: Final = timedelta(days=36_500)
PAGE_GROUPS: Final = ("category", "candidate", "day", "caller", "label")
"""What the page has a table of."""

SEQUENTIAL: Final = (
    "Sequential fallback is the candidates in the order of the settings for every request, knowing no quotas, priced "
    "by the tokens that were really used. Its calls are the least that it would have made."
)
"""What the comparison assumes."""

_LEAST_KEY: Final = 40  # screen columns; candidates are shorter, labels need not be

NOTHING_TO_GROUP: Final = dict.fromkeys(
    ("category", "candidate", "caller", "day"), "No request has ended in this span of time."
) | {"label": "No request in this span of time carried a label; callers set them in RouteRequest.labels."}
"""What to say in place of a table without rows."""


def report(
    address: str, *, tls: Tls | None, group_by: str, since: str, as_json: bool, html: Path | None = None
) -> None:
    """Print the sums, and write them as a page. Raises Misuse for a span of time that is none or a file that cannot be.

    Raises Failure when there is no stack.
    """
    span = read_span(since) if since else None
    begin = None if span is None else SystemClock().now() - span
    sums = run(_report(address, tls, group_by, begin))
    if html:
        _write_page(html, address, tls, begin)
    if as_json:
        print_json(sums.message)
        return
    out = screen()
    say(out, f"{sums.total.requests:,} requests since {sums.since:%Y-%m-%d %H:%M} UTC", style="bold")
    if out.is_terminal:
        out.print(summary(sums.total))
    else:
        for name, before, now in _rows(sums.total):
            say(out, f"{name}\t{now}" + (f"\tsequential fallback {before}" if before else ""))
    if group_by:
        out.print()
        _print_groups(out, group_by, sums.lines)
    for note in notes(sums):
        say(out, note, style="dim")
    if html:
        say(out, f"The page is in {html}.")


def _print_groups(out: Console, group_by: str, lines: Sequence[ReportLine]) -> None:
    if not lines:
        say(out, NOTHING_TO_GROUP[group_by])
    elif out.is_terminal:
        out.print(groups(group_by, lines, width=out.width))
    else:
        for line in lines:
            say(out, plain(line))


def _write_page(html: Path, address: str, tls: Tls | None, since: datetime | None) -> None:
    total, grouped = run(_everything(address, tls, since))
    try:
        html.write_text(page(total, grouped, notes(total)), encoding="utf-8")
    except OSError as error:
        raise Misuse(f"--html {html} cannot be written: {error.strerror}") from error


async def _everything(
    address: str, tls: Tls | None, since: datetime | None
) -> tuple[ReportSums, dict[str, tuple[ReportLine, ...]]]:
    """Return the sums with their details, and the lines of each way to group them."""
    async with reaching(address, tls) as executor:
        try:
            total = await executor.report("", since, with_details=True)
            grouped = {name: (await executor.report(name, since)).lines for name in PAGE_GROUPS}
        except ExecutorDown as error:
            raise not_running(address) from error
    return total, grouped


async def _report(address: str, tls: Tls | None, group_by: str, since: datetime | None) -> ReportSums:
    async with reaching(address, tls) as executor:
        try:
            return await executor.report(group_by, since)
        except ExecutorDown as error:
            raise not_running(address) from error


def read_span(text: str) -> timedelta:
    """Return a span such as "30d", "12h" or "90m". Raises Misuse."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
    if not timedelta(0) < span <= _LONGEST:
        raise Misuse(f"--since {text} is no span of time; write a number with m, h, d or w, such as 30d")
    return span


def summary(total: ReportLine) -> Table:
    """Return the idea's own table: this stack, beside what sequential fallback would have done where that is known."""
    compares = total.sequential_attempts is not None or total.sequential_cost_usd is not None
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column("figure")
    if compares:
        made.add_column("sequential fallback", justify="right")
    made.add_column("with Pointsman" if compares else "measured", justify="right")
    for name, before, now in _rows(total):
        made.add_row(name, *((before,) if compares else ()), now)
    return made


def _rows(total: ReportLine) -> tuple[tuple[str, str, str], ...]:
    calls_before = "" if total.sequential_attempts is None else ratio(total.sequential_attempts, total.requests)
    cost_before = "" if total.sequential_cost_usd is None else f"${total.sequential_cost_usd:,.4f}"
    return (
        ("calls per request", calls_before, ratio(total.attempts, total.requests)),
        ("wasted calls", "", share(total.wasted, total.attempts)),
        ("mean time", "", seconds(total.mean_s)),
        ("95 % within", "", seconds(total.p95_s)),
        ("cost", cost_before, f"${total.cost_usd:,.4f}"),
        ("of it without an answer", "", f"${total.unproductive_cost_usd:,.4f}"),
        ("answered", "", f"{total.answered:,} of {total.requests:,}"),
        ("of these by the local fallback", "", f"{total.answered_by_fallback:,}"),
        ("callers that left before the end", "", f"{total.cancelled:,}"),
        ("tokens in / out", "", f"{total.usage.input_tokens:,} / {total.usage.output_tokens:,}"),
    )


def groups(group_by: str, lines: Sequence[ReportLine], *, width: int) -> Table:
    """Return one row a group, for a terminal of `width` columns."""

    def figures(heading: str, figure: Callable[[ReportLine], str], rank: int) -> Column:
        return Column(heading=heading, cells=tuple(map(figure, lines)), rank=rank, justify="right")

    columns = (
        Column(heading=group_by, cells=tuple(printable(line.key) for line in lines), least=_LEAST_KEY),
        figures("requests", lambda line: f"{line.requests:,}", 0),
        figures("answered", lambda line: f"{line.answered:,}", 4),
        figures("calls/request", lambda line: ratio(line.attempts, line.requests), 0),
        figures("wasted", lambda line: share(line.wasted, line.attempts), 0),
        figures("mean", lambda line: seconds(line.mean_s), 2),
        figures("95 %", lambda line: seconds(line.p95_s), 3),
        figures("cost", lambda line: f"${line.cost_usd:,.4f}", 1),
    )
    return table_of(columns, width)


def plain(line: ReportLine) -> str:
    """Return one group as one line with tabs between its parts, each of which says what it is."""
    parts = (
        printable(line.key),
        f"{line.requests} requests",
        f"{line.answered} answered",
        f"{ratio(line.attempts, line.requests)} calls/request",
        f"{share(line.wasted, line.attempts)} wasted",
        f"mean {seconds(line.mean_s)}",
        f"95 % within {seconds(line.p95_s)}",
        f"${line.cost_usd:.4f}",
    )
    return "\t".join(parts)


def _simulated(total: ReportLine) -> str:
    part = f"{total.simulated_requests:,} of {total.requests:,} requests and ${total.simulated_cost_usd:,.4f}"
    return f"{part} of the cost were simulated: nothing of them is real."


def notes(sums: ReportSums) -> tuple[str, ...]:
    """Return what a reader must know before believing the numbers."""
    total, unpriced = sums.total, sums.total.attempts_without_price
    return tuple(
        note
        for applies, note in (
            (bool(total.simulated_requests), _simulated(total)),
            (sums.journal == "memory", "Kept in memory: the Executor forgets it when it stops."),
            (bool(unpriced), f"{unpriced} calls have no known price and are not in the cost."),
            (total.sequential_attempts is not None, SEQUENTIAL),
            (bool(sums.trouble), f"Nothing can be written down now: {sums.trouble}"),
            (bool(sums.dropped), f"{sums.dropped} requests could not be written down and are missing."),
        )
        if applies
    )
