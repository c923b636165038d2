"""What an Execute costs is held here on every run of CI; `make bench ARGS="--only guard"` prints it."""

import time

import pytest

from tests.bench import guard
from tests.bench.in_process import bare, executing, is_right, settings_of
from tests.bench.instructions import INSTRUCTIONS, TASK_CLOCK, Counter, Event, NotCounted


async def test_what_is_measured_answers() -> None:
    async with executing(settings_of()) as execute, bare() as exchange:
        answers = [await execute("Where is Seoul?"), await exchange("Where is Seoul?")]

    assert [is_right(answer) for answer in answers] == [True, True]


async def test_an_execute_costs_no_more_bare_exchanges_than_promised() -> None:
    assert await guard.cost() <= guard.MOST_EXCHANGES


async def test_an_execute_that_costs_twice_as_much_is_noticed() -> None:
    async with executing(settings_of()) as execute:
        began = time.process_time()
        for number in range(100):
            await execute(f"Question {number}")
        each_s = (time.process_time() - began) / 100

    def as_much_again() -> None:
        until = time.process_time() + each_s
        while time.process_time() < until:
            pass

    assert await guard.cost(before=as_much_again) > guard.MOST_EXCHANGES


@pytest.mark.parametrize("event", [INSTRUCTIONS, TASK_CLOCK], ids=["instructions", "task clock"])
def test_what_this_thread_does_is_counted_whatever_the_machine_counts(event: Event) -> None:
    with guard.meter(event) as (_, read):
        before = read()

        sum(range(10_000))

        assert read() > before


def test_a_machine_without_such_a_counter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")

    with pytest.raises(NotCounted, match="Linux"):
        Counter()
