"""`pointsman pools`: every candidate of a running stack and its state, once or as it changes."""

import asyncio
import sys
from collections.abc import AsyncIterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from pointsman.cli.candidate_table import plain, table
from pointsman.cli.executor import CandidateLine, ExecutorCalls, Listing, reaching
from pointsman.cli.failure import Failure, how_to_see_one
from pointsman.cli.invocation import program
from pointsman.cli.loop import run, while_it_is_read
from pointsman.cli.terminal import print_json, say, screen
from pointsman.cli.watched import Candidates, Today
from pointsman.domain.clock import Clock, SystemClock
from pointsman.domain.errors import ExecutorDown
from pointsman_client import Tls

TICK_S = 1.0
"""How often a watched table moves on by itself, because waits get shorter."""


def pools(address: str, *, tls: Tls | None, category: str, watch: bool, as_json: bool) -> None:
    """Print the candidates, and with `watch` again whenever something changes. Raises Failure."""
    run(_pools(address, tls, category=category, watch=watch, as_json=as_json))


async def _pools(address: str, tls: Tls | None, *, category: str, watch: bool, as_json: bool) -> None:
    async with reaching(address, tls) as executor:
        try:
            if watch:
                await _watch(executor, category, as_json=as_json)
                return
            listing = await executor.list_candidates(category)
        except ExecutorDown as error:
            raise not_running(address) from error
    if as_json:
        print_json(listing.message)
        return
    out, now = screen(), SystemClock().now()
    if out.is_terminal:
        out.print(table(listing.candidates, now, width=out.width))
    else:
        for line in listing.candidates:
            say(out, plain(line, now))


def not_running(address: str) -> Failure:
    """Return the failure of a call to an Executor that is not there."""
    return Failure(
        f"no Executor answers at {address}; start a stack with `{program()} up`, or name another with --address\n"
        f"{how_to_see_one()}; one that speaks TLS needs --authority, and may need --certificate and --key\n"
        f"what could be called here without one is told by `{program()} doctor`"
    )


async def _watch(executor: ExecutorCalls, category: str, *, as_json: bool) -> None:
    if screen().is_terminal and not as_json:
        await _watch_in_place(executor, category)
        return
    with while_it_is_read(sys.stdout):
        if as_json:
            async for listing in executor.watch_candidates(category):
                print_json(listing.message)
        else:
            await _watch_line_by_line(executor, category)


async def _watch_line_by_line(executor: ExecutorCalls, category: str) -> None:
    """Print one line a candidate, and one more each time that line would read differently."""
    printed, clock = dict[str, CandidateLine](), SystemClock()
    async for listing in executor.watch_candidates(category):
        for line in listing.candidates:
            if printed.get(line.id) != line:
                printed[line.id] = line
                print(plain(line, clock.now()), flush=True)


async def _watch_in_place(executor: ExecutorCalls, category: str) -> None:
    view = Watched(SystemClock())
    with Live(view, console=screen(), auto_refresh=False) as live:
        async for listing in _ticking(executor.watch_candidates(category)):
            if listing is not None:
                view.take(listing)
            await view.sum_up(executor)
            live.refresh()


async def _ticking(listings: AsyncIterator[Listing]) -> AsyncIterator[Listing | None]:
    """Yield each listing when it comes, and None whenever TICK_S went by without one."""
    coming = asyncio.ensure_future(anext(listings, None))
    try:
        while True:
            arrived, _ = await asyncio.wait({coming}, timeout=TICK_S)
            if not arrived:
                yield None
                continue
            if (listing := coming.result()) is None:
                return
            yield listing
            coming = asyncio.ensure_future(anext(listings, None))
    finally:
        coming.cancel()
        await asyncio.wait({coming})


class Watched:
    """The table of `pools --watch`: as wide as the terminal is at the moment, waits counted from the moment."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing known."""
        self._clock = clock
        self._candidates = Candidates(clock.now().date())
        self._today = Today(clock)

    def take(self, listing: Listing) -> None:
        """Put the states that came in the place of older ones."""
        self._candidates.take(listing, self._clock.now())

    async def sum_up(self, executor: ExecutorCalls) -> None:
        """Ask for the sums of today, now and then."""
        await self._today.sum_up(executor)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table for the width that there is."""
        now = self._clock.now()
        yield Text(f"{now:%H:%M:%S} UTC · {self.summary()} · Ctrl-C ends", style="dim")
        yield table(self._candidates.at(now), now, width=options.max_width)

    def summary(self) -> str:
        """Return what all candidates together do and did today."""
        in_flight, sums = f"{self._candidates.in_flight} in flight", self._today.sums
        if sums is None:
            return in_flight
        return f"{in_flight} · today {sums.total.attempts:,} calls, {sums.total.wasted:,} of them wasted"
