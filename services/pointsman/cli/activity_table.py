"""What a stack is doing, as people read it on a terminal and as scripts read it in a pipe. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.table import Table

from pointsman.cli.columns import JOINT, Column, table_of
from pointsman.cli.executor import ActivityNews
from pointsman.cli.report_page import HOPS
from pointsman.cli.terminal import count, dollars, printable, ratio, seconds, share

NOW_S: Final = 10
"""Whole seconds behind the rate of requests that is called "now"."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_IN_WORDS: Final = 60  # screen columns from which on hops are named in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the overview: what it is about, and parts that stay whole. `is_alarming`: somebody should look."""

    name: str
    parts: tuple[str, ...]
    is_alarming: bool = False


def figures(activity: ActivityNews, *, in_flight: int, today_usd: float | None) -> list[Figure]:
    """Return the figures in words; `today_usd` is what this day (UTC) cost so far, None when nobody can say."""
    minute, start = activity.last_minute, activity.since_start
    calls = ratio(minute.attempts, minute.requests)
    return [
        Figure(
            name="requests",
            parts=(
                f"{rate_now(activity):.1f}/s now",
                f"{rate(activity):.1f}/s in the last minute",
                f"{count(minute.requests)} in it",
                f"{count(in_flight)} calls in flight",
            ),
        ),
        Figure(
            name="answered",
            parts=(
                f"{share(minute.answered, minute.requests)} of them",
                f"{share(minute.answered_locally, minute.answered)} on this machine",
                f"{share(start.answered, start.requests)} since the start",
            ),
        ),
        Figure(
            name="calls",
            parts=(
                f"{calls} a request",
                f"{count(minute.wasted)} wasted, {count(start.wasted)} since the start",
                f"{count(minute.unproductive)} without an answer",
            ),
            is_alarming=minute.wasted > 0,
        ),
        Figure(name="cost", parts=_costs(activity, today_usd)),
    ]


def trend(by_second: Sequence[int], width: int) -> str:
    """Return one bar a second, the latest on the right, at most `width` of them; the highest is as high as can be."""
    shown = by_second[-width:] if width > 0 else ()
    highest = max(shown, default=0)
    return "".join(_BARS[-(-each * (len(_BARS) - 1) // highest)] if highest else _BARS[0] for each in shown)


def latencies(activity: ActivityNews, *, width: int) -> Table:
    """Return how long each hop took lately, for a terminal of `width` columns."""
    hops = activity.hops
    names = HOPS if width >= _IN_WORDS else {}
    columns = (
        Column(
            heading="time in the last minute" if names else "last minute",
            cells=tuple(printable(names.get(hop.hop, hop.hop)) for hop in hops),
        ),
        Column(heading="p50", cells=tuple(seconds(hop.p50_s) for hop in hops), justify="right"),
        Column(heading="p95", cells=tuple(seconds(hop.p95_s) for hop in hops), justify="right"),
        Column(heading="measured", cells=tuple(count(hop.count) for hop in hops), rank=1, justify="right"),
    )
    return table_of(columns, width)


def plain(activity: ActivityNews, now: datetime, *, in_flight: int, today_usd: float | None) -> str:
    """Return all of it as one line with tabs between its parts, each of which says what it is."""
    parts = (
        f"{now:%H:%M:%S} UTC",
        *(
            f"{figure.name}: {'; '.join(figure.parts)}"
            for figure in figures(activity, in_flight=in_flight, today_usd=today_usd)
        ),
        *(f"{hop.hop}: p50 {seconds(hop.p50_s)}; p95 {seconds(hop.p95_s)}; {hop.count} times" for hop in activity.hops),
    )
    return "\t".join(" ".join(printable(part).split()) for part in parts)


def rate_now(activity: ActivityNews) -> float:
    """Return requests a second over the latest NOW_S whole seconds, those that there are."""
    whole = activity.by_second[:-1][-NOW_S:]
    return sum(whole) / len(whole) if whole else 0.0


def rate(activity: ActivityNews) -> float:
    """Return requests a second over the whole window; a window of less than a second counts as one."""
    return activity.last_minute.requests / max(activity.window_s, 1.0)


def _costs(activity: ActivityNews, today_usd: float | None) -> tuple[str, ...]:
    minute, start = activity.last_minute, activity.since_start
    today = "not known today: the journal cannot be read" if today_usd is None else f"{dollars(today_usd)} today (UTC)"
    unpriced = start.attempts_without_price
    return (
        f"{dollars(minute.cost_usd)} in the last minute",
        today,
        f"{dollars(start.cost_usd)} since the start",
        *((f"{count(unpriced)} calls of unknown price beside it",) if unpriced else ()),
    )


def heading(activity: ActivityNews, address: str, now: datetime) -> str:
    """Return what is shown, of when, and how it ends."""
    up_s = (now - activity.started_at).total_seconds()
    return JOINT.join((f"{now:%H:%M:%S} UTC", f"Executor at {address}, up {seconds(max(up_s, 0.0))}", "Ctrl-C ends"))
