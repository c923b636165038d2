import asyncio

import grpc

from pointsman.rpc.callers import CALLER_KEY, told_by_router
from pointsman.rpc.door import Door
from pointsman.rpc.inprocess.context import CallContext
from tests.fakes.clock import FakeClock


async def test_a_door_forgets_callers_who_have_been_read() -> None:
    door = Door(most_calls=8, most_bytes=8, clock=FakeClock(), who_calls=told_by_router)

    for number in range(100):
        context = CallContext("hi", (), None, asyncio.get_running_loop())
        with door.opened({CALLER_KEY: f"nobody-{number}"}, context) as visit:
            assert await visit.read(context) == "hi"
            assert await visit.read(context) is grpc.aio.EOF

    assert door.readers.callers == 0
