"""`pointsman route`: have one prompt answered by a running stack, whole. As it comes: `route_stream`."""

import sys

from pointsman.cli.ask import GIVEN_UP, Ask, failures_said
from pointsman.cli.executor import as_json as message_as_json
from pointsman.cli.failure import Stopped
from pointsman.cli.loop import run
from pointsman.cli.notes import of_answer
from pointsman.cli.terminal import print_json, printable, screen
from pointsman.domain.clock import SystemClock
from pointsman.rpc.requests import options_to_pb
from pointsman_client import Answer


def route(ask: Ask, *, as_json: bool) -> None:
    """Print the answer on standard output, and how it came about on standard error. Raises Failure, Stopped."""
    try:
        answer, duration_s = run(_route(ask, as_json=as_json))
    except KeyboardInterrupt:
        raise Stopped(GIVEN_UP) from None
    if as_json:
        print_json(message_as_json(answer.response))
        return
    # A pipe gets the very text; a terminal must not be steered by it.
    print(printable(answer.text) if sys.stdout.isatty() else answer.text, flush=True)
    of_answer(answer, duration_s=duration_s).print(screen(stderr=True))


async def _route(ask: Ask, *, as_json: bool) -> tuple[Answer, float]:
    clock = SystemClock()
    started_s = clock.monotonic()
    async with ask.client() as client:
        with failures_said(ask.address, as_json=as_json):
            answer = await client.route(
                ask.text, images=ask.images, options=options_to_pb(ask.options), timeout_s=ask.timeout_s
            )
    return answer, clock.monotonic() - started_s
