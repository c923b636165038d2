"""The local share: never more than this replica's part, whatever was known and whoever is under way."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.domain.pool import Algorithm, Candidate, Unit
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.mirror import Mirror
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.ledger.share import Share
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import MINUTE, candidate, estimate, limit, usage

SMALL = estimate(10)
FREE = candidate("a/m")


def share(*candidates: Candidate, clock: FakeClock, replicas: int = 4) -> Share:
    return Share(candidates, replicas=replicas, lease_s=75.0, clock=clock, random=Random(7), margin_s=0.0)


def mirror(*candidates: Candidate, clock: FakeClock) -> Mirror:
    """Return a mirror that is used as the ledger of all replicas together."""
    return Mirror(candidates, clock=clock, random=Random(7), margin_s=0.0)


async def fill(book: Share | Mirror, one: Candidate) -> list[Reservation]:
    """Reserve as much as there is."""
    taken = []
    while isinstance(reservation := await book.reserve(one, SMALL), Reservation):
        taken.append(reservation)
    return taken


def stated(remaining: int | None, of: int, clock: FakeClock) -> StatedQuota:
    full_at = clock.now() + timedelta(seconds=50)
    return StatedQuota(unit=Unit.REQUESTS, limit=of, remaining=remaining, full_at=full_at, period=MINUTE)


@pytest.mark.parametrize(
    "amount, ours",
    [
        pytest.param(1, 1, id="one-is-the-least"),
        pytest.param(4, 1, id="one-each"),
        pytest.param(11, 2, id="rounded-down"),
        pytest.param(400, 100, id="a-quarter"),
    ],
)
@pytest.mark.parametrize("unit", [Unit.REQUESTS, Unit.CONCURRENCY])
async def test_a_limit_is_divided(clock: FakeClock, amount: int, ours: int, unit: Unit) -> None:
    one = candidate(limits=[limit(amount, unit, None if unit is Unit.CONCURRENCY else MINUTE)])

    assert len(await fill(share(one, clock=clock), one)) == ours


@pytest.mark.parametrize("replicas, bound", [(1, 16), (4, 4), (40, 1)])
async def test_where_no_limit_is_known_calls_at_once_are_bounded(clock: FakeClock, replicas: int, bound: int) -> None:
    book = share(FREE, clock=clock, replicas=replicas)

    assert len(await fill(book, FREE)) == bound
    skip = book.skip(FREE, SMALL)
    assert skip
    assert skip.reason is SkipReason.OUT_OF_CONCURRENCY


@pytest.mark.parametrize(
    "retry_after_s, bound",
    [pytest.param(None, 16, id="all-was-well"), pytest.param(0.0, 1, id="it-was-to-be-probed")],
)
async def test_what_went_well_with_redis_is_bounded_less(
    clock: FakeClock, retry_after_s: float | None, bound: int
) -> None:
    known, book = mirror(FREE, clock=clock), share(FREE, clock=clock)
    reservation = await known.reserve(FREE, SMALL)
    assert isinstance(reservation, Reservation)
    await known.settle(reservation, Settlement(outcome=Outcome.OVERLOADED, retry_after_s=retry_after_s))

    book.inherit(known, [])

    assert len(await fill(book, FREE)) == bound


@pytest.mark.parametrize(
    "outcome, grows",
    [
        pytest.param(Outcome.ANSWERED, 2, id="an-answer-lets-two-follow-one"),
        pytest.param(Outcome.SERVER_ERROR, 1, id="a-failure-lets-one-follow"),
        pytest.param(Outcome.CANCELLED, 1, id="as-does-giving-up"),
    ],
)
async def test_the_bound_grows_with_every_answer_at_it(clock: FakeClock, outcome: Outcome, grows: int) -> None:
    book = share(FREE, clock=clock)
    first, *_ = await fill(book, FREE)

    await book.settle(first, Settlement(outcome=outcome))

    assert len(await fill(book, FREE)) == grows


async def test_a_bound_that_was_refused_does_not_grow_with_the_next_answer(clock: FakeClock) -> None:
    book = share(FREE, clock=clock)
    first, second, *_ = await fill(book, FREE)
    await book.settle(first, Settlement(outcome=Outcome.CONCURRENCY_LIMITED))

    await book.settle(second, Settlement(outcome=Outcome.ANSWERED))

    assert await fill(book, FREE) == []


async def test_a_statement_ends_the_guess_and_a_part_of_it_is_ours(clock: FakeClock) -> None:
    book = share(FREE, clock=clock)
    first, *others = await fill(book, FREE)
    for other in others:
        await book.settle(other, Settlement(outcome=Outcome.ANSWERED))

    await book.settle(first, Settlement(outcome=Outcome.ANSWERED, stated=(stated(40, 100, clock),)))

    assert len(await fill(book, FREE)) == 10


async def test_use_cooldowns_and_sizes_are_inherited(clock: FakeClock) -> None:
    one, other = candidate("a/m", limits=[limit(40)]), candidate("b/m")
    known, book = mirror(one, other, clock=clock), share(one, other, clock=clock)
    for _ in range(21):
        reservation = await known.reserve(one, SMALL)
        assert isinstance(reservation, Reservation)
        await known.settle(reservation, Settlement(outcome=Outcome.ANSWERED, usage=usage(1, 1)))
    too_large = await known.reserve(one, estimate(500))
    assert isinstance(too_large, Reservation)
    await known.settle(too_large, Settlement(outcome=Outcome.CONTEXT_TOO_LONG))
    known.take_out(other, Outcome.UNAUTHORIZED)

    book.inherit(known, [])

    assert book.skip(one, estimate(500))
    assert book.is_out(other) is Outcome.UNAUTHORIZED
    assert len(await fill(book, one)) == 4  # ten, less a quarter of 22, rounded up


@pytest.mark.parametrize("unit", [Unit.REQUESTS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.TOKENS])
async def test_a_part_of_a_bucket_is_inherited(clock: FakeClock, unit: Unit) -> None:
    of = SMALL.amount(unit)
    one = candidate(limits=[limit(40 * of, unit, algorithm=Algorithm.TOKEN_BUCKET)])
    known, book = mirror(one, clock=clock), share(one, clock=clock)
    for _ in range(24):
        await known.reserve(one, SMALL)

    book.inherit(known, [])

    assert len(await fill(book, one)) == 4  # ten, less a quarter of 24 that are under way elsewhere


async def test_a_part_of_a_bucket_gives_back_a_part(clock: FakeClock) -> None:
    one = candidate(limits=[limit(40, algorithm=Algorithm.TOKEN_BUCKET)])
    known, book = mirror(one, clock=clock), share(one, clock=clock)
    await fill(known, one)
    book.inherit(known, [])

    skip = book.skip(one, SMALL)
    clock.advance(6.0)

    assert skip
    assert skip.ready_at == clock.now()
    assert len(await fill(book, one)) == 1


async def test_a_fixed_window_goes_on_without_redis(clock: FakeClock) -> None:
    one = candidate(limits=[limit(8, algorithm=Algorithm.FIXED_WINDOW, offset_s=17.0)])
    known, book = mirror(one, clock=clock), share(one, clock=clock)
    for reservation in await fill(known, one):
        await known.settle(reservation, Settlement(outcome=Outcome.ANSWERED, usage=usage(1, 1)))
    book.inherit(known, [])

    before = book.skip(one, SMALL)
    clock.advance(17.0)

    assert before
    assert before.ready_at == clock.now()
    assert len(await fill(book, one)) == 2


async def test_calls_under_way_elsewhere_are_over_when_their_leases_are(clock: FakeClock) -> None:
    one = candidate(limits=[limit(8, Unit.CONCURRENCY, None)])
    known, book = mirror(one, clock=clock), share(one, clock=clock, replicas=2)
    await fill(known, one)

    book.inherit(known, [])
    at_first = book.skip(one, SMALL)
    clock.advance(75.0)

    assert at_first
    assert len(await fill(book, one)) == 4


async def test_a_call_that_left_with_redis_settles_here(clock: FakeClock) -> None:
    one = candidate(limits=[limit(8)])
    known, book = mirror(one, clock=clock), share(one, clock=clock, replicas=2)
    own = await known.reserve(one, SMALL)
    assert isinstance(own, Reservation)

    (here,) = book.inherit(known, [own])
    under_way = book.in_flight(one)
    await book.settle(here, Settlement(outcome=Outcome.RATE_LIMITED, retry_after_s=9.0))

    assert (under_way, book.in_flight(one)) == (1, 0)
    assert book.skip(one, SMALL)


@given(
    amount=st.integers(1, 60),
    replicas=st.integers(1, 5),
    ended=st.integers(0, 30),
    held=st.lists(st.integers(0, 4), max_size=30),
    remaining=st.none() | st.integers(0, 60),
    unit=st.sampled_from([Unit.REQUESTS, Unit.CONCURRENCY]),
    algorithm=st.sampled_from([None, *Algorithm]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
async def test_all_parts_together_are_never_more_than_was_left(
    amount: int,
    replicas: int,
    ended: int,
    held: list[int],
    remaining: int | None,
    unit: Unit,
    algorithm: Algorithm | None,
) -> None:
    clock = FakeClock()
    period = None if unit is Unit.CONCURRENCY else MINUTE
    one = candidate(limits=[limit(amount, unit, period, algorithm if period else None)])
    known = mirror(one, clock=clock)
    for _ in range(ended):
        if isinstance(reservation := await known.reserve(one, SMALL), Reservation):
            said = () if remaining is None or unit is not Unit.REQUESTS else (stated(remaining, amount, clock),)
            await known.settle(reservation, Settlement(outcome=Outcome.ANSWERED, stated=said))
    own: dict[int, list[Reservation]] = {index: [] for index in range(replicas)}
    for index in held:
        if isinstance(reservation := await known.reserve(one, SMALL), Reservation):
            own[index % replicas].append(reservation)
    (window,) = (each for each in known.windows(one) if each.unit is unit)

    parts = []
    for calls in own.values():
        book = share(one, clock=clock, replicas=replicas)
        book.inherit(known, calls)
        parts.append(len(await fill(book, one)))

    # A replica may always do one thing at a time; more than that is part of what was left.
    assert sum(parts) <= max(window.remaining, replicas if amount < replicas else 0)
