"""A limit of time around a part of a task, alone and around another one: exact, on a virtual clock."""

import asyncio

import pytest

from pointsman.executor.time_limit import TimeIsUp, until
from pointsman.simulator.virtual_time import VirtualClock, VirtualTimeLoop, run_virtual
from tests.fakes.clock import START

GRACE_S = 0.01


async def test_it_is_for_tasks_alone() -> None:
    found: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def bound() -> None:
        try:
            with until(1.0, "No answer within", 1.0):
                found.set_result(None)
        except RuntimeError as error:
            found.set_result(error)

    asyncio.get_running_loop().call_soon(bound)

    assert isinstance(await found, RuntimeError)


def test_a_limit_that_is_reached_says_which_it_was() -> None:
    async def main(clock: VirtualClock) -> None:
        with until(1.0, "No answer within", 1.0):
            await clock.sleep(2.0)

    with pytest.raises(TimeIsUp, match=r"^No answer within 1\.00 s\.$"):
        run_virtual(main, start=START)


def test_what_ends_in_time_is_bounded_no_more() -> None:
    async def main(clock: VirtualClock) -> float:
        with until(1.0, "No answer within", 1.0):
            await clock.sleep(0.5)
        await clock.sleep(1.0)
        return clock.monotonic()

    assert run_virtual(main, start=START) == pytest.approx(1.5)


@pytest.mark.parametrize("error", [TimeoutError(), KeyError("a bug")], ids=["a limit of others", "a bug"])
def test_what_is_raised_inside_is_not_taken_for_the_limit(error: Exception) -> None:
    async def main(_: VirtualClock) -> None:
        with until(1.0, "No answer within", 1.0):
            raise error

    with pytest.raises(type(error)):
        run_virtual(main, start=START)


def test_who_is_cancelled_at_the_limit_is_cancelled() -> None:
    async def main(clock: VirtualClock) -> bool:
        async def bounded() -> None:
            with until(1.0, "No answer within", 1.0):
                await clock.sleep(2.0)

        task = asyncio.create_task(bounded())
        asyncio.get_running_loop().call_at(1.0, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run_virtual(main, start=START)


def test_a_task_can_be_bounded_again_behind_a_limit_that_was_reached() -> None:
    async def main(clock: VirtualClock) -> float:
        for at in (1.0, 2.0):
            with pytest.raises(TimeIsUp), until(at, "No answer within", 1.0):
                await clock.sleep(5.0)
        return clock.monotonic()

    assert run_virtual(main, start=START) == pytest.approx(2.0)


def test_a_grace_that_nobody_inside_makes_use_of_is_all_there_is() -> None:
    async def main(clock: VirtualClock) -> float:
        with pytest.raises(TimeIsUp), until(1.0, "No answer within", 1.0, grace_s=GRACE_S):
            await clock.sleep(5.0)
        return clock.monotonic()

    assert run_virtual(main, start=START) == pytest.approx(1.0 + GRACE_S, abs=1e-4)


@pytest.mark.parametrize("stall_s", [0.0, GRACE_S, 2 * GRACE_S, 1.0])
def test_of_two_limits_at_one_instant_the_inner_one_ends_although_the_loop_stalls(stall_s: float) -> None:
    async def main(clock: VirtualClock) -> str:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.call_at(0.999, loop.wait, stall_s)  # in one turn, so that all timers until then are due at once
        with until(1.0, "outer", 1.0, grace_s=GRACE_S):
            try:
                with until(1.0, "inner", 1.0):
                    await clock.sleep(5.0)
            except TimeIsUp as error:
                return str(error)
        raise AssertionError

    assert run_virtual(main, start=START) == "inner 1.00 s."
