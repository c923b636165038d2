"""A ledger that is told of other limits: what was used stays used, and calls under way are settled as they were."""

from random import Random

import pytest

from pointsman.domain.pool import Algorithm, Candidate, Unit
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.ledger.share import Share
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import candidate, estimate, ledger, limit, usage

SMALL = estimate(10)
COUNTED: list[Algorithm | None] = [None, *Algorithm]


def allowing(amount: int, algorithm: Algorithm | None = None) -> Candidate:
    return candidate("a/m", limits=[limit(amount, algorithm=algorithm)])


async def reserved(book: MemoryLedger, one: Candidate) -> Reservation:
    reservation = await book.reserve(one, SMALL)
    assert isinstance(reservation, Reservation), reservation
    return reservation


async def use(book: MemoryLedger, one: Candidate, times: int) -> None:
    for _ in range(times):
        await end(book, await reserved(book, one))


async def end(book: MemoryLedger, reservation: Reservation, outcome: Outcome = Outcome.ANSWERED) -> None:
    await book.settle(reservation, Settlement(outcome=outcome, usage=usage(10, 10)))


def remaining(book: MemoryLedger, one: Candidate) -> int:
    (window,) = (each for each in book.windows(one) if each.unit is Unit.REQUESTS)
    return window.remaining


async def test_limits_that_stay_remember_what_was_used(clock: FakeClock) -> None:
    book = ledger(allowing(5), clock=clock)
    await use(book, allowing(5), 3)

    book.heed([allowing(5), candidate("b/m", limits=[limit(9)])])

    assert remaining(book, allowing(5)) == 2


@pytest.mark.parametrize("after", COUNTED, ids=str)
@pytest.mark.parametrize("before", COUNTED, ids=str)
async def test_what_was_used_counts_against_another_limit(
    before: Algorithm | None, after: Algorithm | None, clock: FakeClock
) -> None:
    book = ledger(allowing(6, before), clock=clock)
    await use(book, allowing(6, before), 3)
    under_way = await reserved(book, allowing(6, before))

    book.heed([allowing(10, after)])
    held = remaining(book, allowing(10, after))
    await end(book, under_way)

    assert held == 6
    assert remaining(book, allowing(10, after)) == 6


@pytest.mark.parametrize("after", COUNTED, ids=str)
async def test_a_lower_limit_holds_at_once(after: Algorithm | None, clock: FakeClock) -> None:
    book = ledger(allowing(5), clock=clock)
    await use(book, allowing(5), 3)

    book.heed([allowing(2, after)])
    skip = book.skip(allowing(2, after), SMALL)

    assert skip
    assert skip.reason is SkipReason.OUT_OF_QUOTA


async def test_a_limit_that_is_taken_away_holds_no_more(clock: FakeClock) -> None:
    book = ledger(allowing(1), clock=clock)
    await use(book, allowing(1), 1)

    book.heed([candidate("a/m")])

    assert book.skip(candidate("a/m"), SMALL) is None
    assert book.windows(candidate("a/m")) == ()


async def test_a_call_of_a_candidate_that_was_taken_away_is_settled(clock: FakeClock) -> None:
    book = ledger(allowing(5), clock=clock)
    under_way = await reserved(book, allowing(5))

    book.heed([candidate("b/m")])
    await end(book, under_way)
    book.heed([allowing(5)])

    assert (book.in_flight(allowing(5)), remaining(book, allowing(5))) == (0, 4)


async def test_a_cooldown_stays(clock: FakeClock) -> None:
    book = ledger(allowing(5), clock=clock)
    await end(book, await reserved(book, allowing(5)), Outcome.RATE_LIMITED)

    book.heed([allowing(50)])
    skip = book.skip(allowing(50), SMALL)

    assert skip
    assert skip.reason is SkipReason.COOLING


async def test_a_size_that_was_too_large_is_forgotten_with_the_limits_that_refused_it(clock: FakeClock) -> None:
    book = ledger(allowing(5), clock=clock)
    await end(book, await reserved(book, allowing(5)), Outcome.REQUEST_EXCEEDS_QUOTA)
    kept = book.skip(allowing(5), SMALL)

    book.heed([allowing(50)])

    assert kept
    assert book.skip(allowing(50), SMALL) is None


def test_whoever_watches_hears_of_every_candidate(clock: FakeClock) -> None:
    book, heard = ledger(allowing(5), clock=clock), list[str]()
    book.watch(heard.append)

    book.heed([allowing(5), candidate("b/m")])

    assert heard == ["a/m", "b/m"]


def test_a_share_counts_by_its_part_of_other_limits_too(clock: FakeClock) -> None:
    book = Share([allowing(8)], replicas=4, lease_s=75.0, clock=clock, random=Random(7), margin_s=0.0)
    before = remaining(book, allowing(8))

    book.heed([allowing(16)])

    assert (before, remaining(book, allowing(16))) == (2, 4)


async def test_a_call_under_way_gives_back_what_it_held_where_it_held_it(clock: FakeClock) -> None:
    one_at_once = [limit(1, Unit.CONCURRENCY, None)]
    grouped, other = (candidate(id_, limits=one_at_once, group="g") for id_ in ("a/m", "b/m"))
    alone = candidate("a/m")
    book = ledger(grouped, other, clock=clock)
    under_way = await reserved(book, grouped)

    book.heed([alone, other])
    book.skip(alone, SMALL)
    await end(book, under_way)

    assert book.skip(other, SMALL) is None
