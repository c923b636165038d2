"""`pointsman route --stream`: have one prompt answered by a running stack, and read the answer as it comes."""

import sys
from contextlib import aclosing
from typing import Self

from pointsman.cli.ask import GIVEN_UP, Ask, broken_off, failures_said
from pointsman.cli.executor import as_json as message_as_json
from pointsman.cli.failure import Failure, Stopped
from pointsman.cli.loop import run, while_it_is_read
from pointsman.cli.notes import Notes, of_stream
from pointsman.cli.terminal import print_json, printable, screen
from pointsman.domain.clock import Clock, SystemClock
from pointsman.rpc.requests import options_to_pb
from pointsman_client import Stream


def route_stream(ask: Ask, *, as_json: bool) -> None:
    """Print the answer as it comes, and then how it came about on standard error; as JSON one message a line.

    Raises Failure, for an answer that broke off too, and Stopped.
    """
    try:
        notes = run(_route_stream(ask, as_json=as_json))
    except KeyboardInterrupt:
        raise Stopped(GIVEN_UP) from None
    if not as_json:
        notes.print(screen(stderr=True))
    if notes.broke_by:
        raise Failure(broken_off(notes.broke_by))


async def _route_stream(ask: Ask, *, as_json: bool) -> Notes:
    clock = SystemClock()
    started_s, first_s = clock.monotonic(), None
    with while_it_is_read(sys.stdout), failures_said(ask.address, as_json=as_json):
        async with (
            ask.client() as client,
            client.stream(
                ask.text, images=ask.images, options=options_to_pb(ask.options), timeout_s=ask.timeout_s
            ) as stream,
        ):
            if as_json:
                await _print_messages(stream)
            else:
                first_s = await _print_text(stream, clock)
    ended_s = clock.monotonic()
    return of_stream(stream, first_s=None if first_s is None else first_s - started_s, duration_s=ended_s - started_s)


async def _print_messages(stream: Stream) -> None:
    async with aclosing(stream.events()) as events:
        async for event in events:
            print_json(message_as_json(event))


async def _print_text(stream: Stream, clock: Clock) -> float | None:
    """Print each piece as it comes and return when the first was there, on the clock; None when there was none."""
    first_s = None
    with _Page() as page:
        async for text in stream:
            if first_s is None:
                first_s = clock.monotonic()
            page.print(text)
    return first_s


class _Page:
    """Standard output while an answer grows on it; what is left in the middle of a line is ended with one."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._ends_a_line = True

    def print(self, text: str) -> None:
        # A pipe gets the very text; a terminal must not be steered by it.
        shown = printable(text) if self._is_terminal else text
        print(shown, end="", flush=True)
        self._ends_a_line = shown.endswith("\n") if shown else self._ends_a_line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ends_a_line:
            self.print("\n")
