"""The outlet of a stream: what travels together, who waits for whom, and that no more is held than is allowed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pointsman.domain.answer import Delta, ToolCallDelta
from pointsman.executor.outlet import HELD_BYTES, Outlet, Start
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.clock import START
from tests.unit.executor.making import candidate

WINDOW_S = 0.02
BEGINNING = Start(candidate=candidate("a/m"), model="as-served", simulated=False)
Write = Callable[[Outlet, VirtualClock], Coroutine[Any, Any, None]]
Arrival = tuple[float, Start | Delta]


def arrivals(write: Write, *, window_s: float = WINDOW_S, reading_s: float = 0.0) -> list[Arrival]:
    """Return what a reader gets and when, who takes so long over each piece."""

    async def story(clock: VirtualClock) -> list[Arrival]:
        outlet = Outlet(clock=clock, window_s=window_s)
        outlet.begin(BEGINNING)
        seen: list[Arrival] = []

        async def writing() -> None:
            await write(outlet, clock)
            outlet.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writing())
            async for piece in outlet:
                seen.append((round(clock.monotonic(), 6), piece))
                if reading_s:
                    await clock.sleep(reading_s)
        return seen

    return run_virtual(story, start=START)


def paced(texts: str, each_s: float) -> Write:
    """Return a writer of one letter every so many seconds."""

    async def write(outlet: Outlet, clock: VirtualClock) -> None:
        for text in texts:
            outlet.put(Delta(text=text))
            await clock.sleep(each_s)

    return write


def texts(seen: list[Arrival]) -> list[tuple[float, str]]:
    return [(at, piece.text) for at, piece in seen if isinstance(piece, Delta)]


def test_the_start_comes_right_before_the_first_content() -> None:
    seen = arrivals(paced("a", 0.0))

    assert [piece for _, piece in seen] == [BEGINNING, Delta(text="a")]


def test_the_first_content_goes_at_once_and_what_follows_travels_together() -> None:
    seen = arrivals(paced("abcdef", 0.007))

    assert texts(seen) == [(0.0, "a"), (0.02, "bc"), (0.04, "def")]


def test_content_that_comes_after_a_pause_does_not_wait() -> None:
    seen = arrivals(paced("abc", 0.1))

    assert texts(seen) == [(0.0, "a"), (0.1, "b"), (0.2, "c")]


def test_without_a_window_each_delta_travels_alone() -> None:
    seen = arrivals(paced("abc", 0.001), window_s=0.0)

    assert texts(seen) == [(0.0, "a"), (0.001, "b"), (0.002, "c")]


def test_what_is_put_in_one_go_travels_in_one_message_even_without_a_window() -> None:
    async def write(outlet: Outlet, _: VirtualClock) -> None:
        for letter in "abc":
            outlet.put(Delta(text=letter))

    assert texts(arrivals(write, window_s=0.0)) == [(0.0, "abc")]


def test_what_comes_while_the_reader_is_busy_travels_together_even_without_a_window() -> None:
    seen = arrivals(paced("abcdef", 0.01), window_s=0.0, reading_s=0.025)

    # The start takes the reader the first 25 ms; what is there then is one message, and so on.
    assert texts(seen) == [(0.025, "abc"), (0.05, "de"), (0.075, "f")]


def test_the_end_does_not_wait_for_the_window() -> None:
    async def write(outlet: Outlet, clock: VirtualClock) -> None:
        outlet.put(Delta(text="a"))
        await clock.sleep(0.001)
        outlet.put(Delta(text="b"))

    assert texts(arrivals(write)) == [(0.0, "a"), (0.001, "b")]


def test_calls_of_tools_are_bundled_in_order_beside_the_text() -> None:
    one, two = ToolCallDelta(index=0, id="1", name="f"), ToolCallDelta(index=0, arguments_json="{}")

    async def write(outlet: Outlet, clock: VirtualClock) -> None:
        outlet.put(Delta(text="a", tool_calls=(one,)))
        outlet.put(Delta(tool_calls=(two,)))

    assert [piece for _, piece in arrivals(write)][1:] == [Delta(text="a", tool_calls=(one, two))]


def test_a_slow_reader_slows_the_writer_and_no_more_than_the_bound_is_held() -> None:
    put_at: list[float] = []

    async def write(outlet: Outlet, clock: VirtualClock) -> None:
        for _ in range(6):
            outlet.put(Delta(text="x" * (HELD_BYTES // 2)))
            put_at.append(clock.monotonic())
            await outlet.room()

    seen = arrivals(write, reading_s=1.0)

    sizes = [len(text) for _, text in texts(seen)]
    assert sum(sizes) == 3 * HELD_BYTES
    assert max(sizes) <= HELD_BYTES
    assert put_at[-1] >= 2.0


def test_a_full_outlet_does_not_wait_for_the_window() -> None:
    async def write(outlet: Outlet, clock: VirtualClock) -> None:
        outlet.put(Delta(text="a"))
        await clock.sleep(0.001)
        outlet.put(Delta(text="x" * HELD_BYTES))
        await outlet.room()

    assert [at for at, _ in texts(arrivals(write))] == [0.0, 0.001]


def test_a_writer_that_waits_for_room_is_let_go_when_it_is_closed() -> None:
    async def story(clock: VirtualClock) -> bool:
        outlet = Outlet(clock=clock, window_s=WINDOW_S)
        outlet.put(Delta(text="x" * HELD_BYTES))
        waiting = asyncio.ensure_future(outlet.room())
        await clock.sleep(1.0)
        was_waiting = not waiting.done()
        outlet.close()
        await waiting
        return was_waiting

    assert run_virtual(story, start=START)


def test_an_outlet_that_is_closed_empty_gives_nothing() -> None:
    async def write(_: Outlet, clock: VirtualClock) -> None:
        await clock.sleep(1.0)

    assert arrivals(write) == []


@pytest.mark.parametrize(
    "delta, size",
    [
        pytest.param(Delta(text="abc"), 3, id="ascii"),
        pytest.param(Delta(text="안녕"), 6, id="hangul"),
        pytest.param(Delta(text="\ud83d"), 3, id="half a character"),
        pytest.param(Delta(tool_calls=(ToolCallDelta(index=0, name="f", arguments_json='"é"'),)), 5, id="a tool call"),
    ],
)
async def test_content_is_counted_in_bytes(clock: VirtualClock, delta: Delta, size: int) -> None:
    outlet = Outlet(clock=clock, window_s=WINDOW_S)

    outlet.put(delta)

    assert outlet.taken_bytes == size
