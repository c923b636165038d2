"""How many calls of a caller are read at once, who comes next, and what becomes of a place whose taker has left."""

import asyncio
from collections.abc import Awaitable, Callable

from pointsman.rpc.inprocess.context import CallContext
from pointsman.rpc.readers import PATIENCE_S, READERS, Readers
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.clock import START


class Slow(CallContext):
    """A call whose message comes when the test says so."""

    def __init__(self) -> None:
        super().__init__("?", (), None, asyncio.get_running_loop())
        self.is_read = False
        self.sent = asyncio.Event()

    async def read(self) -> object:
        self.is_read = True
        await self.sent.wait()
        return await super().read()


class Crowd:
    """Calls of one caller, one more than are read at once, in the order in which they came."""

    def __init__(self, *, more: int = 1) -> None:
        self.readers = Readers()
        self.calls = [Slow() for _ in range(READERS + more)]
        self.tasks = [asyncio.ensure_future(self.readers.read("alice", call)) for call in self.calls]

    @property
    def read(self) -> list[bool]:
        """Whether each of those is read who came when there was no place."""
        return [call.is_read for call in self.calls[READERS:]]

    async def end(self) -> None:
        for call in self.calls:
            call.sent.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def in_virtual_time(use: Callable[[VirtualClock], Awaitable[None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        await use(clock)

    run_virtual(main, start=START)


def test_one_call_more_than_are_read_at_once_waits_until_one_was_read() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd = Crowd()
        await clock.sleep(PATIENCE_S / 2)
        before = crowd.read
        crowd.calls[0].sent.set()
        await clock.sleep(0.01)

        assert (before, crowd.read) == ([False], [True])
        await crowd.end()

    in_virtual_time(use)


def test_who_waits_longest_is_next() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd = Crowd(more=3)
        await clock.sleep(0.01)
        crowd.calls[0].sent.set()
        crowd.calls[1].sent.set()
        await clock.sleep(0.01)

        assert crowd.read == [True, True, False]
        await crowd.end()

    in_virtual_time(use)


def test_another_caller_is_read_at_once() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd, other = Crowd(), Slow()
        other.sent.set()
        await clock.sleep(0.01)

        assert await crowd.readers.read("bob", other) == "?"
        await crowd.end()

    in_virtual_time(use)


def test_who_has_waited_long_enough_is_read_beside_the_others_and_leaves_no_place_behind() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd = Crowd()
        await clock.sleep(PATIENCE_S + 0.01)
        was_read = crowd.read
        crowd.calls[-1].sent.set()
        await clock.sleep(0.01)
        late = Slow()
        waiting = asyncio.ensure_future(crowd.readers.read("alice", late))
        await clock.sleep(0.01)

        assert (was_read, late.is_read) == ([True], False)
        late.sent.set()
        await crowd.end()
        assert await waiting == "?"

    in_virtual_time(use)


def test_who_leaves_while_waiting_takes_nobodys_place() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd = Crowd(more=2)
        await clock.sleep(0.01)
        crowd.tasks[READERS].cancel()
        crowd.calls[0].sent.set()
        await clock.sleep(0.01)

        assert crowd.read == [False, True]
        await crowd.end()

    in_virtual_time(use)


def test_a_place_that_comes_as_its_taker_leaves_goes_to_the_next() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd = Crowd(more=2)
        await clock.sleep(0.01)
        crowd.tasks[0].cancel()  # hands its place on in the next turn of the loop, before who takes it has run
        await asyncio.sleep(0)  # noqa: TID251 - one turn
        crowd.tasks[READERS].cancel()
        await clock.sleep(0.01)

        assert crowd.read == [False, True]
        await crowd.end()

    in_virtual_time(use)


def test_a_caller_who_has_been_read_is_forgotten() -> None:
    async def use(clock: VirtualClock) -> None:
        crowd = Crowd(more=2)
        await clock.sleep(0.01)
        during = crowd.readers.callers
        await crowd.end()

        assert (during, crowd.readers.callers) == (1, 0)

    in_virtual_time(use)
