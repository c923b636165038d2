import asyncio
import socket
import threading
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from pointsman.domain.clock import Clock, SystemClock
from pointsman.simulator.virtual_time import Deadlock, VirtualClock, run_virtual

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def test_a_year_passes_in_no_time() -> None:
    real = SystemClock()

    async def main(clock: VirtualClock) -> datetime:
        await clock.sleep(365 * 86_400)
        return clock.now()

    begun = real.monotonic()
    ended = run_virtual(main, start=START)

    assert ended == START + timedelta(days=365)
    assert real.monotonic() - begun < 1.0


def test_sleepers_wake_in_the_order_of_their_instants_and_at_them() -> None:
    woken: list[tuple[float, int]] = []

    async def sleeper(clock: VirtualClock, seconds: float, number: int) -> None:
        await clock.sleep(seconds)
        woken.append((round(clock.monotonic(), 6), number))

    async def main(clock: VirtualClock) -> None:
        async with asyncio.TaskGroup() as group:
            for number, seconds in enumerate((3.0, 0.5, 2.0, 0.5, 0.0)):
                group.create_task(sleeper(clock, seconds, number))

    run_virtual(main, start=START)

    assert woken == [(0.0, 4), (0.5, 1), (0.5, 3), (2.0, 2), (3.0, 0)]


def test_ten_thousand_sleepers_wake_at_their_instants() -> None:
    chance = Random(1)
    durations = [chance.random() * 3_600 for _ in range(10_000)]

    async def lateness(clock: VirtualClock, seconds: float) -> float:
        await clock.sleep(seconds)
        return clock.monotonic() - seconds

    async def main(clock: VirtualClock) -> list[float]:
        return await asyncio.gather(*(lateness(clock, seconds) for seconds in durations))

    late = run_virtual(main, start=START)

    assert max(map(abs, late)) < 1e-5


def test_time_stands_still_while_somebody_works() -> None:
    async def main(clock: VirtualClock) -> float:
        ticking = asyncio.ensure_future(clock.sleep(1))
        for _ in range(1_000):
            await clock.sleep(0)
        at = clock.monotonic()
        await ticking
        return at

    assert run_virtual(main, start=START) == 0.0


def test_a_timeout_ends_what_is_too_slow_at_its_instant_and_spares_what_is_not() -> None:
    async def main(clock: VirtualClock) -> tuple[float, bool]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await clock.sleep(6)
        at = clock.monotonic()
        async with asyncio.timeout(5) as spare:
            await clock.sleep(4.999)
        return at, spare.expired()

    at, is_expired = run_virtual(main, start=START)

    assert at == pytest.approx(5.0)
    assert not is_expired


def test_the_loops_own_timers_run_on_virtual_time() -> None:
    async def main(clock: VirtualClock) -> list[float]:
        loop, fired = asyncio.get_running_loop(), list[float]()
        loop.call_later(10, lambda: fired.append(clock.monotonic()))
        loop.call_at(20, lambda: fired.append(clock.monotonic()))
        loop.call_later(15, lambda: fired.append(-1)).cancel()
        await clock.sleep(30)
        return fired

    assert run_virtual(main, start=START) == pytest.approx([10, 20])


def test_a_cancelled_sleep_ends_at_once_and_leaves_no_timer_behind() -> None:
    async def main(clock: VirtualClock) -> float:
        sleeper = asyncio.ensure_future(clock.sleep(1_000))
        await clock.sleep(1)
        sleeper.cancel()
        await asyncio.wait([sleeper])
        return clock.monotonic()

    assert run_virtual(main, start=START) == pytest.approx(1.0)


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def forgotten(event: asyncio.Event) -> None:
        await event.wait()

    async def main(clock: VirtualClock) -> None:
        await clock.sleep(2)
        await asyncio.create_task(forgotten(asyncio.Event()), name="the one who waits")

    with pytest.raises(Deadlock, match=r"at 2\.000 s and 2 tasks wait: .*the one who waits in .*forgotten"):
        run_virtual(main, start=START)


def test_tasks_left_behind_by_a_deadlock_are_cancelled() -> None:
    ended: list[str] = []

    async def main(_: VirtualClock) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    with pytest.raises(Deadlock):
        run_virtual(main, start=START)

    assert ended == ["cleaned up"]


def test_what_main_raises_is_raised() -> None:
    async def main(_: VirtualClock) -> None:
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        run_virtual(main, start=START)


def test_the_clock_waits_for_threads() -> None:
    entered = threading.Event()

    def work() -> str:
        entered.set()
        return threading.current_thread().name

    async def main(clock: VirtualClock) -> tuple[str, float, bool]:
        name, _ = await asyncio.gather(asyncio.to_thread(work), clock.sleep(5))
        return name, clock.monotonic(), entered.is_set()

    name, at, was_entered = run_virtual(main, start=START)

    assert name != threading.main_thread().name
    assert at == pytest.approx(5.0)
    assert was_entered


def test_a_socket_is_refused_with_the_way_out() -> None:
    async def main(_: VirtualClock) -> None:
        left, right = socket.socketpair()
        with left, right:
            asyncio.get_running_loop().add_reader(left, print)

    with pytest.raises(RuntimeError, match=r"no network in virtual time; use pointsman\.simulator\.transport"):
        run_virtual(main, start=START)


def test_two_runs_are_alike_and_each_begins_at_its_start() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        seen: list[str] = []

        async def walker(name: str, chance: Random) -> None:
            for _ in range(20):
                await clock.sleep(chance.random())
                seen.append(f"{name}{clock.now().isoformat()}")

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(walker(name, Random(name)))
        return seen

    assert run_virtual(main, start=START) == run_virtual(main, start=START)


def test_queues_locks_and_semaphores_work() -> None:
    async def main(clock: VirtualClock) -> tuple[list[int], float]:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        slots = asyncio.Semaphore(2)

        async def produce(number: int) -> None:
            async with slots:
                await clock.sleep(1)
                await queue.put(number)

        async def consume() -> list[int]:
            return [await queue.get() for _ in range(6)]

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(produce(number))
            taken = group.create_task(consume())
        return taken.result(), clock.monotonic()

    taken, at = run_virtual(main, start=START)

    assert sorted(taken) == list(range(6))
    assert at == pytest.approx(3.0)


def test_the_clock_is_a_clock() -> None:
    async def main(clock: VirtualClock) -> tuple[datetime, float]:
        port: Clock = clock
        await port.sleep(-1)
        return port.now(), port.monotonic()

    assert run_virtual(main, start=START) == (START, 0.0)
