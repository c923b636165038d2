"""How long a connection may take to open: a limit of the candidate, where it has one."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from pointsman.domain.pool import TimeLimits
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, Reply
from tests.adapters.wires import CASES
from tests.fakes.patience import within

CASE = CASES[0]
LIMIT_S, PLENTY_S = 0.1, 1.5


@pytest.fixture
def crowded() -> Iterator[str]:
    """A server that accepts nobody and whose queue is full, so that connecting to it hangs."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.0)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def hurried() -> Call:
    call = CASE.call(timeout_s=30.0)
    return replace(call, candidate=replace(call.candidate, time_limits=TimeLimits(connect_s=LIMIT_S)))


async def whole(url: str) -> Reply:
    adapter = CASE.adapter(url)
    try:
        return await adapter.call(hurried())
    finally:
        await adapter.close()


async def streamed(url: str) -> Reply:
    adapter = CASE.adapter(url)
    try:
        (reply,) = [step async for step in adapter.stream(hurried()) if isinstance(step, Reply)]
        return reply
    finally:
        await adapter.close()


@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_connection_that_does_not_open_ends_with_the_limit_of_its_candidate(
    ask: Callable[[str], Awaitable[Reply]], crowded: str
) -> None:
    began = asyncio.get_running_loop().time()

    async with within(PLENTY_S):
        reply = await ask(crowded)

    assert (reply.outcome, reply.detail) == (Outcome.TIMED_OUT, "The connection did not open or move in time.")
    assert asyncio.get_running_loop().time() - began >= LIMIT_S
