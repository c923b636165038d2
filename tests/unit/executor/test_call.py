"""One call: what is asked of the adapter, and what is made of its reply."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.budget import Slice
from pointsman.executor.call import Caller
from pointsman.executor.estimate import Estimator
from tests.fakes.adapter import ANSWER, ANSWERED, FakeAdapter, Turn, ended
from tests.fakes.clock import START, FakeClock
from tests.unit.executor.making import candidate, prices, request, usage

A = candidate("a/m")


def caller(adapter: FakeAdapter, clock: FakeClock, **more: Any) -> Caller:  # noqa: ANN401 - fields of Caller
    return Caller(**{"adapters": {"a": adapter}, "prices": prices(A), "estimator": Estimator(), "clock": clock, **more})


async def one(clock: FakeClock, turn: Turn, time_limit_s: float = 5.0) -> tuple[Any, Reply]:
    return await caller(FakeAdapter([turn]), clock).call(A, request(), within=Slice(total_s=time_limit_s))


async def test_the_adapter_is_asked_within_bounds(clock: FakeClock) -> None:
    adapter = FakeAdapter()
    asked = request(max_output_tokens=99_999)

    await caller(adapter, clock).call(A, asked, within=Slice(total_s=5.0))

    assert adapter.calls == [Call(candidate=A, request=asked, max_output_tokens=8_192, timeout_s=5.0)]


async def test_an_answer_becomes_an_attempt_with_usage_time_and_cost(clock: FakeClock) -> None:
    async def slowly(_: Call) -> Reply:
        clock.advance(2.0)
        return ANSWERED

    attempt, reply = await one(clock, slowly)

    assert reply.answer == ANSWER
    assert (attempt.candidate, attempt.outcome, attempt.started_at, attempt.duration_s) == (
        A.id,
        Outcome.ANSWERED,
        START,
        2.0,
    )
    assert (attempt.usage, attempt.cost_usd, attempt.price_version) == (usage(20, 5), Decimal("25e-6"), "2026-11-22")
    assert not any((attempt.wasted, attempt.local, attempt.fallback, attempt.simulated))


async def test_what_the_reply_says_goes_into_the_attempt(clock: FakeClock) -> None:
    reply = ended(
        Outcome.RATE_LIMITED,
        http_status=429,
        detail="A limit is reached.",
        retry_after_s=7.0,
        provider_request_id="req_1",
        simulated=True,
        ignored_options=("stop",),
        durations_s=(("ollama.load", 1.0),),
    )

    attempt, _ = await one(clock, reply)

    assert (attempt.outcome, attempt.wasted, attempt.http_status, attempt.detail) == (
        Outcome.RATE_LIMITED,
        True,
        429,
        "A limit is reached.",
    )
    assert (attempt.retry_after_s, attempt.provider_request_id) == (7.0, "req_1")
    assert (attempt.simulated, attempt.ignored_options) == (True, ("stop",))
    assert (attempt.usage, attempt.cost_usd, attempt.price_version) == (None, None, "")


@pytest.mark.parametrize("outcome", [each for each in Outcome if "limited" in each or each is Outcome.DAILY_QUOTA])
async def test_an_attempt_that_met_a_limit_is_wasted(clock: FakeClock, outcome: Outcome) -> None:
    attempt, _ = await one(clock, ended(outcome))

    assert attempt.wasted


async def test_an_unknown_price_is_no_cost_and_no_version(clock: FakeClock) -> None:
    attempt, _ = await caller(FakeAdapter(), clock, prices=prices(candidate("a/other"))).call(
        A, request(), within=Slice(total_s=1.0)
    )

    assert (attempt.usage, attempt.cost_usd, attempt.price_version) == (usage(20, 5), None, "")


async def test_an_adapter_that_is_late_has_timed_out(clock: FakeClock) -> None:
    async def never(_: Call) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    attempt, reply = await one(clock, never, time_limit_s=0.001)

    assert (attempt.outcome, reply.detail) == (Outcome.TIMED_OUT, "The call did not end within 0.00 s.")


@pytest.mark.parametrize("bug", [ZeroDivisionError("secret text"), KeyError("secret text"), ValueError("secret text")])
async def test_a_bug_of_an_adapter_is_a_server_error_without_its_text(clock: FakeClock, bug: Exception) -> None:
    attempt, reply = await one(clock, bug)

    assert attempt.outcome is Outcome.SERVER_ERROR
    assert reply.detail == f"the adapter failed with {type(bug).__name__}"


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.CONTENT_BLOCKED])
async def test_an_answer_that_holds_none_is_a_server_error(clock: FakeClock, outcome: Outcome) -> None:
    attempt, _ = await one(clock, ended(outcome))

    assert attempt.outcome is Outcome.SERVER_ERROR


async def test_being_cancelled_passes_through(clock: FakeClock) -> None:
    async def cancelled(_: Call) -> Reply:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await one(clock, cancelled)


async def test_habits_are_learned_from_answers_alone(clock: FakeClock) -> None:
    made = caller(FakeAdapter([ended(Outcome.SERVER_ERROR, usage=usage(20, 5)), ANSWERED]), clock)

    await made.call(A, request(), within=Slice(total_s=1.0))
    untouched = dict(made.estimator.habits)
    await made.call(A, request(), within=Slice(total_s=1.0))

    assert untouched == {}
    assert A.id in made.estimator.habits


async def test_the_fallback_is_marked(clock: FakeClock) -> None:
    local = candidate("a/m", local=True)

    attempt, _ = await caller(FakeAdapter(), clock).call(local, request(), within=Slice(total_s=1.0), is_fallback=True)

    assert (attempt.local, attempt.fallback, attempt.cost_usd) == (True, True, Decimal(0))


# --- Anthropic's rate limit without a wait, which an empty account sends too

VAGUE = ended(Outcome.RATE_LIMITED, repeat_means_billing=True)


async def outcomes(clock: FakeClock, *turns: Turn) -> list[Outcome]:
    made = caller(FakeAdapter(turns), clock)
    found = []
    for _ in turns:
        attempt, _reply = await made.call(A, request(), within=Slice(total_s=1.0))
        found.append(attempt.outcome)
        clock.advance(1.0)
    return found


async def test_the_second_in_a_row_means_billing(clock: FakeClock) -> None:
    assert await outcomes(clock, VAGUE, VAGUE) == [Outcome.RATE_LIMITED, Outcome.BILLING]


async def test_an_answer_in_between_starts_again(clock: FakeClock) -> None:
    assert await outcomes(clock, VAGUE, ANSWERED, VAGUE) == [
        Outcome.RATE_LIMITED,
        Outcome.ANSWERED,
        Outcome.RATE_LIMITED,
    ]


async def test_a_burst_that_meets_one_limit_is_not_in_a_row(clock: FakeClock) -> None:
    gate = asyncio.Event()

    async def together(_: Call) -> Reply:
        await gate.wait()
        return VAGUE

    made = caller(FakeAdapter(otherwise=together), clock)
    burst = [asyncio.ensure_future(made.call(A, request(), within=Slice(total_s=5.0))) for _ in range(5)]
    await asyncio.sleep(0)  # noqa: TID251 - yields, and waits for nothing
    clock.advance(1.0)
    gate.set()

    assert {attempt.outcome for attempt, _ in await asyncio.gather(*burst)} == {Outcome.RATE_LIMITED}
