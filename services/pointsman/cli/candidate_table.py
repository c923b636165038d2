"""Candidates as people read them on a terminal, and as scripts read them in a pipe. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Final

from rich.table import Table

from pointsman.cli.columns import JOINT, Column, table_of
from pointsman.cli.executor import CandidateLine, Window
from pointsman.cli.terminal import count, printable, seconds
from pointsman.cli.trail_lines import until
from pointsman.domain.trail import SkipReason

STYLES: Final = {"waiting": "yellow", "out": "red"}
PERIODS: Final = {60.0: "/min", 3_600.0: "/h", 86_400.0: "/day"}
SHORT_UNITS: Final = {"requests": "req", "tokens": "tok", "input_tokens": "in", "output_tokens": "out"}

_A_MINUTE_S: Final = 60.0
_LEAST_QUOTA: Final = 27  # screen columns; two windows side by side
_WIDE: Final = 120
_LEAST_QUOTA_IF_WIDE: Final = 50  # three of them


def table(candidates: Sequence[CandidateLine], now: datetime, *, width: int) -> Table:
    """Return the candidates for a terminal of `width` columns; `now` is what waits are counted from."""
    columns = (
        Column(heading="candidate", cells=tuple(printable(line.id) for line in candidates)),
        Column(heading="state", cells=tuple(line.availability for line in candidates)),
        Column(
            heading="in flight", cells=tuple(str(line.in_flight or "") for line in candidates), rank=1, justify="right"
        ),
        Column(
            heading="wasted today" if width >= _WIDE else "wasted",
            cells=tuple(count(line.wasted_today) for line in candidates),
            rank=1,
            justify="right",
        ),
        Column(
            heading="quota left per minute",
            cells=tuple(printable(_standing(line, now)) for line in candidates),
            least=_LEAST_QUOTA if width < _WIDE else _LEAST_QUOTA_IF_WIDE,
        ),
        Column(heading="for", cells=tuple(printable(_purpose(line)) for line in candidates), rank=2),
        Column(heading="key", cells=tuple(_key(line) for line in candidates), rank=3),
        Column(heading="$/Mtok in/out", cells=tuple(_prices(line) for line in candidates), rank=4),
    )
    return table_of(columns, width, [STYLES.get(line.availability) for line in candidates])


def glance(candidates: Sequence[CandidateLine], now: datetime, *, width: int) -> Table:
    """Return one line a candidate whatever the width, with the window that has least left in the place of all."""
    columns = (
        Column(heading="candidate", cells=tuple(printable(line.id) for line in candidates)),
        Column(heading="state", cells=tuple(line.availability for line in candidates)),
        Column(heading="wait", cells=tuple(_wait(line, now) for line in candidates), rank=1, justify="right"),
        Column(
            heading="in flight", cells=tuple(str(line.in_flight or "") for line in candidates), rank=3, justify="right"
        ),
        Column(
            heading="wasted today" if width >= _WIDE else "wasted",
            cells=tuple(count(line.wasted_today) for line in candidates),
            rank=3,
            justify="right",
        ),
        Column(heading="least left", cells=tuple(printable(tightest(line.windows)) for line in candidates), rank=2),
        Column(heading="why", cells=tuple((line.reason or "").replace("_", " ") for line in candidates), rank=4),
        Column(heading="for", cells=tuple(printable(_purpose(line)) for line in candidates), rank=5),
    )
    return table_of(columns, width, [STYLES.get(line.availability) for line in candidates])


def tightest(windows: Sequence[Window]) -> str:
    """Return the window that has the smallest part left, such as "req 3/5"; empty where no limit is known."""
    if not windows:
        return ""
    return _short(min(windows, key=lambda window: window.remaining / max(window.limit, 1)))


def plain(line: CandidateLine, now: datetime) -> str:
    """Return one candidate as one line with tabs between its parts, each of which says what it is."""
    parts = (
        line.id,
        JOINT.join(filter(None, (line.availability, _reason(line, now)))),
        "; ".join(map(headroom, line.windows)) or "no limits known",
        f"{line.in_flight} in flight",
        f"{count(line.wasted_today)} wasted today",
        f"for {_purpose(line)}",
        f"price {_prices(line)}",
        f"key {_key(line)}",
    )
    return "\t".join(" ".join(printable(part).split()) for part in parts)


def aged(line: CandidateLine, now: datetime) -> CandidateLine:
    """Return what became of a state by time alone: windows that are full again, waits that are over."""
    windows = tuple(
        replace(window, remaining=window.limit, renews_at=None)
        if window.renews_at is not None and window.renews_at <= now
        else window
        for window in line.windows
    )
    if line.availability == "waiting" and line.ready_at is not None and line.ready_at <= now:
        return replace(line, windows=windows, availability="ready", reason=None, ready_at=None, detail="")
    return replace(line, windows=windows)


def headroom(window: Window) -> str:
    """Return what is left of one window, such as "37 of 50 requests/min, stated"."""
    period = "" if window.period_s is None else PERIODS.get(window.period_s, f" in {window.period_s:g} s")
    unit = "at once" if window.unit == "concurrency" else window.unit.replace("_", " ")
    return f"{count(window.remaining)} of {count(window.limit)} {unit}{period}, {window.source}"


def short_headroom(windows: Iterable[Window]) -> str:
    """Return what is left of the windows and how their limits are known, such as "req 3/5 · in 52k/60k (stated)"."""
    by_source = groupby(windows, key=lambda window: window.source)
    return JOINT.join(f"{JOINT.join(map(_short, known))} ({source})" for source, known in by_source)


def _short(window: Window) -> str:
    left = f"{count(window.remaining)}/{count(window.limit)}"
    if window.period_s is None:
        return f"{left} at once"
    period = "" if window.period_s == _A_MINUTE_S else PERIODS.get(window.period_s, f"/{window.period_s:g}s")
    return f"{SHORT_UNITS.get(window.unit, window.unit)}{period} {left}"


def _standing(line: CandidateLine, now: datetime) -> str:
    """Return why a candidate cannot be called, if so, and what is left of its quota, if time brings it back."""
    if line.availability == "out":
        return _reason(line, now)
    if line.reason is SkipReason.OUT_OF_QUOTA:  # which the windows tell in fewer words
        line = replace(line, detail="")
    return JOINT.join(filter(None, (_reason(line, now), short_headroom(line.windows))))


def _reason(line: CandidateLine, now: datetime) -> str:
    if line.availability == "ready":
        return ""
    why = ": ".join(filter(None, ((line.reason or "").replace("_", " "), line.detail)))
    return JOINT.join(filter(None, (until(line.ready_at, now), why)))


def _wait(line: CandidateLine, now: datetime) -> str:
    left_s = 0.0 if line.ready_at is None else (line.ready_at - now).total_seconds()
    return seconds(left_s) if line.availability == "waiting" and left_s > 0 else ""


def _purpose(line: CandidateLine) -> str:
    return ", ".join((*line.categories, *(("fallback",) if line.fallback else ()))) or "no pool"


def _prices(line: CandidateLine) -> str:
    if line.local:
        return "0"
    return "unknown" if line.prices_usd is None else "/".join(f"{price:g}" for price in line.prices_usd)


def _key(line: CandidateLine) -> str:
    if not line.api_key_env:
        return "not needed"
    return f"{line.api_key_env} {'missing' if line.reason is SkipReason.NO_CREDENTIALS else 'set'}"
