"""Staying with Redis whatever goes wrong: what is said of it, and how long the next visit is waited for."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import Never

import pytest
from structlog.testing import capture_logs

from pointsman.domain.clock import Clock
from pointsman.executor.ledger.link import LinkDown, Wire
from pointsman.executor.ledger.question import Asked, Late, Target, UnderWay
from pointsman.executor.ledger.stay import Events, Stay
from pointsman.executor.ledger.talk import Talk
from pointsman.simulator.virtual_time import VirtualClock, run_virtual

START = datetime(2026, 11, 27, tzinfo=UTC)
EVENTS = Events(joined="joined", away="away")
TARGET = Target.of((), (), {}, sha=b"sha")


class Steady(Random):
    """Chance that makes no pause longer."""

    def random(self) -> float:
        return 0.0


class NoMirror:
    """Holds nothing."""

    def start_over(self) -> None: ...

    def take_in(self, scopes: object, views: object, at: float) -> None: ...


class Visits(Talk):
    """Talks to nobody: the visits to Redis end as the test says, and when all are over, the stay does."""

    def __init__(self, clock: Clock, *ends: Callable[[], Exception]) -> None:
        super().__init__(nowhere, b"", NoMirror(), clock=clock, lease_s=60.0, timeout_s=1.0)
        self._ends = list(ends)
        self._now = clock.monotonic
        self.at: list[float] = []
        self.lasts_s = 0.0
        self.sent: list[Late] = []

    async def run(self, while_up: Callable[[], Awaitable[None]]) -> Never:
        self.at.append(self._now())
        if not self._ends:
            raise asyncio.CancelledError
        end = self._ends.pop(0)
        if self.lasts_s:
            try:
                async with asyncio.timeout(self.lasts_s):
                    await while_up()
            except TimeoutError:
                raise end() from None
        raise end()

    def ask(self, target: Target, asked: Asked) -> asyncio.Future[bytes]:
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(b'{"now": 0, "scopes": []}')
        return answer

    def send(self, late: Late) -> asyncio.Future[bytes]:
        self.sent.append(late)
        return self.ask(late.target, late.asked)


class Counted:
    """What is counted; it notes by what it goes."""

    replicas = 2

    def __init__(self, trouble: Callable[[], None] = lambda: None) -> None:
        self.goes_by: list[str] = []
        self._trouble = trouble

    async def refresh(self) -> None: ...

    def join(self) -> None:
        self.goes_by.append("redis")

    def part(self) -> None:
        self.goes_by.append("part")
        self._trouble()


async def nowhere() -> Wire:
    raise LinkDown("nowhere")


def down() -> LinkDown:
    return LinkDown("refused")


def broken() -> ZeroDivisionError:
    return ZeroDivisionError("secret")


def several() -> ExceptionGroup[Exception]:
    return ExceptionGroup("of tasks", [LinkDown("what followed"), KeyError("what went wrong")])


def stayed(
    *ends: Callable[[], Exception], lasts_s: float = 0.0, counted: Counted | None = None
) -> tuple[list[float], list[tuple[str, str]]]:
    """Return the pauses between the visits, and what was logged: level and reason, or event where it has none."""

    async def main(clock: VirtualClock) -> list[float]:
        talk = Visits(clock, *ends)
        talk.lasts_s = lasts_s
        with pytest.raises(asyncio.CancelledError):
            await Stay(counted or Counted(), talk, {}, EVENTS, clock, Steady()).keep()
        return talk.at

    with capture_logs() as lines:
        at = run_virtual(main, start=START)
    pauses = [round(later - earlier - lasts_s, 3) for earlier, later in itertools.pairwise(at)]
    return pauses, [(line["log_level"], line.get("reason", line["event"])) for line in lines]


FAULT = "a fault of Pointsman's, ZeroDivisionError"


@pytest.mark.parametrize("end", [down, broken, several], ids=["away", "an error", "a group of them"])
def test_the_pause_grows_up_to_a_bound(end: Callable[[], Exception]) -> None:
    pauses, _ = stayed(*[end] * 8)

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


@pytest.mark.parametrize("lasts_s, then_s", [(1.0, 0.4), (11.0, 0.2)], ids=["a short one", "a steady one"])
def test_only_a_steady_visit_makes_the_pause_short_again(lasts_s: float, then_s: float) -> None:
    pauses, _ = stayed(down, down, lasts_s=lasts_s)

    assert pauses == [0.2, then_s]


@pytest.mark.parametrize(
    "end, said",
    [
        pytest.param(down, ("warning", "refused"), id="away"),
        pytest.param(broken, ("error", FAULT), id="an error"),
        pytest.param(several, ("error", "a fault of Pointsman's, KeyError"), id="a group of them"),
    ],
)
def test_what_is_wrong_is_said_once(end: Callable[[], Exception], said: tuple[str, str]) -> None:
    _, lines = stayed(*[end] * 5)

    assert lines == [said]


def test_a_fault_is_said_though_redis_was_away_before() -> None:
    _, lines = stayed(down, broken, broken, down)

    assert lines == [("warning", "refused"), ("error", FAULT)]


def test_a_fault_that_comes_back_after_each_start_is_an_error_once() -> None:
    _, lines = stayed(broken, broken, lasts_s=1.0)

    assert lines == [("info", "joined"), ("error", FAULT), ("info", "joined"), ("warning", FAULT)]


def test_a_part_that_cannot_be_made_does_not_end_the_stay() -> None:
    def trouble() -> None:
        raise ZeroDivisionError

    counted = Counted(trouble)

    pauses, lines = stayed(down, down, lasts_s=1.0, counted=counted)

    assert len(pauses) == 2
    assert counted.goes_by == ["redis", "part", "redis", "part"]
    assert ("error", FAULT) in lines


@pytest.mark.parametrize("left_here", [False, True], ids=["a call that redis knows", "one that it does not know"])
def test_news_say_when_a_call_left_only_if_redis_does_not_know_it(*, left_here: bool) -> None:
    call = UnderWay(id="1", target=TARGET, held={}, left_at=0.0, left_here=left_here)

    async def main(clock: VirtualClock) -> list[Late]:
        talk = Visits(clock)
        stay = Stay(Counted(), talk, {}, EVENTS, clock, Steady())
        stay.is_away = False
        stay.tell(call.end({}))
        return talk.sent

    (late,) = run_virtual(main, start=START)

    assert ("age_s" in late.question(10.0, lease_s=60.0)) is left_here


def test_news_of_a_call_that_ended_while_redis_was_away_are_kept_and_say_when_it_left() -> None:
    call = UnderWay(id="1", target=TARGET, held={}, left_at=0.0)

    async def main(clock: VirtualClock) -> tuple[list[Late], list[Late]]:
        talk = Visits(clock)
        Stay(Counted(), talk, {}, EVENTS, clock, Steady()).tell(call.end({}))
        return talk.sent, list(talk.late)

    sent, (late,) = run_virtual(main, start=START)

    assert (sent, late.question(10.0, lease_s=60.0)["age_s"]) == ([], 10.0)
    assert "age_s" not in late.question(61.0, lease_s=60.0)  # Redis has counted it by itself
