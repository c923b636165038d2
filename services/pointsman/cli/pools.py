"""`pointsman pools`: every candidate of a running stack and its state."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from rich.live import Live
from rich.table import Table

from pointsman.cli.executor import CandidateLine, ExecutorCalls, Listing, Window, reaching
from pointsman.cli.explain import until
from pointsman.cli.failure import Failure
from pointsman.cli.loop import run
from pointsman.cli.terminal import count, print_json, printable, screen
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import ExecutorDown
from pointsman.domain.trail import SkipReason

STYLES: Final = {"ready": "green", "waiting": "yellow", "out": "red"}
PERIODS: Final = {60.0: "/min", 3_600.0: "/h", 86_400.0: "/day"}


def pools(address: str, *, category: str, watch: bool, as_json: bool) -> None:
    """Print the candidates, and with `watch` again whenever something changes. Raises Failure."""
    run(_pools(address, category=category, watch=watch, as_json=as_json))


async def _pools(address: str, *, category: str, watch: bool, as_json: bool) -> None:
    async with reaching(address) as executor:
        try:
            if watch:
                await _watch(executor, category, as_json=as_json)
                return
            listing = await executor.list_candidates(category)
        except ExecutorDown as error:
            raise not_running(address) from error
    if as_json:
        print_json(listing.message)
    else:
        screen().print(table(listing.candidates, SystemClock().now()))


async def _watch(executor: ExecutorCalls, category: str, *, as_json: bool) -> None:
    known: dict[str, CandidateLine] = {}
    out, clock = screen(), SystemClock()
    with Live(console=out, auto_refresh=False) as live:
        async for listing in executor.watch_candidates(category):
            known |= {candidate.id: candidate for candidate in listing.candidates}
            if as_json:
                print_json(listing.message)
            elif out.is_terminal:
                live.update(table(known.values(), clock.now()), refresh=True)
            else:
                _print_plain(listing, clock.now())


def not_running(address: str) -> Failure:
    """Return the failure of a call to an Executor that is not there."""
    return Failure(
        f"no Executor answers at {address}; start a stack with `pointsman up`, or name another with --address\n"
        "what could be called here without one is told by `pointsman doctor`"
    )


def table(candidates: Iterable[CandidateLine], now: datetime) -> Table:
    """Return the candidates as people read them; `now` is what waits are counted from."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column("candidate", no_wrap=True)
    made.add_column("for", overflow="fold")
    made.add_column("state", overflow="fold")
    made.add_column("quota left", overflow="fold")
    made.add_column("now", justify="right")
    made.add_column("$/Mtok in/out", no_wrap=True)
    made.add_column("key", overflow="fold")
    for line in candidates:
        made.add_row(
            printable(line.id),
            printable(_purpose(line)),
            printable(_state(line, now)),
            printable("\n".join(map(headroom, line.windows))),
            str(line.in_flight or ""),
            _prices(line),
            _key(line),
            style=None if line.availability == "ready" else STYLES.get(line.availability),
        )
    return made


def headroom(window: Window) -> str:
    """Return what is left of one window, such as "37 of 50 requests/min, stated"."""
    period = "" if window.period_s is None else PERIODS.get(window.period_s, f" in {window.period_s:g} s")
    unit = "at once" if window.unit == "concurrency" else window.unit.replace("_", " ")
    return f"{count(window.remaining)} of {count(window.limit)} {unit}{period}, {window.source}"


def _purpose(line: CandidateLine) -> str:
    return ", ".join((*line.categories, *(("fallback",) if line.fallback else ())))


def _state(line: CandidateLine, now: datetime) -> str:
    if line.availability == "ready":
        return "ready"
    reason = (line.reason or "").replace("_", " ")
    parts = (line.availability, reason, line.detail, until(line.ready_at, now))
    return ": ".join(part for part in parts if part)


def _prices(line: CandidateLine) -> str:
    if line.local:
        return "0"
    return "unknown" if line.prices_usd is None else "/".join(f"{price:g}" for price in line.prices_usd)


def _key(line: CandidateLine) -> str:
    if not line.api_key_env:
        return "not needed"
    return f"{line.api_key_env} {'missing' if line.reason is SkipReason.NO_CREDENTIALS else 'set'}"


def _print_plain(listing: Listing, now: datetime) -> None:
    for line in listing.candidates:
        print(f"{line.id}\t{_state(line, now)}\t{'; '.join(map(headroom, line.windows))}", flush=True)
