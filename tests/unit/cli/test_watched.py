from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pointsman.cli.executor import ExecutorCalls, Listing, ReportSums
from pointsman.cli.watched import SUMS_S, Candidates, Today
from pointsman.domain.errors import ExecutorDown, JournalDown, OutOfTime, PointsmanError
from tests.fakes.clock import START, FakeClock
from tests.unit.cli.activities import sums
from tests.unit.cli.test_pools import READY

OTHER = replace(READY, id="openai/gpt-4")


class FakeReports(ExecutorCalls):
    """An Executor that answers with each of these in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers: ReportSums | PointsmanError) -> None:
        self._answers: Sequence[ReportSums | PointsmanError] = answers
        self.asked: list[datetime | None] = []

    async def report(self, group_by: str, since: datetime | None, *, with_details: bool = False) -> ReportSums:
        assert (group_by, with_details) == ("", False)
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(since)
        if isinstance(answer, PointsmanError):
            raise answer
        return answer


def listing(*lines: object) -> Listing:
    return Listing(candidates=lines, message={})  # type: ignore[arg-type]  # lines of candidates


def test_a_state_takes_the_place_of_the_older_one() -> None:
    candidates = Candidates(START.date())
    candidates.take(listing(replace(READY, in_flight=2), OTHER), START)
    candidates.take(listing(replace(READY, in_flight=5)), START)

    assert [(line.id, line.in_flight) for line in candidates.at(START)] == [(READY.id, 5), (OTHER.id, 0)]
    assert candidates.in_flight == 5


def test_a_day_begins_with_nothing_wasted() -> None:
    candidates = Candidates(START.date())
    candidates.take(listing(replace(READY, wasted_today=3)), START)

    assert [candidates.at(START + timedelta(days=day))[0].wasted_today for day in (0, 1)] == [3, 0]


def test_those_of_another_executor_are_forgotten() -> None:
    candidates = Candidates(START.date())
    candidates.take(listing(READY), START)

    candidates.clear()

    assert candidates.at(START) == []


async def test_sums_are_those_since_midnight_and_asked_for_now_and_then() -> None:
    clock, executor = FakeClock(), FakeReports(sums(1.0), sums(2.0))
    today = Today(clock)
    costs = []

    for wait_s in (0.0, SUMS_S / 2, SUMS_S / 2):
        clock.advance(wait_s)
        await today.sum_up(executor)
        assert today.sums
        costs.append(today.sums.total.cost_usd)

    assert costs == [1.0, 1.0, 2.0]
    assert executor.asked == [datetime(2026, 11, 22, tzinfo=START.tzinfo)] * 2


async def test_after_midnight_yesterday_is_not_shown_and_today_is_asked_for_at_once() -> None:
    clock, executor = FakeClock(datetime(2026, 11, 22, 23, 59, 59, tzinfo=START.tzinfo)), FakeReports(sums(1.0))
    today = Today(clock)
    await today.sum_up(executor)

    clock.advance(1.0)
    stale = today.sums
    await today.sum_up(executor)

    assert stale is None
    assert today.sums
    assert executor.asked[-1] == datetime(2026, 11, 23, tzinfo=START.tzinfo)


@pytest.mark.parametrize("error", [JournalDown("disk full"), OutOfTime("too slow")], ids=["away", "slow"])
async def test_a_journal_that_cannot_be_read_hides_the_sums_and_nothing_else(error: PointsmanError) -> None:
    clock = FakeClock()
    today, executor = Today(clock), FakeReports(sums(1.0), error)

    await today.sum_up(executor)
    clock.advance(SUMS_S)
    await today.sum_up(executor)

    assert today.sums is None


async def test_an_executor_that_is_gone_is_not_hidden() -> None:
    with pytest.raises(ExecutorDown):
        await Today(FakeClock()).sum_up(FakeReports(ExecutorDown("gone")))
