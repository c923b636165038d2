"""`pointsman top`: what a running stack is doing at this moment, until Ctrl-C."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

from rich.live import Live

from pointsman.cli.activity_table import plain
from pointsman.cli.candidate_table import plain as plain_candidate
from pointsman.cli.executor import ActivityNews, ExecutorCalls, Listing, reaching
from pointsman.cli.loop import run, while_it_is_read
from pointsman.cli.overview import Overview
from pointsman.cli.pools import not_running
from pointsman.cli.terminal import print_json, screen
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import ExecutorDown, Stopping, TooManyCalls
from pointsman_client import Tls

REJOIN_S: Final = 1.0
"""Between two looks for an Executor that went away."""

SILENCE_S: Final = 5.0
"""How much later than promised news may come; then the Executor counts as away, whatever its connection says."""

_Stream = AsyncGenerator[ActivityNews | Listing, None]


class Display(Protocol):
    """Where an overview goes."""

    def show(self) -> None:
        """Show what is known now."""

    def lose(self) -> None:
        """Say that the Executor is away."""


def top(address: str, *, tls: Tls | None, interval_s: float, as_json: bool) -> None:
    """Show what the stack is doing every `interval_s` until Ctrl-C. Raises Failure when there is none to begin with."""
    overview = Overview(address, SystemClock())
    try:
        run(_top(overview, tls, interval_s, as_json=as_json))
    except KeyboardInterrupt:  # the way to end it, so nothing was given up
        return


async def _top(overview: Overview, tls: Tls | None, interval_s: float, *, as_json: bool) -> None:
    async with reaching(overview.address, tls) as executor:
        if as_json:
            with while_it_is_read(sys.stdout):
                await follow(executor, overview, Objects(overview), interval_s)
        elif screen().is_terminal:
            with Live(overview, console=screen(), auto_refresh=False) as live:
                await follow(executor, overview, InPlace(live), interval_s)
        else:
            with while_it_is_read(sys.stdout):
                await follow(executor, overview, Lines(overview), interval_s)


async def follow(executor: ExecutorCalls, overview: Overview, display: Display, interval_s: float) -> None:
    """Show what the Executor tells for as long as this runs, and look for it when it is away.

    Raises Failure when it was never there.
    """
    while True:
        try:
            async with aclosing(_news(executor, overview.address, interval_s)) as arriving:
                async for news in arriving:
                    was_whole = overview.is_whole
                    overview.take(news)
                    if overview.is_whole and (isinstance(news, ActivityNews) or not was_whole):
                        await overview.today.sum_up(executor)
                        display.show()
        except (ExecutorDown, Stopping, TooManyCalls) as error:
            if overview.activity is None:
                raise not_running(overview.address) from error
            stops = isinstance(error, Stopping)
            if overview.leave(f"the Executor at {overview.address} is stopping" if stops else error.message):
                display.lose()
        await overview.clock.sleep(REJOIN_S)


async def _news(executor: ExecutorCalls, address: str, interval_s: float) -> _Stream:
    """Yield what comes of both streams as it comes. Raises ExecutorDown, also when nothing comes for too long."""
    activity: _Stream = executor.watch_activity(interval_s)
    candidates: _Stream = executor.watch_candidates("")
    longest_s = interval_s + SILENCE_S
    async with aclosing(activity), aclosing(candidates):
        coming = {asyncio.ensure_future(anext(stream, None)): stream for stream in (activity, candidates)}
        try:
            while True:
                arrived, _ = await asyncio.wait(coming, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
                if not arrived:
                    raise ExecutorDown(f"the Executor at {address} has said nothing for {longest_s:g} s")
                for each in arrived:
                    stream, news = coming.pop(each), each.result()
                    if news is None:
                        raise ExecutorDown(f"the Executor at {address} has nothing more to say")
                    yield news
                    coming[asyncio.ensure_future(anext(stream, None))] = stream
        finally:
            for each in coming:
                each.cancel()
            await asyncio.gather(*coming, return_exceptions=True)  # so that none fails unheard


class InPlace:
    """On a terminal: drawn again where it stands."""

    def __init__(self, live: Live) -> None:
        """Draw with what is open."""
        self._live = live

    def show(self) -> None:
        """Draw what is known now."""
        self._live.refresh()

    def lose(self) -> None:
        """Draw it with the reason above."""
        self._live.refresh()


class Objects:
    """For scripts: one JSON object each time, and one more when the Executor goes away."""

    def __init__(self, overview: Overview) -> None:
        """Print of this."""
        self._overview = overview

    def show(self) -> None:
        """Print what is known now."""
        print_json(self._overview.as_json())

    def lose(self) -> None:
        """Print what was known, with the reason."""
        print_json(self._overview.as_json())


class Lines:
    """For pipes and logs: one line each time, and one for each candidate whose state is another than before."""

    def __init__(self, overview: Overview) -> None:
        """Print of this."""
        self._overview = overview
        self._told = dict[str, str]()

    def show(self) -> None:
        """Print what is known now."""
        known, now = self._overview, self._overview.clock.now()
        if known.activity is None:
            return
        print(plain(known.activity, now, in_flight=known.candidates.in_flight, today_usd=known.today_usd), flush=True)
        for line in known.candidates.at(now):
            if self._told.get(line.id) != line.availability:
                self._told[line.id] = line.availability
                print(f"{now:%H:%M:%S} UTC\t{plain_candidate(line, now)}", flush=True)

    def lose(self) -> None:
        """Print the reason."""
        print(self._overview.away, flush=True)
