"""What the ledger guesses from refusals that say nothing, and how it takes a guess back."""

import pytest

from pointsman.domain.answer import Usage
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.guesses import CALM_CALLS
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.quota import Estimate
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import MINUTE, candidate, estimate, ledger, limit, usage

A = candidate("a/m")
SMALL = estimate()
ANSWERED = Settlement(outcome=Outcome.ANSWERED, usage=usage(10, 10))
REFUSED = Settlement(outcome=Outcome.RATE_LIMITED)


async def reserve(book: MemoryLedger, one: Candidate = A, of: Estimate = SMALL) -> Reservation:
    reservation = await book.reserve(one, of)
    assert isinstance(reservation, Reservation), reservation
    return reservation


async def answered(book: MemoryLedger, clock: FakeClock, times: int, *, every_s: float = 1.0) -> None:
    for _ in range(times):
        await book.settle(await reserve(book), ANSWERED)
        clock.advance(every_s)


def guessed(book: MemoryLedger, one: Candidate = A) -> int | None:
    """Return the limit of requests a minute that was guessed, None when there is none."""
    return next((window.limit for window in book.windows(one) if window.source == "learned"), None)


async def test_a_refusal_that_says_nothing_tells_how_many_a_minute_were_let_in(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await answered(book, clock, 7)

    await book.settle(await reserve(book), REFUSED)

    assert guessed(book) == 7


async def test_what_is_refused_in_a_burst_counts_nothing(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    burst = [await reserve(book) for _ in range(20)]

    for reservation in burst[12:]:
        await book.settle(reservation, REFUSED)

    assert guessed(book) == 12


async def test_a_second_refusal_at_the_guess_lowers_it_by_one(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await answered(book, clock, 7)
    await book.settle(await reserve(book), REFUSED)
    clock.advance(120.0)
    await answered(book, clock, 6)

    await book.settle(await reserve(book), REFUSED)

    assert guessed(book) == 6


async def test_a_few_calls_are_no_reason_for_a_refusal(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await answered(book, clock, 2)

    await book.settle(await reserve(book), REFUSED)

    assert guessed(book) is None


@pytest.mark.parametrize(
    "settlement",
    [
        pytest.param(Settlement(outcome=Outcome.OVERLOADED), id="overloaded"),
        pytest.param(Settlement(outcome=Outcome.DAILY_QUOTA), id="the-days-quota"),
        pytest.param(
            Settlement(
                outcome=Outcome.RATE_LIMITED, stated=(StatedQuota(unit=Unit.TOKENS, limit=9_000, period=MINUTE),)
            ),
            id="a-limit-that-is-named",
        ),
    ],
)
async def test_nothing_is_guessed_where_something_is_said(clock: FakeClock, settlement: Settlement) -> None:
    book = ledger(A, clock=clock)
    await answered(book, clock, 7)

    await book.settle(await reserve(book), settlement)

    assert not any(window.unit is Unit.REQUESTS for window in book.windows(A))


async def test_a_guess_grows_after_many_answers_at_it_and_faster_each_time(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await answered(book, clock, 3)
    await book.settle(await reserve(book), REFUSED)
    clock.advance(120.0)
    guesses = []

    for _ in range(8 * CALM_CALLS):
        while book.skip(A, SMALL):
            clock.advance(1.0)
        await answered(book, clock, 1, every_s=0.0)
        guesses.append(guessed(book))

    assert list(dict.fromkeys(guesses))[:3] == [3, 4, 6]


async def test_of_tokens_together_the_output_asked_for_counts_from_the_first_call_on(clock: FakeClock) -> None:
    one = candidate(limits=[limit(1_000, Unit.TOKENS)])
    book = ledger(one, clock=clock)
    asked = Estimate(input_tokens=10, output_tokens=10, admitted_tokens=300)

    await book.settle(
        await reserve(book, one, asked),
        Settlement(outcome=Outcome.ANSWERED, usage=Usage(input_tokens=10, output_tokens=10)),
    )

    (window,) = book.windows(one)
    assert (window.unit, window.remaining) == (Unit.TOKENS, 700)


async def test_calls_at_once_fall_to_those_that_left_before_the_refused_one(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    *_, last = [await reserve(book) for _ in range(6)]

    await book.settle(last, Settlement(outcome=Outcome.CONCURRENCY_LIMITED))

    (window,) = book.windows(A)
    assert (window.unit, window.limit) == (Unit.CONCURRENCY, 5)
