"""The attempt loop: who is called, in which order, within which budget, and what is left behind."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from pointsman.domain.answer import Answer, FinishReason
from pointsman.domain.errors import InvalidRequest, NoAnswer, NoCredentials, OutOfTime, PoolExhausted
from pointsman.domain.trail import Outcome, Skip, SkipReason, Trail
from pointsman.domain.verdict import DegradedReason
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.attempt import RULES, Next
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from pointsman.executor.experience import FEW
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.means import Bounds
from pointsman.executor.past import BINS
from pointsman.executor.plan import Planned
from pointsman.executor.quota import MINUTE_S
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.adapter import ANSWER, ANSWERED, FakeAdapter, Turn, ended
from tests.fakes.clock import START, FakeClock, LeapingClock
from tests.unit.executor.making import MODEL, PNG, candidate, engine, estimate, limit, request, usage

A, B, C = candidate("a/m"), candidate("b/m"), candidate("c/m")
LOCAL = candidate("local/m", local=True)


async def run(made: Execute, asked: object = None, seconds: float = 100.0) -> Execution:
    return await made.execute(asked or request(), "quick", deadline=made.clock.monotonic() + seconds)  # type: ignore[arg-type]  # a Request


def story(trail: Trail | None) -> list[str]:
    """Return the steps of a trail as "candidate: what became of it"."""
    assert trail
    return [f"{step.candidate}: {step.reason if isinstance(step, Skip) else step.outcome}" for step in trail.steps]


def adapters(*of_a: Turn, local: FakeAdapter | None = None) -> dict[str, FakeAdapter]:
    return {"a": FakeAdapter(of_a), "b": FakeAdapter(), "c": FakeAdapter(), "local": local or FakeAdapter()}


async def yields() -> None:
    for _ in range(10):
        await asyncio.sleep(0)  # noqa: TID251 - yields, and waits for nothing


# --- One call


async def test_the_first_candidate_answers_and_nobody_else_is_called(clock: FakeClock) -> None:
    met = adapters()
    made = engine(A, B, clock=clock, adapters=met)

    execution = await run(made)

    assert (execution.answer, execution.attempt.candidate, execution.model) == (ANSWER, "a/m", "as-served")
    assert (story(execution.trail), execution.degraded) == (["a/m: answered"], ())
    assert met["b"].calls == []


@pytest.mark.parametrize("outcome", [each for each, rule in RULES.items() if rule.next is Next.CANDIDATE])
async def test_outcomes_that_move_on_move_on(clock: FakeClock, outcome: Outcome) -> None:
    made = engine(A, B, clock=clock, adapters=adapters(ended(outcome)))

    execution = await run(made)

    assert story(execution.trail) == [f"a/m: {outcome}", "b/m: answered"]
    assert [attempt.wasted for attempt in execution.trail.attempts] == [RULES[outcome].wasted, False]


async def test_a_malformed_request_stops_and_the_fallback_does_not_hide_it(clock: FakeClock) -> None:
    met = adapters(ended(Outcome.INVALID_REQUEST))
    made = engine(A, B, clock=clock, adapters=met, fallback=LOCAL)

    with pytest.raises(InvalidRequest) as caught:
        await run(made)

    assert caught.value.reason == "REQUEST_REJECTED"
    assert met["b"].calls == met["local"].calls == []


async def test_blocked_content_is_an_answer_that_says_so(clock: FakeClock) -> None:
    blocked = Answer(text="", finish_reason=FinishReason.CONTENT_BLOCKED)
    made = engine(A, B, clock=clock, adapters=adapters(ended(Outcome.CONTENT_BLOCKED, answer=blocked)))

    execution = await run(made)

    assert execution.answer is blocked
    assert story(execution.trail) == ["a/m: content_blocked"]


@pytest.mark.parametrize("bug", [RuntimeError("oops"), ended(Outcome.ANSWERED)])
async def test_a_bug_of_an_adapter_does_not_lose_the_request(clock: FakeClock, bug: Turn) -> None:
    made = engine(A, B, clock=clock, adapters=adapters(bug))

    execution = await run(made)

    assert story(execution.trail) == ["a/m: server_error", "b/m: answered"]


# --- Larger candidates


async def test_after_a_window_that_was_too_small_only_larger_ones_are_tried(clock: FakeClock) -> None:
    same, large = candidate("b/m"), candidate("c/m", model=replace(MODEL, max_input_tokens=200_000))
    met = adapters(ended(Outcome.CONTEXT_TOO_LONG))
    made = engine(A, same, large, clock=clock, adapters=met)

    execution = await run(made)

    assert story(execution.trail) == ["a/m: context_too_long", "b/m: context_too_small", "c/m: answered"]


async def test_a_quota_that_is_too_small_does_not_rule_out_other_providers(clock: FakeClock) -> None:
    made = engine(A, B, clock=clock, adapters=adapters(ended(Outcome.REQUEST_EXCEEDS_QUOTA)))

    execution = await run(made)

    assert story(execution.trail) == ["a/m: request_exceeds_quota", "b/m: answered"]


async def test_a_quota_that_is_too_small_rules_out_whom_it_holds_for(clock: FakeClock) -> None:
    one, twin = candidate("a/m", group="g"), candidate("a/twin", group="g")
    met = adapters(ended(Outcome.REQUEST_EXCEEDS_QUOTA))
    made = engine(one, twin, B, clock=clock, adapters=met)

    execution = await run(made)

    assert story(execution.trail) == ["a/m: request_exceeds_quota", "a/twin: request_exceeds_quota", "b/m: answered"]
    assert met["a"].called == ["a/m"]


# --- The budget


async def test_no_more_attempts_than_the_caller_allows(clock: FakeClock) -> None:
    met = adapters(ended(Outcome.SERVER_ERROR))
    made = engine(A, B, clock=clock, adapters=met)

    with pytest.raises(NoAnswer) as caught:
        await run(made, request(max_attempts=1))

    assert story(caught.value.trail) == ["a/m: server_error", "b/m: attempts_spent"]
    assert met["b"].calls == []


async def test_no_more_attempts_than_the_settings_allow(clock: FakeClock) -> None:
    bounds = Bounds(max_attempts=1, attempt_floor_s=0.25, fallback_reserve_s=10.0)
    made = engine(A, B, clock=clock, adapters=adapters(ended(Outcome.SERVER_ERROR)), bounds=bounds)

    with pytest.raises(NoAnswer) as caught:
        await run(made, request(max_attempts=9))

    assert story(caught.value.trail)[1] == "b/m: attempts_spent"


async def test_the_fallback_is_not_counted_as_an_attempt(clock: FakeClock) -> None:
    made = engine(A, B, clock=clock, adapters=adapters(ended(Outcome.SERVER_ERROR)), fallback=LOCAL)

    execution = await run(made, request(max_attempts=1))

    assert story(execution.trail) == ["a/m: server_error", "b/m: attempts_spent", "local/m: answered"]


async def test_money_that_an_attempt_spent_is_not_there_for_the_next(clock: FakeClock) -> None:
    dear = ended(Outcome.SERVER_ERROR, usage=usage(900_000, 0))
    made = engine(A, B, clock=clock, adapters=adapters(dear))

    with pytest.raises(NoAnswer) as caught:
        await run(made, request(max_cost_usd=Decimal("0.90")))

    assert story(caught.value.trail) == ["a/m: server_error", "b/m: too_expensive"]


async def test_a_candidate_of_unknown_price_is_not_called_under_a_bound(clock: FakeClock) -> None:
    made = engine(A, B, clock=clock, adapters=adapters(), priced=[B])

    execution = await run(made, request(max_cost_usd=Decimal(1)))

    assert story(execution.trail) == ["a/m: too_expensive", "b/m: answered"]


async def test_time_that_an_attempt_took_is_not_there_for_the_next(clock: FakeClock) -> None:
    async def slowly(_: Call) -> Reply:
        clock.advance(99.9)
        return ended(Outcome.TIMED_OUT)

    met = adapters(slowly)
    made = engine(A, B, clock=clock, adapters=met)

    with pytest.raises(OutOfTime) as caught:
        await run(made)

    assert story(caught.value.trail) == ["a/m: timed_out", "b/m: no_time"]
    assert met["b"].calls == []


async def test_an_impatient_caller_does_not_cool_a_candidate_for_others(clock: FakeClock) -> None:
    met = adapters()
    met["a"].otherwise = ended(Outcome.TIMED_OUT)
    made = engine(A, B, clock=clock, adapters=met)

    for _ in range(6):
        await run(made, seconds=2.0)

    assert (await run(made, seconds=2.0)).trail.tried == {"a/m", "b/m"}


async def test_a_candidate_that_takes_all_of_its_time_is_cooled(clock: FakeClock) -> None:
    met = adapters()
    met["a"].otherwise = ended(Outcome.TIMED_OUT)
    made = engine(A, B, clock=clock, adapters=met)

    for _ in range(3):
        await run(made, seconds=100.0)

    assert (await run(made, seconds=100.0)).trail.tried == {"b/m"}


@pytest.mark.parametrize(
    "seconds, asked, limit_s",
    [
        pytest.param(1_000.0, request(), 60.0, id="no-longer-than-one-attempt-may-take"),
        pytest.param(40.0, request(), 30.0, id="ten-seconds-stay-for-the-fallback"),
        pytest.param(10.0, request(), 5.0, id="half-stays-where-it-is-short"),
        pytest.param(40.0, request(PNG), 40.0, id="nothing-stays-for-a-fallback-that-cannot-serve"),
    ],
)
async def test_each_attempt_gets_its_slice(clock: FakeClock, seconds: float, asked: object, limit_s: float) -> None:
    blind = candidate("local/m", local=True, model=replace(MODEL, sees_images=False))
    met = adapters()

    await run(engine(A, clock=clock, adapters=met, fallback=blind), asked, seconds)

    assert met["a"].calls[0].timeout_s == limit_s


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 0.2])
async def test_without_time_nobody_is_called(clock: FakeClock, seconds: float) -> None:
    met = adapters()
    made = engine(A, clock=clock, adapters=met, fallback=LOCAL)

    with pytest.raises(OutOfTime) as caught:
        await run(made, seconds=seconds)

    assert story(caught.value.trail) == ["a/m: no_time", "local/m: no_time"]
    assert met["a"].calls == met["local"].calls == []


# --- Quota and races


async def test_two_requests_and_one_slot_of_quota_make_one_call(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(1)])
    met = adapters()
    made = engine(one, B, clock=clock, adapters=met)

    first, second = await asyncio.gather(run(made), run(made))

    assert sorted([first.attempt.candidate, second.attempt.candidate]) == ["a/m", "b/m"]
    assert len(met["a"].calls) == 1


async def test_quota_that_was_taken_between_plan_and_call_is_a_skip_and_no_call(clock: FakeClock) -> None:
    one = candidate("b/m", limits=[limit(1)])
    met = adapters(ended(Outcome.SERVER_ERROR))
    made = engine(A, one, C, clock=clock, adapters=met)

    async def taken_meanwhile(_: Call) -> Reply:
        await made.ledger.reserve(one, made.caller.estimator.estimate(one, request()))
        return ended(Outcome.SERVER_ERROR)

    met["a"].turns.clear()
    met["a"].turns.append(taken_meanwhile)
    execution = await run(made)

    assert story(execution.trail) == ["a/m: server_error", "b/m: out_of_quota", "c/m: answered"]
    assert met["b"].calls == []


async def test_skips_of_the_plan_come_before_the_attempts(clock: FakeClock) -> None:
    made = engine(candidate("a/m", limits=[limit(1)]), B, clock=clock, adapters=adapters())
    await run(made)

    execution = await run(made)

    assert story(execution.trail) == ["a/m: out_of_quota", "b/m: answered"]


async def test_a_preferred_candidate_is_waited_for_within_patience() -> None:
    clock = LeapingClock()
    made = engine(candidate("a/m", limits=[limit(1)]), B, clock=clock, adapters=adapters(), patience_s=70.0)
    await run(made)

    execution = await run(made)

    assert story(execution.trail) == ["a/m: answered"]
    assert clock.monotonic() == MINUTE_S + MINUTE_S / BINS


async def test_what_a_call_used_and_stated_goes_into_the_ledger(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(3)])
    made = engine(one, B, clock=clock, adapters=adapters(ended(Outcome.RATE_LIMITED, retry_after_s=9.0)))

    await run(made)

    (window,) = made.ledger.windows(one)
    skip = made.ledger.skip(one, made.caller.estimator.estimate(one, request()))
    assert (window.remaining, window.reserved, made.ledger.in_flight(one)) == (2, 0, 0)
    assert skip
    assert skip.ready_at == clock.now() + timedelta(seconds=9)


async def test_an_exhausted_pool_without_a_fallback_says_when_to_come_back(clock: FakeClock) -> None:
    made = engine(candidate("a/m", limits=[limit(1)]), clock=clock, adapters=adapters())
    await run(made)

    with pytest.raises(PoolExhausted) as caught:
        await run(made)

    assert caught.value.ready_at == clock.now() + timedelta(seconds=MINUTE_S + MINUTE_S / BINS)


async def test_without_keys_the_error_says_what_to_set(clock: FakeClock) -> None:
    made = engine(A, B, clock=clock, adapters=adapters(), keyless=["a", "b"])

    with pytest.raises(NoCredentials) as caught:
        await run(made)

    assert [(each.subject, each.advice) for each in caught.value.missing] == [
        ("a/m", "set A_KEY"),
        ("b/m", "set B_KEY"),
    ]


async def test_the_second_vague_rate_limit_in_a_row_takes_the_account_out(clock: FakeClock) -> None:
    vague = ended(Outcome.RATE_LIMITED, repeat_means_billing=True)
    made = engine(A, B, clock=clock, adapters=adapters(vague, vague))

    first = await run(made)
    clock.advance(7.0)
    second = await run(made)

    assert story(first.trail) == ["a/m: rate_limited", "b/m: answered"]
    assert story(second.trail) == ["a/m: billing", "b/m: answered"]
    assert made.ledger.is_out(A) is Outcome.BILLING


# --- The fallback


async def test_the_fallback_answers_when_no_candidate_does_and_says_so(clock: FakeClock) -> None:
    made = engine(A, clock=clock, adapters=adapters(ended(Outcome.NETWORK)), fallback=LOCAL)

    execution = await run(made)

    assert story(execution.trail) == ["a/m: network", "local/m: answered"]
    assert execution.degraded == (DegradedReason.LOCAL_FALLBACK,)
    assert (execution.attempt.fallback, execution.attempt.local) == (True, True)


async def test_a_local_model_of_the_pool_is_no_degradation(clock: FakeClock) -> None:
    execution = await run(engine(LOCAL, clock=clock, adapters=adapters(), fallback=LOCAL))

    assert execution.degraded == ()
    assert not execution.attempt.fallback


async def test_a_fallback_that_stood_in_the_pool_and_failed_is_not_asked_again(clock: FakeClock) -> None:
    met = adapters(local=FakeAdapter(otherwise=ended(Outcome.SERVER_ERROR)))
    made = engine(LOCAL, clock=clock, adapters=met, fallback=LOCAL)

    with pytest.raises(NoAnswer) as caught:
        await run(made)

    assert story(caught.value.trail) == ["local/m: server_error"]


async def test_a_fallback_that_cannot_serve_is_not_called(clock: FakeClock) -> None:
    blind = candidate("local/m", local=True, model=replace(MODEL, sees_images=False))
    met = adapters(ended(Outcome.SERVER_ERROR))
    made = engine(A, clock=clock, adapters=met, fallback=blind)

    with pytest.raises(NoAnswer) as caught:
        await run(made, request(PNG))

    assert story(caught.value.trail) == ["a/m: server_error", "local/m: no_images"]
    assert met["local"].calls == []


async def test_a_fallback_that_was_found_not_to_be_there_is_not_called(clock: FakeClock) -> None:
    local = FakeAdapter()
    made = engine(A, clock=clock, adapters=adapters(ended(Outcome.SERVER_ERROR), local=local), fallback=LOCAL)
    made.ledger.take_out(LOCAL, Outcome.NETWORK)

    with pytest.raises(NoAnswer) as caught:
        await run(made)

    assert story(caught.value.trail) == ["a/m: server_error", "local/m: not_running"]
    assert not local.calls


async def test_a_request_that_must_stay_here_is_not_degraded_by_staying(clock: FakeClock) -> None:
    made = engine(A, clock=clock, adapters=adapters(), fallback=LOCAL)

    execution = await run(made, request(local_only=True))

    assert (execution.attempt.candidate, execution.degraded) == ("local/m", ())


async def test_a_fallback_that_fails_ends_the_request(clock: FakeClock) -> None:
    met = adapters(ended(Outcome.NETWORK), local=FakeAdapter(otherwise=ended(Outcome.OVERLOADED)))
    made = engine(A, clock=clock, adapters=met, fallback=LOCAL)

    with pytest.raises(NoAnswer) as caught:
        await run(made)

    assert story(caught.value.trail) == ["a/m: network", "local/m: overloaded"]


async def test_prompts_that_must_stay_here_reach_only_the_local_model(clock: FakeClock) -> None:
    met = adapters()
    made = engine(A, B, clock=clock, adapters=met, fallback=LOCAL)

    execution = await run(made, request(local_only=True))

    assert story(execution.trail) == ["a/m: not_local", "b/m: not_local", "local/m: answered"]
    assert met["a"].calls == met["b"].calls == []


async def test_a_fallback_that_is_busy_until_the_deadline_is_left_out(clock: FakeClock) -> None:
    bounds = Bounds(max_attempts=4, attempt_floor_s=0.0, fallback_reserve_s=10.0)
    made = engine(A, clock=clock, adapters=adapters(ended(Outcome.SERVER_ERROR)), fallback=LOCAL, bounds=bounds)
    assert made.fallback
    await made.fallback.take_slot("", 1.0)

    with pytest.raises(OutOfTime) as caught:
        await run(made, seconds=0.005)

    assert story(caught.value.trail) == ["a/m: server_error", "local/m: no_time"]


async def test_the_fallback_answers_no_more_at_once_than_it_has_slots(clock: FakeClock) -> None:
    gate, most = asyncio.Event(), 0
    local = FakeAdapter()

    async def answer(_: Call) -> Reply:
        nonlocal most
        most = max(most, len(local.calls))
        await gate.wait()
        return ANSWERED

    local.otherwise = answer
    met = adapters(local=local)
    met["a"].otherwise = ended(Outcome.SERVER_ERROR)
    made = engine(A, clock=clock, adapters=met, fallback=LOCAL, slots=2)

    waiting = [asyncio.ensure_future(run(made)) for _ in range(5)]
    await yields()
    before = most
    gate.set()
    done = await asyncio.gather(*waiting)

    assert (before, len(done), len(local.calls)) == (2, 5, 5)
    assert made.fallback
    assert not made.fallback.is_busy


# --- Cancelling


async def hang(_: Call) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


class DeafLedger(MemoryLedger):
    """Never ends hearing what became of a call, as one in a Redis that hangs."""

    async def settle(self, reservation: Reservation, settlement: Settlement) -> None:
        await asyncio.Event().wait()


async def cancelled(made: Execute) -> None:
    task = asyncio.ensure_future(run(made))
    await yields()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_request_gives_its_quota_back_and_is_written_down(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(1, period=None)])
    met = adapters(hang)
    made = engine(one, B, clock=clock, adapters=met)

    await cancelled(made)

    (row,) = made.journal.waiting
    assert met["a"].cancelled == 1
    assert (made.ledger.in_flight(one), [window.reserved for window in made.ledger.windows(one)]) == (0, [0])
    assert [(attempt.candidate, attempt.outcome) for attempt in row.attempts] == [("a/m", Outcome.CANCELLED)]
    assert row.answered_by is None
    assert met["b"].calls == []


async def test_a_call_that_was_answered_is_written_down_though_its_caller_leaves_while_the_ledger_is_told(
    clock: FakeClock,
) -> None:
    deaf = DeafLedger([A], clock=clock, random=Random(7), margin_s=0.0)
    made = replace(engine(A, clock=clock, adapters=adapters()), ledger=deaf)

    await cancelled(made)

    (row,) = made.journal.waiting
    assert [(attempt.candidate, attempt.outcome) for attempt in row.attempts] == [("a/m", Outcome.ANSWERED)]


async def test_a_request_that_is_cancelled_in_the_fallback_frees_its_slot(clock: FakeClock) -> None:
    met = adapters(ended(Outcome.SERVER_ERROR), local=FakeAdapter([hang]))
    made = engine(A, clock=clock, adapters=met, fallback=LOCAL)

    await cancelled(made)

    (row,) = made.journal.waiting
    assert made.fallback
    assert not made.fallback.is_busy
    assert [(attempt.outcome, attempt.fallback) for attempt in row.attempts] == [
        (Outcome.SERVER_ERROR, False),
        (Outcome.CANCELLED, True),
    ]


async def test_a_request_that_is_cancelled_while_it_waits_for_a_slot_takes_none(clock: FakeClock) -> None:
    made = engine(A, clock=clock, adapters=adapters(ended(Outcome.SERVER_ERROR)), fallback=LOCAL)
    assert made.fallback
    await made.fallback.take_slot("", 1.0)

    await cancelled(made)
    made.fallback.free_slot()

    assert not made.fallback.is_busy


async def test_a_request_that_is_cancelled_while_it_is_patient_has_called_nobody(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(1)])
    met = adapters()
    made = engine(one, clock=clock, adapters=met, patience_s=70.0)
    await run(made)

    await cancelled(made)

    assert len(met["a"].calls) == 1
    assert made.ledger.in_flight(one) == 0


async def test_a_hundred_cancelled_requests_leave_nothing_held(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(1_000)])
    made = engine(one, clock=clock, adapters={"a": FakeAdapter(otherwise=hang)})
    waiting = [asyncio.ensure_future(run(made)) for _ in range(100)]
    await yields()
    under_way = made.ledger.in_flight(one)

    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert (under_way, made.ledger.in_flight(one)) == (100, 0)
    assert [window.reserved for window in made.ledger.windows(one)] == [0]
    assert len(made.journal.waiting) == 100


async def test_an_unforeseen_error_still_settles(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(9)])
    made = engine(one, clock=clock, adapters={})  # the adapter is missing, which the loop takes for a bug

    with pytest.raises(NoAnswer):
        await run(made)

    assert made.ledger.in_flight(one) == 0


# --- The journal and the plan


async def test_every_request_is_written_down_once(clock: FakeClock) -> None:
    made = engine(A, clock=clock, adapters=adapters(ANSWERED, ended(Outcome.SERVER_ERROR)))

    await run(made)
    with pytest.raises(NoAnswer):
        await run(made)

    answered, failed = made.journal.waiting
    assert (answered.category, answered.answered_by and answered.answered_by.candidate) == ("quick", "a/m")
    assert (failed.answered_by, [attempt.outcome for attempt in failed.attempts]) == (None, [Outcome.SERVER_ERROR])


async def test_planning_calls_nobody_and_holds_nothing(clock: FakeClock) -> None:
    one = candidate("a/m", limits=[limit(1)])
    met = adapters()
    made = engine(one, B, clock=clock, adapters=met, fallback=LOCAL)

    planned = made.plan(request(), "quick")

    assert [each.candidate.id for each in planned.ready] == ["a/m", "b/m"]
    assert not any(adapter.calls for adapter in met.values())
    assert [window.reserved for window in made.ledger.windows(one)] == [0]


async def test_a_plan_says_what_each_call_would_cost_where_its_order_does_not_depend_on_it(clock: FakeClock) -> None:
    planned = engine(A, B, clock=clock, adapters={}).plan(request(), "quick")

    tokens = [each.estimate.input_tokens + each.estimate.output_tokens for each in planned.ready]
    assert [each.cost_usd for each in planned.ready] == [Decimal(each) / 1_000_000 for each in tokens]


async def test_the_fallback_is_planned_as_it_would_be_called(clock: FakeClock) -> None:
    planned = engine(A, clock=clock, adapters={}, fallback=LOCAL).plan_fallback(request())

    assert isinstance(planned, Planned)
    assert (planned.candidate, planned.cost_usd) == (LOCAL, Decimal(0))


async def test_a_plan_says_why_the_fallback_cannot_serve(clock: FakeClock) -> None:
    made = engine(A, clock=clock, adapters={}, fallback=LOCAL)
    made.ledger.take_out(LOCAL, Outcome.NETWORK)

    planned = made.plan_fallback(request())

    assert planned
    assert not isinstance(planned, Planned)
    assert planned.reason is SkipReason.NOT_RUNNING


async def test_without_a_fallback_there_is_nothing_to_plan(clock: FakeClock) -> None:
    assert engine(A, clock=clock, adapters={}).plan_fallback(request()) is None


def test_what_was_tried_or_too_small_before_is_not_called_when_the_wait_is_over() -> None:
    large = candidate("d/m", model=replace(MODEL, max_input_tokens=200_000), limits=[limit(1)])
    met = {**adapters(ended(Outcome.SERVER_ERROR)), "d": FakeAdapter()}
    met["b"].turns.append(ended(Outcome.CONTEXT_TOO_LONG))

    async def wait(clock: VirtualClock) -> Execution:
        made = engine(A, B, C, large, clock=clock, adapters=met, fallback=LOCAL)
        assert made.fallback
        await made.fallback.take_slot("", 1.0)
        await made.ledger.reserve(large, estimate())  # all that it may do in a minute
        return await run(made, seconds=200.0)

    execution = run_virtual(wait, start=START)

    assert story(execution.trail) == [
        "d/m: out_of_quota",
        "a/m: server_error",
        "b/m: context_too_long",
        "c/m: context_too_small",
        "b/m: request_exceeds_quota",
        "d/m: answered",
    ]
    assert [len(met[provider].calls) for provider in "abcd"] == [1, 1, 0, 1]


# --- Limits that nobody tells


async def test_a_first_burst_is_not_all_sent_where_nobody_says_what_is_allowed(clock: FakeClock) -> None:
    let_go = asyncio.Event()

    async def slow(_: Call) -> Reply:
        await let_go.wait()
        return ANSWERED

    silent, told = candidate("a/m"), candidate("b/m", limits=(limit(1_000),))
    met = {"a": FakeAdapter(otherwise=slow), "b": FakeAdapter(otherwise=slow)}
    made = engine(silent, told, clock=clock, adapters=met)

    burst = [asyncio.create_task(run(made)) for _ in range(20)]
    await yields()
    let_go.set()
    await asyncio.gather(*burst)

    assert (len(met["a"].calls), len(met["b"].calls)) == (FEW, 20 - FEW)


async def test_where_there_is_nobody_else_a_risk_is_taken(clock: FakeClock) -> None:
    met = {"a": FakeAdapter()}
    made = engine(candidate("a/m"), clock=clock, adapters=met)

    await asyncio.gather(*(run(made) for _ in range(20)))

    assert len(met["a"].calls) == 20
