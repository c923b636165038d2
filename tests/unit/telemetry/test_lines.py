"""Lines that come close together are written together, none is torn, and an error waits for nobody."""

import io
from collections.abc import Awaitable, Callable
from threading import Thread

from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from pointsman.telemetry.lines import GATHER_S, MOST_BYTES, LineWriter
from tests.fakes.clock import START


class Written(io.BytesIO):
    """Remembers what each write held."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, content: bytes) -> int:  # type: ignore[override]  # lines of the log are bytes and nothing else
        self.writes.append(content)
        return len(content)


class FullDisk(io.BytesIO):
    def write(self, content: object) -> int:
        raise OSError(28, "No space left on device")


def in_a_loop(use: Callable[[VirtualClock], Awaitable[None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        await use(clock)

    run_virtual(main, start=START)


def test_lines_of_a_moment_are_one_write() -> None:
    sink = Written()
    writer = LineWriter(sink)

    async def use(clock: VirtualClock) -> None:
        writer.info(b"a")
        writer.warning("b")
        await clock.sleep(GATHER_S)
        await clock.sleep(0)

    in_a_loop(use)

    assert sink.writes == [b"a\nb\n"]


def test_an_error_is_written_at_once_after_what_waits() -> None:
    sink = Written()
    writer = LineWriter(sink)

    async def use(_: VirtualClock) -> None:
        writer.info(b"a")
        writer.error(b"b")
        assert sink.writes == [b"a\nb\n"]

    in_a_loop(use)


def test_what_waits_is_bounded() -> None:
    sink = Written()
    writer = LineWriter(sink)

    async def use(_: VirtualClock) -> None:
        writer.info(b"a" * MOST_BYTES)
        assert len(sink.writes) == 1

    in_a_loop(use)


def test_a_line_from_another_thread_goes_with_those_that_wait() -> None:
    sink = Written()
    writer = LineWriter(sink)

    async def use(_: VirtualClock) -> None:
        writer.info(b"a")
        thread = Thread(target=writer.warning, args=(b"b",))
        thread.start()
        thread.join()
        assert sink.writes == []
        writer.flush()

    in_a_loop(use)

    assert sink.writes == [b"a\nb\n"]


def test_a_line_without_a_loop_is_written_at_once() -> None:
    sink = Written()

    LineWriter(sink).info(b"a")

    assert sink.writes == [b"a\n"]


def test_a_flush_writes_what_a_loop_left_that_has_ended() -> None:
    sink = Written()
    writer = LineWriter(sink)

    async def use(_: VirtualClock) -> None:
        writer.info(b"a")

    in_a_loop(use)
    writer.flush()

    assert sink.writes == [b"a\n"]


def test_a_later_loop_writes_what_an_ended_one_left() -> None:
    sink = Written()
    writer = LineWriter(sink)

    async def leave(_: VirtualClock) -> None:
        writer.info(b"a")

    async def write(clock: VirtualClock) -> None:
        writer.info(b"b")
        await clock.sleep(2 * GATHER_S)

    in_a_loop(leave)
    in_a_loop(write)

    assert sink.writes == [b"a\nb\n"]


def test_a_full_disk_loses_lines_and_stops_nothing() -> None:
    writer = LineWriter(FullDisk())

    writer.msg(b"a")
    writer.msg("b")

    assert writer.lost == 2


def test_a_line_that_is_no_utf_8_is_written_all_the_same() -> None:
    sink = io.BytesIO()

    LineWriter(sink).msg("\ud800")

    assert sink.getvalue() == b"\\ud800\n"
