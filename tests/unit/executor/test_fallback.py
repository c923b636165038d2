"""The queue before the local model: bounded, shared among callers, who take turns."""

import asyncio

from pointsman.domain.places import Denied, Places
from pointsman.executor.fallback import Fallback
from tests.unit.executor.making import candidate


def made(*, queue: int = 8) -> Fallback:
    return Fallback(candidate=candidate("local/m", local=True), concurrency=1, queue=Places(queue), timeout_s=30.0)


async def served(fallback: Fallback, *callers: str) -> list[str]:
    """Have callers wait in this order while a slot is taken, free it, and return in which order they got it."""
    order: list[str] = []

    async def wait(caller: str) -> None:
        assert await fallback.take_slot(caller, 10.0)
        order.append(caller)
        fallback.free_slot()

    await fallback.take_slot("", 1.0)
    waiting = [asyncio.ensure_future(wait(caller)) for caller in callers]
    await asyncio.sleep(0)  # noqa: TID251 - all stand in line
    fallback.free_slot()
    await asyncio.gather(*waiting)
    return order


async def test_callers_take_turns_however_many_one_of_them_has_in_line() -> None:
    order = await served(made(), "alice", "alice", "alice", "alice", "bob", "carol", "bob")

    assert order == ["alice", "bob", "carol", "alice", "bob", "alice", "alice"]


async def test_without_names_who_came_first_is_served_first() -> None:
    fallback = made()
    await fallback.take_slot("", 1.0)
    first, second = (asyncio.ensure_future(fallback.take_slot("", 10.0)) for _ in range(2))
    await asyncio.sleep(0)  # noqa: TID251 - both stand in line

    fallback.free_slot()

    assert await first
    assert not second.done()
    fallback.free_slot()
    assert await second


async def test_a_caller_alone_leaves_places_in_the_queue_for_others() -> None:
    fallback = made(queue=8)
    await fallback.take_slot("", 1.0)
    waiting = [asyncio.ensure_future(fallback.take_slot("alice", 10.0)) for _ in range(6)]
    await asyncio.sleep(0)  # noqa: TID251 - all stand in line

    assert fallback.denied("alice") is Denied.SHARE
    assert fallback.denied("bob") is None
    assert fallback.waiting == 6
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert fallback.waiting == 0


async def test_who_leaves_the_line_is_passed_over_and_no_slot_is_lost() -> None:
    fallback = made()
    await fallback.take_slot("", 1.0)
    leaving, staying = (asyncio.ensure_future(fallback.take_slot("alice", 10.0)) for _ in range(2))
    await asyncio.sleep(0)  # noqa: TID251 - both stand in line

    leaving.cancel()
    fallback.free_slot()

    assert await staying
    assert fallback.is_busy
    fallback.free_slot()
    assert not fallback.is_busy


async def test_who_is_cancelled_as_its_turn_comes_hands_the_slot_on() -> None:
    fallback = made()
    await fallback.take_slot("", 1.0)
    unlucky, next_one = (asyncio.ensure_future(fallback.take_slot(name, 10.0)) for name in ("alice", "bob"))
    await asyncio.sleep(0)  # noqa: TID251 - both stand in line

    fallback.free_slot()
    unlucky.cancel()

    assert await next_one
    assert fallback.waiting == 0


async def test_a_slot_that_does_not_come_in_time_is_not_taken() -> None:
    fallback = made()
    await fallback.take_slot("", 1.0)

    assert not await fallback.take_slot("alice", 0.001)
    assert not await fallback.take_slot("alice", 0.0)
    fallback.free_slot()
    assert not fallback.is_busy
