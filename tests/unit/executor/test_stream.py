"""A streamed answer over the attempt loop: failing over before the first content, a typed end after it."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from pointsman.domain.answer import Answer, Delta, FinishReason, Usage
from pointsman.domain.errors import InvalidRequest, NoAnswer, OutOfTime, PointsmanError, PoolExhausted
from pointsman.domain.places import Places
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.adapters.base import Opening
from pointsman.executor.attempt import RULES, Next
from pointsman.executor.cooldown import BREAKER_FAILURES
from pointsman.executor.course import Execution
from pointsman.executor.execute import Execute
from pointsman.executor.journal.row import Ending
from pointsman.executor.ledger.port import Reservation
from pointsman.executor.outlet import HELD_BYTES, Outlet, Start
from pointsman.executor.stream import answering
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.adapter import ANSWERED, Event, FakeAdapter, Turn, ended
from tests.fakes.clock import START
from tests.unit.executor.making import candidate, engine, estimate, limit, request, usage
from tests.unit.executor.test_execute import story as steps

T = TypeVar("T")
A, B, C = candidate("a/m", limits=[limit(9)]), candidate("b/m"), candidate("c/m")
LOCAL = candidate("local/m", local=True)
OPENING = Opening(model="as-served", simulated=True)
DONE = replace(ANSWERED, answer=Answer(text="", finish_reason=FinishReason.STOP))
BEFORE: list[Event] = [0.5]
AFTER: list[Event] = [0.5, OPENING, Delta(text="Ninety"), 0.1, Delta(text="-seven")]
NEVER = 1e6


class Listener:
    """Takes a stream and remembers what came."""

    def __init__(self) -> None:
        self.start: Start | None = None
        self.text = ""
        self.execution: Execution | None = None

    async def listen(self, made: Execute, seconds: float = 100.0, *, asked: Request | None = None) -> None:
        deadline = made.clock.monotonic() + seconds
        outlet = Outlet(clock=made.clock, window_s=0.02)
        async with answering(made, asked or request(), "quick", outlet=outlet, deadline=deadline) as answered:
            async for piece in outlet:
                if isinstance(piece, Start):
                    assert self.start is None
                    self.start = piece
                else:
                    assert self.start
                    self.text += piece.text
            self.execution = await answered

    @property
    def ended(self) -> Execution:
        assert self.execution
        return self.execution


def adapters(*of_a: Turn) -> dict[str, FakeAdapter]:
    return {"a": FakeAdapter(of_a), "b": FakeAdapter(otherwise=ANSWERED), "c": FakeAdapter(), "local": FakeAdapter()}


def played(tell: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    return run_virtual(tell, start=START)


def heard(*turns: Turn, seconds: float = 100.0, **more: Any) -> tuple[Listener, Execute]:  # noqa: ANN401 - of engine
    """Return what a listener gets of an engine over a/m, which plays the turns, and b/m; and the engine."""

    async def tell(clock: VirtualClock) -> tuple[Listener, Execute]:
        made, listener = engine(A, B, clock=clock, adapters=adapters(*turns), **more), Listener()
        await listener.listen(made, seconds)
        return listener, made

    return played(tell)


def failed(*turns: Turn, seconds: float = 100.0, **more: Any) -> PointsmanError:  # noqa: ANN401 - of engine
    """Return the error that ends a stream over a/m alone."""

    async def tell(clock: VirtualClock) -> PointsmanError:
        with pytest.raises(PointsmanError) as caught:
            await Listener().listen(engine(A, clock=clock, adapters=adapters(*turns), **more), seconds)
        return caught.value

    return played(tell)


# --- Whole answers


def test_an_answer_comes_as_start_content_and_end() -> None:
    listener, made = heard([*AFTER, DONE])

    assert listener.start == Start(candidate=A, model="as-served", simulated=True)
    assert listener.text == "Ninety-seven"
    assert (listener.ended.answer, listener.ended.partial) == (DONE.answer, False)
    assert steps(listener.ended.trail) == ["a/m: answered"]
    assert listener.ended.attempt.time_to_first_token_s == pytest.approx(0.5)
    assert (listener.ended.attempt.usage, listener.ended.attempt.cost_usd) == (usage(20, 5), Decimal("25e-6"))
    assert made.ledger.in_flight(A) == 0


def test_an_answer_without_content_has_no_start() -> None:
    silent = replace(ANSWERED, answer=Answer(text="", finish_reason=FinishReason.LENGTH))

    listener, _ = heard([silent])

    assert (listener.start, listener.text, listener.ended.partial) == (None, "", False)
    assert listener.ended.answer.finish_reason is FinishReason.LENGTH
    assert listener.ended.attempt.time_to_first_token_s is None


def test_an_answer_that_nobody_counted_is_estimated_from_what_was_written() -> None:
    listener, _ = heard([*AFTER, replace(DONE, usage=None)])

    assert listener.ended.attempt.usage == Usage(input_tokens=24, output_tokens=4, estimated=True)


def test_content_that_is_blocked_after_it_began_is_an_end_of_its_own() -> None:
    blocked = ended(Outcome.CONTENT_BLOCKED, answer=Answer(text="", finish_reason=FinishReason.CONTENT_BLOCKED))

    listener, _ = heard([*AFTER, blocked])

    assert (listener.ended.answer.finish_reason, listener.ended.partial) == (FinishReason.CONTENT_BLOCKED, False)


# --- Before the first content


@pytest.mark.parametrize("outcome", [each for each, rule in RULES.items() if rule.next is Next.CANDIDATE])
def test_a_failure_before_the_first_content_goes_on_unseen(outcome: Outcome) -> None:
    listener, _ = heard([*BEFORE, ended(outcome)])

    assert listener.start
    assert listener.start.candidate == B
    assert listener.text == "97"
    assert steps(listener.ended.trail) == [f"a/m: {outcome}", "b/m: answered"]


def test_a_bug_before_the_first_content_goes_on_unseen() -> None:
    listener, _ = heard([*BEFORE, RuntimeError("oops")])

    assert steps(listener.ended.trail) == ["a/m: server_error", "b/m: answered"]


def test_a_stream_without_an_end_before_the_first_content_goes_on_unseen() -> None:
    listener, _ = heard(BEFORE)

    assert steps(listener.ended.trail) == ["a/m: server_error", "b/m: answered"]


def test_a_malformed_request_fails_as_it_does_without_a_stream() -> None:
    assert isinstance(failed(ended(Outcome.INVALID_REQUEST)), InvalidRequest)


def test_when_nobody_has_content_the_error_is_that_of_the_trail() -> None:
    error = failed(ended(Outcome.SERVER_ERROR))

    assert isinstance(error, NoAnswer)
    assert steps(error.trail) == ["a/m: server_error"]


# --- After it


@pytest.mark.parametrize("outcome", [each for each in RULES if each not in {"answered", "content_blocked"}])
def test_a_failure_after_the_first_content_ends_and_nobody_else_is_asked(outcome: Outcome) -> None:
    listener, made = heard([*AFTER, ended(outcome)], fallback=LOCAL)

    assert listener.text == "Ninety-seven"
    assert (listener.ended.partial, listener.ended.answer.finish_reason) == (True, FinishReason.INTERRUPTED)
    assert steps(listener.ended.trail) == [f"a/m: {outcome}"]
    assert listener.ended.attempt.usage == Usage(input_tokens=24, output_tokens=4, estimated=True)
    assert listener.ended.attempt.cost_usd == Decimal("28e-6")
    assert made.ledger.in_flight(A) == 0


def test_a_bug_after_the_first_content_ends_it_too() -> None:
    listener, _ = heard([*AFTER, RuntimeError("oops")])

    assert (listener.ended.partial, steps(listener.ended.trail)) == (True, ["a/m: server_error"])


@pytest.mark.parametrize(
    "counted, told",
    [
        pytest.param(Usage(input_tokens=31, output_tokens=3), Usage(input_tokens=31, output_tokens=3), id="at its end"),
        pytest.param(
            Usage(input_tokens=31, output_tokens=1),
            Usage(input_tokens=24, output_tokens=4, estimated=True),
            id="before it wrote",
        ),
    ],
)
def test_the_count_of_the_provider_stands_if_it_is_of_all_that_came(counted: Usage, told: Usage) -> None:
    listener, _ = heard([*AFTER, ended(Outcome.NETWORK, usage=counted)])

    assert listener.ended.attempt.usage == told


def test_a_partial_answer_is_counted_as_an_unproductive_attempt_and_not_as_an_answer() -> None:
    _, made = heard([*AFTER, ended(Outcome.NETWORK)])

    (row,) = made.journal.waiting
    (attempt,) = row.attempts
    assert (row.answered_by, row.ending, RULES[attempt.outcome].unproductive) == (None, Ending.PARTIAL, True)
    assert (row.trail.usage.output_tokens, row.known_cost_usd) == (4, Decimal("28e-6"))


def test_a_partial_answer_settles_what_was_used() -> None:
    counting = candidate("a/m", limits=[limit(1_000, unit="tokens")])  # type: ignore[arg-type]  # a StrEnum

    async def tell(clock: VirtualClock) -> tuple[int, int]:
        made, listener = engine(counting, clock=clock, adapters=adapters([*AFTER, ended(Outcome.NETWORK)])), Listener()
        await listener.listen(made, asked=request(max_output_tokens=100))
        (window,) = made.ledger.windows(counting)
        return window.remaining, window.reserved

    assert played(tell) == (1_000 - 24 - 100, 0)  # the output that was asked for is charged, whatever came


# --- Time


def test_a_stream_that_runs_into_the_deadline_ends_with_what_it_has() -> None:
    listener, made = heard([*AFTER, NEVER], seconds=10.0)

    assert (listener.ended.partial, steps(listener.ended.trail)) == (True, ["a/m: timed_out"])
    assert listener.ended.attempt.duration_s == pytest.approx(10.0, abs=0.02)
    assert made.ledger.skip(A, made.caller.estimator.estimate(A, request())) is None


def test_a_deadline_before_the_first_content_is_out_of_time_with_the_trail() -> None:
    error = failed([NEVER], seconds=5.0)

    assert isinstance(error, OutOfTime)
    assert steps(error.trail) == ["a/m: timed_out"]


def test_without_time_for_another_candidate_it_is_a_skip_and_no_call() -> None:
    async def tell(clock: VirtualClock) -> tuple[PointsmanError, dict[str, FakeAdapter]]:
        met = adapters([NEVER])
        with pytest.raises(OutOfTime) as caught:
            await Listener().listen(engine(A, B, clock=clock, adapters=met), 5.0)
        return caught.value, met

    error, met = played(tell)

    assert steps(error.trail) == ["a/m: timed_out", "b/m: no_time"]
    assert met["b"].calls == []


def test_the_limits_of_the_candidate_go_with_the_call() -> None:
    async def tell(clock: VirtualClock) -> tuple[float, float, float]:
        met = adapters()
        await Listener().listen(engine(A, clock=clock, adapters=met))
        (call,) = met["a"].calls
        return call.timeout_s, call.first_token_s, call.idle_s

    assert played(tell) == (90.0, 20.0, 5.0)


# --- Leaving


@pytest.mark.parametrize("way", ["cancelled", "left"])
@pytest.mark.parametrize(
    "turn, spent",
    [
        pytest.param([NEVER], None, id="before the first content"),
        pytest.param([*AFTER, NEVER], Usage(input_tokens=24, output_tokens=4, estimated=True), id="after it"),
    ],
)
def test_a_stream_that_is_left_closes_settles_and_is_written_down(
    way: str, turn: list[Event], spent: Usage | None
) -> None:
    async def tell(clock: VirtualClock) -> tuple[FakeAdapter, Execute]:
        met = adapters(turn)
        made = engine(A, B, clock=clock, adapters=met)
        if way == "left" and spent:
            outlet = Outlet(clock=clock, window_s=0.0)
            async with answering(made, request(), "quick", outlet=outlet, deadline=100.0):
                async for piece in outlet:
                    if piece == Delta(text="-seven"):
                        break
        else:
            listening = asyncio.ensure_future(Listener().listen(made))
            await clock.sleep(2.0)
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening
        return met["a"], made

    adapter, made = played(tell)

    (row,) = made.journal.waiting
    (attempt,) = row.attempts
    assert adapter.cancelled == 1
    assert (made.ledger.in_flight(A), [window.reserved for window in made.ledger.windows(A)]) == (0, [0])
    assert (attempt.outcome, attempt.usage) == (Outcome.CANCELLED, spent)
    assert (attempt.time_to_first_token_s is None) == (spent is None)
    assert (attempt.cost_usd is None) == (spent is None)
    assert row.answered_by is None


def test_a_slow_reader_holds_the_provider_back() -> None:
    big: list[Event] = [OPENING, *[Delta(text="x" * 20_000)] * 40, DONE]

    async def tell(clock: VirtualClock) -> tuple[int, int]:
        met = adapters(big)
        produced = 0
        made = engine(A, clock=clock, adapters={"a": met["a"]})
        outlet = Outlet(clock=clock, window_s=0.0)
        most = 0
        async with answering(made, request(), "quick", outlet=outlet, deadline=1_000.0):
            async for piece in outlet:
                if isinstance(piece, Delta):
                    produced += len(piece.text)
                    most = max(most, len(piece.text))
                await clock.sleep(1.0)
        return produced, most

    produced, most = played(tell)

    assert produced == 800_000
    assert most <= 65_536 + 20_000


def test_readers_who_stop_reading_do_not_open_the_breaker_of_the_candidate() -> None:
    async def read_late(made: Execute) -> Execution:
        outlet, deadline = Outlet(clock=made.clock, window_s=0.02), made.clock.monotonic() + 1_000.0
        async with answering(made, request(), "quick", outlet=outlet, deadline=deadline) as answered:
            await anext(outlet)
            await made.clock.sleep(A.time_limits.stream_s + 1.0)
            async for _ in outlet:
                pass
            return await answered

    async def tell(clock: VirtualClock) -> tuple[list[Execution], list[Reservation | Skip]]:
        longer_than_is_held: list[Event] = [OPENING, *[Delta(text="x" * HELD_BYTES)] * 3, DONE]
        made = engine(A, clock=clock, adapters=adapters(*[longer_than_is_held] * BREAKER_FAILURES))
        executions = [await read_late(made) for _ in range(BREAKER_FAILURES)]
        return executions, [await made.ledger.reserve(A, estimate()) for _ in range(2)]

    executions, both = played(tell)

    assert {execution.attempt.outcome for execution in executions} == {Outcome.TIMED_OUT}
    assert all(isinstance(each, Reservation) for each in both)


# --- The fallback


def test_the_fallback_streams_too() -> None:
    async def tell(clock: VirtualClock) -> Listener:
        met = adapters([ended(Outcome.NETWORK)])
        met["local"].turns.append([*AFTER, DONE])
        listener = Listener()
        await listener.listen(engine(A, clock=clock, adapters=met, fallback=LOCAL))
        return listener

    listener = played(tell)

    assert listener.start
    assert (listener.start.candidate, listener.text) == (LOCAL, "Ninety-seven")
    assert steps(listener.ended.trail) == ["a/m: network", "local/m: answered"]


def test_a_request_for_which_the_queue_has_no_room_ends_at_once() -> None:
    async def tell(clock: VirtualClock) -> tuple[list[BaseException | None], float]:
        met = adapters()
        met["local"].otherwise = [*AFTER, 30.0, DONE]
        made = engine(A, clock=clock, adapters=met, fallback=LOCAL)
        assert made.fallback
        made.fallback.queue = Places(1)
        at_work, waiting = (
            asyncio.ensure_future(Listener().listen(made, asked=request(local_only=True))) for _ in range(2)
        )
        await clock.sleep(1.0)
        with pytest.raises(PoolExhausted) as caught:
            await Listener().listen(made, asked=request(local_only=True))
        at = clock.monotonic()
        await asyncio.gather(at_work, waiting)
        return [caught.value], at

    (error,), at = played(tell)

    assert isinstance(error, PoolExhausted)
    assert steps(error.trail) == ["a/m: not_local", "local/m: out_of_concurrency"]
    assert at == pytest.approx(1.0)


def test_a_full_queue_is_not_joined_but_a_candidate_that_is_free_soon_is_waited_for() -> None:
    one = candidate("a/m", limits=[limit(1)])

    async def tell(clock: VirtualClock) -> tuple[Listener, float]:
        met = adapters()
        made = engine(one, clock=clock, adapters=met, fallback=LOCAL)
        assert made.fallback
        made.fallback.queue = Places(0)
        await made.fallback.take_slot("", 1.0)
        await Listener().listen(made)
        listener = Listener()
        await listener.listen(made)
        return listener, clock.monotonic()

    listener, at = played(tell)

    assert listener.ended.attempt.candidate == "a/m"
    assert at == pytest.approx(60.0, abs=1.0)


def test_a_request_that_waits_in_the_queue_is_told_by_its_deadline() -> None:
    async def tell(clock: VirtualClock) -> tuple[OutOfTime, float]:
        made = engine(A, clock=clock, adapters=adapters(), fallback=LOCAL)
        assert made.fallback
        await made.fallback.take_slot("", 1.0)
        with pytest.raises(OutOfTime) as caught:
            await Listener().listen(made, 5.0, asked=request(local_only=True))
        return caught.value, clock.monotonic()

    error, at = played(tell)

    assert error.trail
    assert [skip.reason for skip in error.trail.skips] == [SkipReason.NOT_LOCAL, SkipReason.NO_TIME]
    assert at == pytest.approx(5.0, abs=0.3)
