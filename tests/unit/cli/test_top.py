"""Following an Executor that comes and goes, on a clock that jumps. The real one is in tests/wire."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from pointsman.cli.executor import ActivityNews, Listing
from pointsman.cli.failure import Failure
from pointsman.cli.overview import Overview
from pointsman.cli.top import SILENCE_S, Lines, follow
from pointsman.domain.errors import ExecutorDown, PointsmanError, TooManyCalls
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.clock import START, FakeClock
from tests.unit.cli.activities import BUSY, sums
from tests.unit.cli.test_overview import ADDRESS, listing
from tests.unit.cli.test_pools import CROWDED, READY
from tests.unit.cli.test_watched import FakeReports

Step = ActivityNews | PointsmanError | float
DOWN = ExecutorDown("cannot be reached")
FOR_EVER_S = 1e6


class FakeExecutor(FakeReports):
    """An Executor whose activity is one list of steps a visit: news, an error, or seconds of silence."""

    def __init__(self, clock: VirtualClock, *visits: Sequence[Step]) -> None:
        super().__init__(sums(1.0))
        self._clock = clock
        self._visits = [*visits]
        self.visits = 0
        self.open = 0

    async def watch_activity(self, interval_s: float) -> AsyncGenerator[ActivityNews, None]:
        steps = self._visits[min(self.visits, len(self._visits) - 1)]
        self.visits += 1
        self.open += 1
        try:
            for step in steps:
                if isinstance(step, float):
                    await self._clock.sleep(step)
                elif isinstance(step, PointsmanError):
                    raise step
                else:
                    yield step
        finally:
            self.open -= 1

    async def watch_candidates(self, category: str) -> AsyncGenerator[Listing, None]:
        self.open += 1
        try:
            yield listing(READY)
            await self._clock.sleep(FOR_EVER_S)
        finally:
            self.open -= 1


class Told:
    """A display that keeps what it was told, and when."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self.words: list[str] = []

    def show(self) -> None:
        self.words.append("there")

    def lose(self) -> None:
        self.words.append(self._overview.away.split(";")[0])


def followed(*visits: Sequence[Step], seconds: float) -> tuple[list[str], FakeExecutor]:
    """Follow such an Executor for so many seconds; return what was shown, and the Executor."""

    async def main(clock: VirtualClock) -> tuple[list[str], FakeExecutor]:
        overview, executor = Overview(ADDRESS, clock), FakeExecutor(clock, *visits)
        told = Told(overview)
        following = asyncio.ensure_future(follow(executor, overview, told, 1.0))
        await asyncio.wait({following}, timeout=seconds)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        return told.words, executor

    return run_virtual(main, start=START)


def test_each_news_is_shown() -> None:
    words, _ = followed([BUSY, 1.0, BUSY, 1.0, BUSY, FOR_EVER_S], seconds=3.0)

    assert words == ["there"] * 3


def test_an_executor_that_was_never_there_is_a_failure_that_says_what_to_do() -> None:
    with pytest.raises(Failure, match=f"no Executor answers at {ADDRESS}; start a stack with"):
        followed([DOWN], seconds=1.0)


@pytest.mark.parametrize("error", [DOWN, TooManyCalls("as many calls as it takes")], ids=["down", "full"])
def test_one_that_goes_away_is_said_so_once_and_found_again(error: PointsmanError) -> None:
    words, executor = followed([BUSY, 0.5, error], [error], [error], [BUSY, FOR_EVER_S], seconds=5.0)

    assert words == ["there", error.message, "there"]
    assert executor.visits == 4


def test_one_that_says_nothing_counts_as_away() -> None:
    words, _ = followed([BUSY, FOR_EVER_S], seconds=1.0 + SILENCE_S + 0.5)

    assert words == ["there", f"the Executor at {ADDRESS} has said nothing for {1.0 + SILENCE_S:g} s"]


def test_one_that_ends_its_story_counts_as_away() -> None:
    words, _ = followed([BUSY], [BUSY, FOR_EVER_S], seconds=2.0)

    assert words == ["there", f"the Executor at {ADDRESS} has nothing more to say", "there"]


@pytest.mark.parametrize(
    "visits", [pytest.param([[BUSY, FOR_EVER_S]], id="in the midst"), pytest.param([[BUSY, DOWN], [DOWN]], id="away")]
)
def test_no_stream_is_left_open(visits: list[list[Step]]) -> None:
    _, executor = followed(*visits, seconds=3.5)

    assert executor.open == 0


def test_a_pipe_reads_of_a_candidate_again_only_when_its_state_is_another(capsys: pytest.CaptureFixture[str]) -> None:
    overview = Overview(ADDRESS, FakeClock())
    display = Lines(overview)
    overview.take(BUSY)

    for lines in ((READY, CROWDED), (replace(READY, in_flight=3), replace(CROWDED, availability="waiting"))):
        overview.take(listing(*lines))
        display.show()

    told = [line.split("\t")[1:3] for line in capsys.readouterr().out.splitlines() if "requests:" not in line]
    assert told == [[READY.id, "ready"], [CROWDED.id, "ready"], [CROWDED.id, "waiting"]]
