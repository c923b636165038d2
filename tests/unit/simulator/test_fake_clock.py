import asyncio

import pytest

from tests.fakes.clock import START, FakeClock, LeapingClock


async def test_it_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(5))
    await clock.let_others_run()

    clock.advance(4.9)
    await clock.let_others_run()
    was_asleep = clock.sleeping == 1
    clock.advance(0.1)
    await sleeper

    assert was_asleep
    assert clock.sleeping == 0
    assert (clock.now() - START).total_seconds() == clock.monotonic() == pytest.approx(5.0)


async def test_sleepers_wake_in_order_and_cancelled_ones_do_not() -> None:
    clock, woken = FakeClock(), list[int]()

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await clock.let_others_run()
    tasks[2].cancel()
    clock.advance(10)
    await asyncio.wait(tasks)

    assert woken == [1, 3]


async def test_it_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-1)


async def test_the_leaping_one_never_waits() -> None:
    clock = LeapingClock()

    await clock.sleep(3_600)
    await clock.sleep(-1)

    assert clock.monotonic() == 3_600
