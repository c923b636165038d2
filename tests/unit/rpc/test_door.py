import asyncio
import gc

import grpc

from pointsman.rpc.callers import CALLER_KEY, told_by_router
from pointsman.rpc.door import Door
from pointsman.rpc.inprocess.context import CallContext
from tests.fakes.clock import FakeClock


def semaphores() -> int:
    return sum(isinstance(each, asyncio.Semaphore) for each in gc.get_objects())


async def test_a_door_forgets_callers_who_have_been_read() -> None:
    door = Door(most_calls=8, most_bytes=8, clock=FakeClock(), who_calls=told_by_router)
    before = semaphores()

    for number in range(100):
        metadata = ((CALLER_KEY, f"nobody-{number}"),)
        context = CallContext("hi", metadata, None, asyncio.get_running_loop())
        with door.opened(metadata, context) as visit:
            assert await visit.read(context) == "hi"
            assert await visit.read(context) is grpc.aio.EOF

    assert semaphores() == before
