"""The figures of a rehearsal for people: totals, candidates, and the limits that bind."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from pointsman.cli.columns import JOINT, Column, table_of
from pointsman.cli.rehearsal_tally import Bound, Line, Tally
from pointsman.cli.terminal import dollars, printable, say, seconds
from pointsman.domain.pool import Unit

LEAST_WHY: Final = 24
DAY_S: Final = 86_400.0
PERIODS: Final = {60.0: "a minute", 3_600.0: "an hour", DAY_S: "a day"}


def show(out: Console, tally: Tally) -> None:
    """Print it all; a pipe gets lines with tabs between the parts."""
    if not out.is_terminal:
        for line in plain(tally):
            say(out, line)
        return
    out.print(table_of(totals(tally), out.width))
    out.print()
    out.print(table_of(lines(tally), out.width))
    out.print()
    if tally.bound_at:
        out.print(table_of(limits(tally), out.width))
    else:
        say(out, "No limit ever kept a candidate from being called.")


def totals(tally: Tally) -> tuple[Column, ...]:
    """Return what was asked of it and what it took, one figure a row."""
    rows = _totals(tally)
    return (
        Column(heading="figure", cells=tuple(name for name, _ in rows)),
        Column(heading="rehearsed", cells=tuple(value for _, value in rows), justify="right"),
    )


def lines(tally: Tally) -> tuple[Column, ...]:
    """Return one row a candidate."""
    every = tally.lines.items()
    requests = max(1, tally.requests)

    def numbers(heading: str, cells: Sequence[str], rank: int) -> Column:
        return Column(heading=heading, cells=tuple(cells), rank=rank, justify="right")

    return (
        Column(heading="candidate", cells=tuple(printable(name) for name, _ in every)),
        numbers("answered", [f"{line.answered:,}" for _, line in every], 0),
        numbers("share", [f"{line.answered / requests:.1%}" for _, line in every], 1),
        numbers("calls", [f"{line.calls:,}" for _, line in every], 5),
        numbers("wasted", [f"{line.wasted:,}" for _, line in every], 3),
        numbers("cost a month", [dollars(_monthly(line, tally)) for _, line in every], 2),
        Column(heading="passed over", cells=tuple(_why(line) for _, line in every), rank=4, least=LEAST_WHY),
    )


def limits(tally: Tally) -> tuple[Column, ...]:
    """Return one row a limit that bound, the most binding first."""
    every = binding(tally)
    return (
        Column(heading="limit that binds", cells=tuple(printable(name_of(bound)) for bound in every)),
        Column(
            heading="minutes a day",
            cells=tuple(f"{tally.minutes_a_day(bound):,.0f}" for bound in every),
            justify="right",
        ),
        Column(heading="mostly", cells=tuple(when(tally.bound_at[bound]) for bound in every), rank=1),
    )


def plain(tally: Tally) -> list[str]:
    """Return everything as lines with tabs between their parts, for grep."""
    said = [f"{name}\t{value}" for name, value in _totals(tally)]
    said += [
        f"{printable(name)}\t{line.answered} answered\t{line.calls} calls\t{line.wasted} wasted"
        f"\t{dollars(_monthly(line, tally))} a month\t{_why(line)}"
        for name, line in tally.lines.items()
    ]
    said += [
        f"{printable(name_of(bound))}\tbinds {tally.minutes_a_day(bound):.0f} minutes a day"
        f"\tmostly {when(tally.bound_at[bound])}"
        for bound in binding(tally)
    ]
    return said


def binding(tally: Tally) -> list[Bound]:
    """Return the limits that bound, the most binding first."""
    return sorted(tally.bound_at, key=lambda bound: (-tally.minutes_a_day(bound), bound))


def name_of(bound: Bound) -> str:
    """Return a limit in words: "group:gemini-flash: 1,000 requests a day"."""
    unit = "calls" if bound.unit == Unit.CONCURRENCY else bound.unit.replace("_", " ")
    span = PERIODS.get(bound.period_s, f"in {seconds(bound.period_s)}") if bound.period_s else "at once"
    return f"{bound.scope}: {bound.amount:,} {unit} {span}"


def when(minutes: Sequence[int]) -> str:
    """Return the hours of the day in which a limit bound at least half as much as in its worst: "11:00 to 24:00"."""
    hours = [sum(minutes[begin : begin + 60]) for begin in range(0, len(minutes), 60)]
    busy = [hour for hour, count in enumerate(hours) if 2 * count >= max(hours)]
    spans: list[list[int]] = []
    for hour in busy:
        if spans and spans[-1][1] == hour:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    return ", ".join(f"{begin:02}:00 to {end:02}:00" for begin, end in spans)


def _totals(tally: Tally) -> tuple[tuple[str, str], ...]:
    figures = tally.figures()
    return (
        ("requests", f"{tally.requests:,}"),
        ("calls per request", f"{figures['calls_per_request']:.3f}"),
        ("wasted calls", f"{tally.wasted:,} ({figures['wasted_share']:.2%})"),
        ("lost requests", f"{tally.lost:,}"),
        ("answered by the local fallback", f"{tally.by_fallback:,} ({figures['fallback_share']:.2%})"),
        ("mean response", seconds(figures["mean_s"])),
        ("95 of 100 within", seconds(figures["p95_s"])),
        ("cost a month (30 days)", dollars(tally.cost_usd_a_month)),
    )


def _monthly(line: Line, tally: Tally) -> float:
    return line.cost_usd / tally.days * 30


def _why(line: Line) -> str:
    return JOINT.join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in line.skipped.most_common()) or "–"
