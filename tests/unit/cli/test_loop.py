import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import pytest

from pointsman.cli.loop import while_it_is_read


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipe:
    """Both ends of a pipe: what a command writes to, and the number of what somebody reads from."""

    output: IO[str]
    reading: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as output:
        yield Pipe(output=output, reading=reading)


async def wait(pipe: Pipe) -> None:
    with while_it_is_read(pipe.output):
        await asyncio.Event().wait()


async def test_a_wait_ends_as_soon_as_nobody_reads(pipe: Pipe) -> None:
    asyncio.get_running_loop().call_soon(os.close, pipe.reading)

    with pytest.raises(BrokenPipeError):
        await asyncio.wait_for(wait(pipe), 5)


async def test_being_cancelled_for_another_reason_stays_that(pipe: Pipe) -> None:
    waiting = asyncio.ensure_future(wait(pipe))
    asyncio.get_running_loop().call_soon(waiting.cancel)

    with pytest.raises(asyncio.CancelledError):
        await waiting
    os.close(pipe.reading)


async def test_a_pipe_that_is_read_disturbs_nobody(pipe: Pipe) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, done.set)

    with while_it_is_read(pipe.output):
        await done.wait()

    os.close(pipe.reading)
