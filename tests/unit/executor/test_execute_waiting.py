"""Who answers when the pool is out of quota and the local model is busy: whoever is free first. On a virtual clock."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pointsman.domain.errors import OutOfTime, PoolExhausted
from pointsman.domain.trail import Outcome, Skip
from pointsman.executor.course import Execution
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.past import BINS
from pointsman.executor.quota import MINUTE_S
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.adapter import FakeAdapter, ended
from tests.unit.executor.making import candidate, engine, estimate, limit, request

START = datetime(2026, 11, 22, tzinfo=UTC)
LIMITED = candidate("a/m", limits=[limit(1)])
LOCAL = candidate("local/m", local=True)


def second_request(*, seconds: float, local_busy_s: float) -> tuple[Execution, float]:
    """Return the second of two requests and its end, the first having used up the quota of a minute."""

    async def story(clock: VirtualClock) -> tuple[Execution, float]:
        adapters = {"a": FakeAdapter(), "local": FakeAdapter()}
        made = engine(LIMITED, clock=clock, adapters=adapters, fallback=LOCAL)
        assert made.fallback
        await made.fallback.take_slot("", 1.0)
        asyncio.get_running_loop().call_later(local_busy_s, made.fallback.free_slot)
        await made.execute(request(), "quick", deadline=clock.monotonic() + seconds)
        return await made.execute(request(), "quick", deadline=clock.monotonic() + seconds), clock.monotonic()

    return run_virtual(story, start=START)


def test_the_candidate_whose_quota_renews_first_answers() -> None:
    execution, at = second_request(seconds=100.0, local_busy_s=1_000.0)

    assert execution.attempt.candidate == "a/m"
    assert not execution.degraded
    assert 60.0 <= at <= 62.0


def test_the_local_model_that_is_free_first_answers() -> None:
    execution, at = second_request(seconds=100.0, local_busy_s=10.0)

    assert execution.attempt.candidate == "local/m"
    assert at == pytest.approx(10.0, abs=0.1)


def test_nobody_free_before_the_deadline_says_when_somebody_will_be() -> None:
    with pytest.raises(PoolExhausted) as caught:
        second_request(seconds=30.0, local_busy_s=1_000.0)

    assert caught.value.ready_at == START + timedelta(seconds=MINUTE_S + MINUTE_S / BINS)


def test_nobody_leaves_the_queue_of_the_local_model_for_a_candidate_that_has_failed_already() -> None:
    one, other = candidate("a/m"), candidate("b/m", limits=[limit(1)])

    async def story(clock: VirtualClock) -> list[str]:
        refused = ended(Outcome.RATE_LIMITED, retry_after_s=80.0)
        adapters = {
            "a": FakeAdapter(otherwise=refused),
            "b": FakeAdapter(otherwise=ended(Outcome.NETWORK)),
            "local": FakeAdapter(),
        }
        made = engine(one, other, clock=clock, adapters=adapters, fallback=LOCAL)
        assert made.fallback
        await made.fallback.take_slot("", 1.0)
        asyncio.get_running_loop().call_later(100.0, made.fallback.free_slot)
        served = []

        async def ask(name: str, after_s: float, *, local_only: bool) -> None:
            await clock.sleep(after_s)
            asked = request(text=name, local_only=local_only)
            await made.execute(asked, "quick", deadline=clock.monotonic() + 200.0)
            served.append(name)

        reservation = await made.ledger.reserve(other, estimate())
        assert isinstance(reservation, Reservation)
        await made.ledger.settle(reservation, Settlement(outcome=Outcome.ANSWERED))
        # Free again: other after a minute, one after 80 s, the local model after 100 s.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask("first", 0.0, local_only=False))
            tasks.create_task(ask("second", 70.0, local_only=True))
        return served

    assert run_virtual(story, start=START) == ["first", "second"]


@pytest.mark.parametrize(
    "seconds, detail",
    [
        pytest.param(0.2, "0.20 s left; 0.25 s needed", id="nobody-waited-for-it"),
        pytest.param(0.3, "the local model was busy until the deadline", id="it-was-waited-for"),
    ],
)
def test_the_local_model_is_called_busy_only_where_it_was_waited_for(seconds: float, detail: str) -> None:
    async def story(clock: VirtualClock) -> Skip:
        adapters = {"a": FakeAdapter(), "local": FakeAdapter()}
        made = engine(candidate("a/m"), clock=clock, adapters=adapters, fallback=LOCAL)
        assert made.fallback
        await made.fallback.take_slot("", 1.0)
        with pytest.raises(OutOfTime) as caught:
            await made.execute(request(), "quick", deadline=clock.monotonic() + seconds)
        assert caught.value.trail
        return list(caught.value.trail.skips)[-1]

    skip = run_virtual(story, start=START)

    assert (skip.candidate, skip.detail) == ("local/m", detail)
