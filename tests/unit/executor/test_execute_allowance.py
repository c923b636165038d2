"""The attempt loop and what a caller may use: who is left out, what is charged, and what answers on."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from pointsman.domain.errors import CallerOverBudget, CallerOverRate, CallerUnknown, CandidatesForbidden
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.allowance import Allowance, Allowances, Grant
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from tests.fakes.adapter import ANSWERED, FakeAdapter, Turn, ended
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import candidate, engine, limit, request

A, B = candidate("a/m"), candidate("b/m")
LOCAL = candidate("local/m", local=True)

MOST_USD = Decimal("0.001024")
"""What a call of A can cost at most: 24 tokens of input by estimate and 1,000 of output, a dollar a million."""


def made(clock: FakeClock, *of_a: Turn, local: bool = False, **grant: object) -> tuple[Execute, Allowance]:
    """Return an engine over A and B, and the allowance of alice."""
    adapters = {"a": FakeAdapter(of_a), "b": FakeAdapter(), "local": FakeAdapter()}
    execute = engine(A, B, clock=clock, adapters=adapters, fallback=LOCAL if local else None, priced=(A, B))
    execute.allowances = Allowances.of({"alice": Grant(**grant)})  # type: ignore[arg-type]  # as named
    return execute, execute.allowances["alice"]


async def run(execute: Execute, caller: str = "alice") -> Execution:
    asked = replace(request(), caller=caller)
    return await execute.execute(asked, "quick", deadline=execute.clock.monotonic() + 100)


async def test_a_candidate_that_is_not_granted_is_left_out(clock: FakeClock) -> None:
    execute, _ = made(clock, candidates=frozenset({"b/m"}))

    execution = await run(execute)

    assert execution.attempt.candidate == "b/m"
    assert [skip.reason for skip in execution.trail.skips] == [SkipReason.NOT_ALLOWED]


async def test_the_fallback_must_be_granted_too(clock: FakeClock) -> None:
    execute, _ = made(clock, local=True, candidates=frozenset({"c/m"}))

    with pytest.raises(CandidatesForbidden):
        await run(execute)


async def test_an_answer_costs_the_caller_what_it_cost(clock: FakeClock) -> None:
    execute, alice = made(clock, usd_per_day=Decimal(1))

    execution = await run(execute)

    (purse,) = alice.purses
    assert purse.spent == execution.trail.cost_usd
    assert purse.held == 0
    assert purse.spent > 0


async def test_all_attempts_of_a_request_are_charged_and_nothing_stays_held(clock: FakeClock) -> None:
    execute, alice = made(clock, ended(Outcome.SERVER_ERROR), usd_per_day=Decimal(1))

    await run(execute)

    assert alice.purses[0].held == 0


async def test_a_budget_that_holds_no_call_says_so_and_calls_nobody(clock: FakeClock) -> None:
    execute, _ = made(clock, usd_per_day=MOST_USD - Decimal("0.000001"))

    with pytest.raises(CallerOverBudget) as caught:
        await run(execute)

    assert caught.value.ready_at is None
    assert caught.value.trail
    assert [*caught.value.trail.attempts] == []


async def test_when_the_money_is_spent_the_local_model_answers(clock: FakeClock) -> None:
    execute, _ = made(clock, local=True, usd_per_day=Decimal(0))

    execution = await run(execute)

    assert (execution.attempt.candidate, execution.attempt.fallback) == ("local/m", True)
    assert {skip.reason for skip in execution.trail.skips} == {SkipReason.CALLER_OVER_BUDGET}


async def test_a_rate_holds_for_the_local_model_too(clock: FakeClock) -> None:
    execute, _ = made(clock, local=True, tokens_per_minute=1)

    with pytest.raises(CallerOverRate):
        await run(execute)


async def test_one_request_too_many_is_refused_and_written_down(clock: FakeClock) -> None:
    execute, _ = made(clock, requests_per_minute=1)
    await run(execute)

    with pytest.raises(CallerOverRate):
        await run(execute)

    assert [(row.caller, row.reason) for row in execute.journal.waiting] == [
        ("alice", ""), ("alice", "CALLER_OVER_RATE")
    ]  # fmt: skip


async def test_quota_that_another_took_gives_the_money_back(clock: FakeClock) -> None:
    full = candidate("a/m", limits=[limit(1)])
    execute = engine(full, clock=clock, adapters={"a": FakeAdapter()}, patience_s=0.0)
    execute.allowances = Allowances.of({"alice": Grant(usd_per_day=Decimal(1))})

    ends = await asyncio.gather(run(execute), run(execute), return_exceptions=True)

    assert sum(isinstance(end, Execution) for end in ends) == 1
    assert execute.allowances["alice"].purses[0].held == 0


async def test_who_goes_away_while_a_model_writes_pays_what_was_set_aside(clock: FakeClock) -> None:
    async def never(_call: Call) -> Reply:
        await asyncio.Event().wait()
        return ANSWERED

    execute, alice = made(clock, never, usd_per_day=Decimal(1))
    running = asyncio.create_task(run(execute))
    for _ in range(10):
        await asyncio.sleep(0)  # noqa: TID251 - yields, and waits for nothing
    held = alice.purses[0].held
    running.cancel()
    await asyncio.wait((running,))

    assert held > 0
    assert alice.purses[0].spent == held
    assert alice.purses[0].held == 0


async def test_calls_at_once_cannot_spend_what_one_of_them_holds(clock: FakeClock) -> None:
    execute, alice = made(clock, usd_per_day=2 * MOST_USD)

    ends = await asyncio.gather(*(run(execute) for _ in range(50)), return_exceptions=True)

    assert 1 <= sum(isinstance(end, Execution) for end in ends) < 50
    assert alice.purses[0].spent <= 2 * MOST_USD


async def test_a_caller_without_a_grant_is_refused(clock: FakeClock) -> None:
    execute, _ = made(clock)

    with pytest.raises(CallerUnknown):
        await run(execute, caller="bob")


async def test_a_plan_shows_what_the_caller_may_not(clock: FakeClock) -> None:
    execute, _ = made(clock, candidates=frozenset({"b/m"}))

    planned = execute.plan(replace(request(), caller="alice"), "quick")

    assert [each.candidate.id for each in planned.ready] == ["b/m"]
    assert [skip.reason for skip in planned.skips] == [SkipReason.NOT_ALLOWED]
