"""The ledger of one process: what may leave, what is learned, and that nothing is ever lost."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.domain.answer import Usage
from pointsman.domain.pool import Algorithm, Candidate, Unit
from pointsman.domain.trail import Outcome, Skip, SkipReason
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.guesses import CALM_CALLS
from pointsman.executor.ledger.memory import LONGEST_COOLDOWN_S, MemoryLedger
from pointsman.executor.ledger.port import Reservation, Settlement
from pointsman.executor.past import BINS
from pointsman.executor.quota import MINUTE_S, Estimate
from tests.fakes.clock import START, FakeClock
from tests.unit.executor.making import DAY, MINUTE, candidate, estimate, ledger, limit, usage

A = candidate("a/m")
SMALL = estimate()
FORGOTTEN_S = MINUTE_S + MINUTE_S / BINS
"""When a minute that does not say how it is counted has forgotten a call that left at 0."""


async def reserve(book: MemoryLedger, one: Candidate = A, of: Estimate = SMALL) -> Reservation:
    reservation = await book.reserve(one, of)
    assert isinstance(reservation, Reservation), reservation
    return reservation


async def denied(book: MemoryLedger, one: Candidate = A, of: Estimate = SMALL) -> Skip:
    skip = await book.reserve(one, of)
    assert isinstance(skip, Skip)
    return skip


async def end(
    book: MemoryLedger,
    reservation: Reservation,
    outcome: Outcome = Outcome.ANSWERED,
    *stated: StatedQuota,
    used: Usage | None = None,
    retry_after_s: float | None = None,
    out_until: datetime | None = None,
) -> None:
    settlement = Settlement(
        outcome=outcome, usage=used, stated=stated, retry_after_s=retry_after_s, out_until=out_until
    )
    await book.settle(reservation, settlement)


async def once(book: MemoryLedger, outcome: Outcome, *stated: StatedQuota, one: Candidate = A, **more: float) -> None:
    """Make one call that ends so."""
    await end(book, await reserve(book, one), outcome, *stated, used=usage(10, 10), **more)  # type: ignore[arg-type]


def left(book: MemoryLedger, one: Candidate = A) -> dict[str, int]:
    return {f"{window.scope} {window.unit}": window.remaining for window in book.windows(one)}


# --- Reserving and settling


async def test_a_reservation_counts_in_every_scope_until_it_is_settled(clock: FakeClock) -> None:
    one = candidate(limits=[limit(5), limit(100, Unit.INPUT_TOKENS)], account_limits=[limit(2, Unit.CONCURRENCY, None)])
    book = ledger(one, clock=clock)

    reservation = await reserve(book, one, estimate(30))
    under_way = left(book, one), book.in_flight(one)
    await end(book, reservation, used=usage(20, 7))

    assert under_way == (
        {"provider:a concurrency": 1, "model:a/m requests": 4, "model:a/m input_tokens": 70},
        1,
    )
    assert left(book, one) == {"provider:a concurrency": 2, "model:a/m requests": 4, "model:a/m input_tokens": 80}
    assert book.in_flight(one) == 0


async def test_settling_twice_changes_nothing(clock: FakeClock) -> None:
    one = candidate(limits=[limit(5)])
    book = ledger(one, clock=clock)
    first, _second = await reserve(book, one), await reserve(book, one)

    await end(book, first)
    await end(book, first, Outcome.RATE_LIMITED, retry_after_s=99.0)

    assert (book.in_flight(one), left(book, one)) == (1, {"model:a/m requests": 3})
    assert book.skip(one, SMALL) is None


async def test_candidates_under_one_quota_share_it(clock: FakeClock) -> None:
    one, two = (candidate(id_, group="g", limits=[limit(1)]) for id_ in ("a/flash", "a/vision"))
    book = ledger(one, two, clock=clock)

    await reserve(book, one)

    assert (await denied(book, two)).reason is SkipReason.OUT_OF_QUOTA


async def test_two_limits_for_one_model_count_as_the_stricter(clock: FakeClock) -> None:
    loose, strict = candidate(limits=[limit(5)]), candidate(limits=[limit(2)])

    book = ledger(loose, strict, loose, clock=clock)

    assert left(book, loose) == {"model:a/m requests": 2}


@pytest.mark.parametrize(
    "outcome, used, input_left, total_left",
    [
        pytest.param(Outcome.ANSWERED, usage(20, 5), 80, 150, id="answered-as-used"),
        pytest.param(
            Outcome.ANSWERED,
            Usage(input_tokens=20, cached_input_tokens=15, output_tokens=5),
            95,
            150,
            id="cached-input-is-free-of-the-input-limit",
        ),
        pytest.param(
            Outcome.ANSWERED, Usage(input_tokens=5, cached_input_tokens=500), 100, 165, id="more-cached-than-sent"
        ),
        pytest.param(Outcome.ANSWERED, None, 70, 140, id="answered-and-not-counted"),
        pytest.param(Outcome.CANCELLED, None, 70, 140, id="cancelled-may-have-run"),
        pytest.param(Outcome.TIMED_OUT, None, 70, 140, id="timed-out-may-have-run"),
        pytest.param(Outcome.NETWORK, None, 70, 140, id="broken-off-may-have-run"),
        pytest.param(Outcome.SERVER_ERROR, None, 70, 140, id="failed-may-have-run"),
        pytest.param(Outcome.RATE_LIMITED, None, 100, 200, id="refused-at-the-door"),
        pytest.param(Outcome.INVALID_REQUEST, None, 100, 200, id="invalid"),
    ],
)
async def test_what_a_call_leaves_behind(
    clock: FakeClock, outcome: Outcome, used: Usage | None, input_left: int, total_left: int
) -> None:
    one = candidate(limits=[limit(100, Unit.INPUT_TOKENS), limit(200, Unit.TOKENS), limit(9)])
    book = ledger(one, clock=clock)

    await end(book, await reserve(book, one, estimate(30)), outcome, used=used)

    assert left(book, one) == {
        "model:a/m input_tokens": input_left,
        "model:a/m tokens": total_left,
        "model:a/m requests": 8,
    }


@pytest.mark.parametrize(
    "limits, of, reason, detail, ready_in_s",
    [
        pytest.param(
            [limit(1)], SMALL, SkipReason.OUT_OF_QUOTA, "model:a/m has 0 of 1 requests in 60 s left; 1 needed",
            FORGOTTEN_S, id="requests",
        ),
        pytest.param(
            [limit(15, Unit.INPUT_TOKENS)], SMALL, SkipReason.OUT_OF_QUOTA, "has 5 of 15 input_tokens", FORGOTTEN_S,
            id="tokens",
        ),
        pytest.param(
            [limit(1, Unit.CONCURRENCY, None)], SMALL, SkipReason.OUT_OF_CONCURRENCY, "0 of 1 concurrency at once",
            None, id="concurrency",
        ),
        pytest.param(
            [limit(15, Unit.INPUT_TOKENS)], estimate(16), SkipReason.REQUEST_EXCEEDS_QUOTA, "16 needed", None,
            id="larger-than-the-limit",
        ),
        pytest.param(
            [limit(1), limit(15, Unit.INPUT_TOKENS), limit(1, Unit.REQUESTS, DAY)], SMALL, SkipReason.OUT_OF_QUOTA,
            "1 requests in 86400 s", 79_200.0, id="the-one-that-lasts-longest",
        ),
        pytest.param(
            [limit(1, Unit.CONCURRENCY, None), limit(15, Unit.INPUT_TOKENS), limit(1)], estimate(16),
            SkipReason.REQUEST_EXCEEDS_QUOTA, "16 needed", None, id="never-beats-later",
        ),
    ],
)  # fmt: skip
async def test_why_a_call_must_not_leave(
    clock: FakeClock, limits: list[object], of: Estimate, reason: SkipReason, detail: str, ready_in_s: float | None
) -> None:
    one = candidate(limits=limits)  # type: ignore[arg-type]  # a column of the table
    book = ledger(one, clock=clock)
    await reserve(book, one)

    skip = await denied(book, one, of)

    assert skip == book.skip(one, of)
    assert skip.reason is reason
    assert detail in skip.detail
    assert skip.ready_at == (None if ready_in_s is None else clock.now() + timedelta(seconds=ready_in_s))


async def test_the_wait_that_is_named_is_the_longer_of_cooldown_and_quota(clock: FakeClock) -> None:
    one = candidate(limits=[limit(1)])
    book = ledger(one, clock=clock)
    await end(book, await reserve(book, one), Outcome.RATE_LIMITED, retry_after_s=2.0)

    skip = await denied(book, one)

    assert (skip.reason, skip.ready_at) == (SkipReason.OUT_OF_QUOTA, clock.now() + timedelta(seconds=FORGOTTEN_S))


async def test_what_is_ready_at_an_instant_is_ready_then(clock: FakeClock) -> None:
    one = candidate(limits=[limit(2), limit(30, Unit.INPUT_TOKENS)])
    book = ledger(one, clock=clock, margin_s=1.0)
    for _ in range(2):
        await end(book, await reserve(book, one), used=usage(10, 0))

    skip = await denied(book, one)
    assert skip.ready_at
    clock.advance((skip.ready_at - clock.now()).total_seconds())

    assert book.skip(one, SMALL) is None


# --- Ways of counting


@pytest.mark.parametrize(
    "algorithm, ready_in_s",
    [
        pytest.param(None, FORGOTTEN_S, id="unknown"),
        pytest.param(Algorithm.SLIDING_WINDOW, FORGOTTEN_S, id="a-sliding-window"),
        pytest.param(Algorithm.FIXED_WINDOW, 17.0, id="a-fixed-window-ends-17-s-after-the-full-minute"),
        pytest.param(Algorithm.TOKEN_BUCKET, 10.0, id="a-bucket-gives-back-a-sixth-of-a-minute-later"),
    ],
)
async def test_a_minute_is_counted_as_the_settings_say(
    clock: FakeClock, algorithm: Algorithm | None, ready_in_s: float
) -> None:
    one = candidate(limits=[limit(6, algorithm=algorithm, offset_s=17.0)])
    book = ledger(one, clock=clock)
    for _ in range(6):
        await end(book, await reserve(book, one))

    skip = await denied(book, one)
    assert skip.ready_at
    waited_s = (skip.ready_at - clock.now()).total_seconds()
    clock.advance(waited_s)

    assert waited_s == pytest.approx(ready_in_s, abs=2e-6)
    assert book.skip(one, SMALL) is None


@pytest.mark.parametrize("unit", [Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.TOKENS])
async def test_a_bucket_of_tokens_holds_what_was_asked_and_then_what_was_used(clock: FakeClock, unit: Unit) -> None:
    one = candidate(limits=[limit(60, unit, algorithm=Algorithm.TOKEN_BUCKET)])
    book = ledger(one, clock=clock)

    reservation = await reserve(book, one, estimate(20))
    held = left(book, one)
    await end(book, reservation, used=usage(5, 5))

    name = f"model:a/m {unit}"
    asked = Estimate(input_tokens=20, output_tokens=20, admitted_tokens=40).amount(unit)
    used = {Unit.INPUT_TOKENS: 5, Unit.OUTPUT_TOKENS: 5, Unit.TOKENS: 25}[unit]
    assert (held, left(book, one)) == ({name: 60 - asked}, {name: 60 - used})


async def test_a_bucket_keeps_what_a_call_used_that_left_long_ago(clock: FakeClock) -> None:
    one = candidate(limits=[limit(60, Unit.INPUT_TOKENS, algorithm=Algorithm.TOKEN_BUCKET)])
    book = ledger(one, clock=clock)
    long = await reserve(book, one, estimate(50))
    clock.advance(50.0)
    await reserve(book, one, estimate(60))

    await end(book, long, used=usage(0, 0))

    assert left(book, one) == {"model:a/m input_tokens": 0}


async def test_an_absurd_count_of_tokens_shuts_a_bucket_for_two_minutes_at_most(clock: FakeClock) -> None:
    one = candidate(limits=[limit(60, Unit.OUTPUT_TOKENS, algorithm=Algorithm.TOKEN_BUCKET)])
    book = ledger(one, clock=clock)
    for reservation in [await reserve(book, one) for _ in range(2)]:
        await end(book, reservation, used=usage(0, 10**12))

    skip = await denied(book, one)

    assert skip.ready_at
    assert skip.ready_at - clock.now() <= 2 * MINUTE


@pytest.mark.parametrize("order", ["the-stricter-first", "the-stricter-last"])
async def test_of_two_limits_the_stricter_says_how_it_is_counted(clock: FakeClock, order: str) -> None:
    strict = candidate(limits=[limit(2, algorithm=Algorithm.TOKEN_BUCKET)])
    loose = candidate(limits=[limit(5, algorithm=Algorithm.FIXED_WINDOW)])
    both = (strict, loose) if order == "the-stricter-first" else (loose, strict)
    book = ledger(*both, clock=clock)
    for _ in range(2):
        await end(book, await reserve(book, strict))

    skip = await denied(book, loose)

    assert skip.ready_at
    assert (skip.ready_at - clock.now()).total_seconds() == pytest.approx(30.0, abs=2e-6)


@pytest.mark.parametrize("left_at_s, kept", [(59.1, 0), (59.3, 1)])
async def test_what_left_just_before_a_fixed_window_ended_counts_in_the_next(
    clock: FakeClock, left_at_s: float, kept: int
) -> None:
    one = candidate(limits=[limit(2, algorithm=Algorithm.FIXED_WINDOW, offset_s=0.2)])
    book = ledger(one, clock=clock, margin_s=1.0)
    clock.advance(left_at_s)
    await end(book, await reserve(book, one))

    clock.advance(61.5 - left_at_s)
    await end(book, await reserve(book, one))

    assert left(book, one) == {"model:a/m requests": 1 - kept}


async def test_minutes_without_a_call_are_not_remembered_by_a_fixed_window(clock: FakeClock) -> None:
    one = candidate(limits=[limit(2, algorithm=Algorithm.FIXED_WINDOW)])
    book = ledger(one, clock=clock, margin_s=1.0)
    clock.advance(59.5)
    for _ in range(2):
        await end(book, await reserve(book, one))

    clock.advance(5.0)
    before = book.skip(one, SMALL)
    clock.advance(60.0)

    assert before
    assert before.ready_at == START + timedelta(seconds=121)
    assert book.skip(one, SMALL) is None


# --- Days


class Wall(FakeClock):
    """A clock whose wall time can be set apart from its monotonic time, as by an operator or by NTP."""

    shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift


@pytest.mark.parametrize(
    "start, hours",
    [
        pytest.param("2026-11-22T10:00:00", 22, id="winter"),
        pytest.param("2026-03-08T08:00:00", 23, id="the-short-day"),
        pytest.param("2026-11-01T07:00:00", 25, id="the-long-day"),
    ],
)
async def test_a_daily_limit_renews_at_midnight_pacific(start: str, hours: int) -> None:
    clock = FakeClock(datetime.fromisoformat(start).replace(tzinfo=UTC))
    one = candidate(limits=[limit(1, Unit.REQUESTS, DAY)])
    book = ledger(one, clock=clock)
    await end(book, await reserve(book, one))

    clock.advance(hours * 3600 - 1)
    before = book.skip(one, SMALL)
    clock.advance(1)

    assert before
    assert before.ready_at == clock.now()
    assert book.skip(one, SMALL) is None


async def test_every_day_renews(clock: FakeClock) -> None:
    one = candidate(limits=[limit(1, Unit.REQUESTS, DAY)])
    book = ledger(one, clock=clock)

    for _ in range(5):
        await end(book, await reserve(book, one))
        assert (await denied(book, one)).reason is SkipReason.OUT_OF_QUOTA
        clock.advance(86_400)


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(hours=-3), timedelta(hours=3), timedelta(days=400)])
async def test_a_jump_of_the_wall_clock_opens_no_window(jump: timedelta) -> None:
    clock = Wall()
    one = candidate(limits=[limit(1), limit(2, Unit.REQUESTS, DAY)])
    book = ledger(one, clock=clock)
    await end(book, await reserve(book, one))

    clock.shift = jump
    skip = await denied(book, one)

    assert skip.reason is SkipReason.OUT_OF_QUOTA
    assert skip.ready_at == clock.now() + timedelta(seconds=FORGOTTEN_S)


# --- What providers state


def stated(
    remaining: int | None,
    limit: int = 10,
    *,
    full_in_s: float | None = 60.0,
    unit: Unit = Unit.REQUESTS,
    period: timedelta | None = MINUTE,
    refills: bool = False,
    now: datetime | None = None,
) -> StatedQuota:
    now = now or FakeClock().now()
    full_at = None if full_in_s is None else now + timedelta(seconds=full_in_s)
    return StatedQuota(unit=unit, limit=limit, remaining=remaining, full_at=full_at, period=period, refills=refills)


async def test_what_an_answer_states_holds_at_once(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.ANSWERED, stated(0, full_in_s=30.0))

    skip = await denied(book)
    assert (skip.reason, skip.ready_at) == (SkipReason.OUT_OF_QUOTA, clock.now() + timedelta(seconds=30))


async def test_calls_under_way_count_in_a_window_that_only_now_becomes_known(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    first, *_others = [await reserve(book) for _ in range(10)]

    await end(book, first, Outcome.ANSWERED, stated(9, 10))

    assert left(book) == {"model:a/m requests": 0}


async def test_calls_under_way_elsewhere_do_not_count_in_it(clock: FakeClock) -> None:
    other = candidate("b/m")
    book = ledger(A, other, clock=clock)
    await reserve(book, other)

    await once(book, Outcome.ANSWERED, stated(9, 10))

    assert left(book) == {"model:a/m requests": 9}
    assert left(book, other) == {}


async def test_calls_that_leave_at_one_instant_still_have_an_order(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    burst = [await reserve(book) for _ in range(3)]

    await end(book, burst[0], Outcome.ANSWERED, stated(10, 100))

    assert [one.left_at for one in burst] == sorted({one.left_at for one in burst})
    assert left(book) == {"model:a/m requests": 8}


async def test_answers_out_of_order_never_raise_what_is_left(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    first, second = await reserve(book), await reserve(book)

    await end(book, second, Outcome.ANSWERED, stated(0, 10))
    before = left(book)
    await end(book, first, Outcome.ANSWERED, stated(9, 10))

    assert before == left(book) == {"model:a/m requests": 0}


async def test_tokens_of_account_and_project_count_as_the_stricter(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.ANSWERED, stated(10, 1_000, unit=Unit.TOKENS), stated(9_000, 10_000, unit=Unit.TOKENS))

    assert left(book) == {"model:a/m tokens": 10}


@pytest.mark.parametrize(
    "quota, remaining",
    [
        pytest.param(stated(-5), 0, id="negative-counts-as-nothing"),
        pytest.param(stated(10**30, 10**30), 10**30, id="huge"),
        pytest.param(stated(99, 10), 10, id="more-than-the-limit"),
        pytest.param(stated(0, full_in_s=-3_600.0), 10, id="full-in-the-past"),
        pytest.param(stated(0, full_in_s=0.0), 10, id="full-now"),
        pytest.param(stated(0, full_in_s=None), 0, id="full-nobody-says-when"),
    ],
)
async def test_odd_statements_are_read_with_care(clock: FakeClock, quota: StatedQuota, remaining: int) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.ANSWERED, quota)

    assert left(book) == {"model:a/m requests": remaining}


@pytest.mark.parametrize("nothing", [0, -1])
async def test_a_limit_of_nothing_is_not_believed(clock: FakeClock, nothing: int) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.ANSWERED, stated(0, nothing), stated(None, nothing))

    assert book.skip(A, SMALL) is None


@pytest.mark.parametrize("full_in_s", [None, 7_200.0, 86_400.0 * 400])
async def test_a_minute_never_lasts_longer_than_a_minute(clock: FakeClock, full_in_s: float | None) -> None:
    book = ledger(A, clock=clock)
    await once(book, Outcome.ANSWERED, stated(0, full_in_s=full_in_s))

    clock.advance(60.0)

    assert book.skip(A, SMALL) is None


@pytest.mark.parametrize(
    "full_in_s, period_s",
    [
        pytest.param(60.0, 60.0, id="soon-is-a-minutes"),
        pytest.param(7_200.0, 86_400.0, id="hours-are-a-days"),
        pytest.param(None, 60.0, id="unsaid-is-a-minutes"),
    ],
)
async def test_which_window_is_meant_where_a_provider_does_not_say(
    clock: FakeClock, full_in_s: float | None, period_s: float
) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.ANSWERED, stated(3, full_in_s=full_in_s, period=None))

    assert [window.period_s for window in book.windows(A)] == [period_s]


async def test_a_limit_named_in_an_error_is_learned(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.RATE_LIMITED, stated(None, 3))
    clock.advance(1.25)  # the cooldown is over

    (window,) = book.windows(A)
    assert (window.limit, window.source, window.remaining) == (3, "learned", 2)


async def test_windows_are_shown_as_people_see_them(clock: FakeClock) -> None:
    one = candidate(limits=[limit(4), limit(3, Unit.CONCURRENCY, None)])
    book = ledger(one, clock=clock)
    await end(book, await reserve(book, one))
    await reserve(book, one)

    requests, concurrency = book.windows(one)

    assert (requests.scope, requests.period_s, requests.limit, requests.source) == (
        "model:a/m",
        60.0,
        4,
        "configured",
    )
    assert (requests.remaining, requests.reserved, requests.renews_at) == (
        2,
        1,
        clock.now() + timedelta(seconds=FORGOTTEN_S),
    )
    assert (concurrency.period_s, concurrency.remaining, concurrency.reserved, concurrency.renews_at) == (
        None,
        2,
        1,
        None,
    )


# --- Cooldowns


async def test_a_stated_wait_is_kept_to_the_second(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await once(book, Outcome.RATE_LIMITED, retry_after_s=7.0)

    clock.advance(6.9)
    early = book.skip(A, SMALL)
    clock.advance(0.1)

    assert early
    assert (early.reason, early.detail) == (SkipReason.COOLING, "model:a/m is cooling after rate_limited")
    assert book.skip(A, SMALL) is None


async def test_after_a_cooldown_one_call_probes_and_the_others_wait_for_it(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await once(book, Outcome.RATE_LIMITED, retry_after_s=1.0)
    clock.advance(1.0)

    probe = await reserve(book)
    waiting = await denied(book)
    await end(book, probe)

    assert (waiting.reason, waiting.ready_at, waiting.waits) == (SkipReason.COOLING, None, True)
    assert book.skip(A, SMALL) is None


async def test_a_burst_that_is_refused_waits_once(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    for reservation in [await reserve(book) for _ in range(12)]:
        await end(book, reservation, Outcome.RATE_LIMITED)

    skip = await denied(book)

    assert skip.ready_at
    assert timedelta(seconds=5) <= skip.ready_at - clock.now() <= timedelta(seconds=6.25)


async def test_a_hint_that_did_not_help_is_not_enough_again(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    waits = []

    for _ in range(4):
        await once(book, Outcome.RATE_LIMITED, retry_after_s=0.0)
        skip = book.skip(A, SMALL)
        waits.append((skip.ready_at - clock.now()).total_seconds() if skip and skip.ready_at else 0.0)
        clock.advance(waits[-1])

    assert waits[0] == 0.0
    assert all(least <= wait <= 1.25 * least for wait, least in zip(waits[1:], (5, 60, 1_800), strict=True))


@pytest.mark.parametrize("wait_s", [86_400.0 * 31, math.inf, 1e300])
async def test_no_cooldown_outlasts_the_longest_day(clock: FakeClock, wait_s: float) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.RATE_LIMITED, retry_after_s=wait_s)

    skip = await denied(book)
    assert skip.ready_at == clock.now() + timedelta(seconds=LONGEST_COOLDOWN_S)


@pytest.mark.parametrize("wait_s", [-5.0, math.nan])
async def test_an_impossible_wait_is_none(clock: FakeClock, wait_s: float) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.RATE_LIMITED, retry_after_s=wait_s)

    assert book.skip(A, SMALL) is None


async def test_a_days_quota_is_left_alone_until_it_renews(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    renews = clock.now() + timedelta(hours=22)

    await end(book, await reserve(book), Outcome.DAILY_QUOTA, retry_after_s=1.0, out_until=renews)

    assert (await denied(book)).ready_at == renews


@pytest.mark.parametrize("outcome", [Outcome.OVERLOADED, Outcome.SERVER_ERROR, Outcome.TIMED_OUT, Outcome.NETWORK])
async def test_the_breaker_opens_after_three_failures_in_a_row(clock: FakeClock, outcome: Outcome) -> None:
    book = ledger(A, clock=clock)

    states = []
    for _ in range(3):
        await once(book, outcome)
        states.append(book.skip(A, SMALL) is None)

    assert states == [True, True, False]


async def test_a_failure_with_a_wait_holds_at_once(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.OVERLOADED, retry_after_s=3.0)

    assert (await denied(book)).ready_at == clock.now() + timedelta(seconds=3)


@pytest.mark.parametrize(
    "outcome, others_out",
    [
        pytest.param(Outcome.BILLING, ["a/m", "a/twin", "a/other"], id="billing-takes-the-account"),
        pytest.param(Outcome.UNAUTHORIZED, ["a/m", "a/twin", "a/other"], id="a-bad-key-takes-the-account"),
        pytest.param(Outcome.MODEL_NOT_FOUND, ["a/m"], id="a-missing-model-takes-itself"),
        pytest.param(Outcome.FORBIDDEN, ["a/m"], id="a-forbidden-model-takes-itself"),
        pytest.param(Outcome.RATE_LIMITED, ["a/m", "a/twin"], id="a-limit-takes-its-group"),
        pytest.param(Outcome.DAILY_QUOTA, ["a/m", "a/twin"], id="a-days-limit-takes-its-group"),
    ],
)
async def test_whom_an_outcome_holds_back(clock: FakeClock, outcome: Outcome, others_out: list[str]) -> None:
    one, twin, other = candidate("a/m", group="g"), candidate("a/twin", group="g"), candidate("a/other")
    book = ledger(one, twin, other, clock=clock)

    await once(book, outcome, one=one)

    assert [each.id for each in (one, twin, other) if book.skip(each, SMALL)] == others_out


async def test_the_worst_of_several_cooldowns_is_told(clock: FakeClock) -> None:
    one, twin = candidate("a/m", group="g"), candidate("a/twin", group="g")
    book = ledger(one, twin, clock=clock)
    await once(book, Outcome.RATE_LIMITED, one=twin, retry_after_s=5.0)

    book.take_out(one, Outcome.MODEL_NOT_FOUND)

    skip = book.skip(one, SMALL)
    assert skip
    assert (skip.reason, skip.ready_at, skip.waits) == (SkipReason.OUT_OF_SERVICE, None, False)


async def test_what_was_taken_out_comes_back_with_one_probe(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    await once(book, Outcome.UNAUTHORIZED)
    cause = book.is_out(A)

    book.revive(A)

    assert (cause, book.is_out(A)) == (Outcome.UNAUTHORIZED, None)
    await reserve(book)
    assert (await denied(book)).reason is SkipReason.COOLING


async def test_a_late_answer_does_not_bring_back_what_was_taken_out(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    older = await reserve(book)
    await once(book, Outcome.UNAUTHORIZED)

    await end(book, older)

    assert book.is_out(A) is Outcome.UNAUTHORIZED


@pytest.mark.parametrize(
    "cause, advice",
    [
        pytest.param(Outcome.MODEL_NOT_FOUND, "Ollama does not have m; run `pointsman pull`", id="no-model"),
        pytest.param(Outcome.NETWORK, "Ollama does not answer; get it at", id="down"),
    ],
)
async def test_a_local_model_that_is_out_says_how_to_run_it(clock: FakeClock, cause: Outcome, advice: str) -> None:
    local = candidate("local/m", local=True)
    book = ledger(local, clock=clock)

    book.take_out(local, cause)

    skip = await denied(book, local)
    assert skip.reason is SkipReason.NOT_RUNNING
    assert skip.detail.startswith(advice)


async def test_a_cancelled_call_teaches_nothing(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)

    for _ in range(10):
        await once(book, Outcome.CANCELLED)

    assert book.skip(A, SMALL) is None


# --- Concurrency that must be learned


async def burst(book: MemoryLedger, size: int) -> list[Reservation]:
    return [await reserve(book) for _ in range(size)]


async def test_a_refusal_halves_the_calls_at_once(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    first, *_ = await burst(book, 9)

    await end(book, first, Outcome.CONCURRENCY_LIMITED)

    (window,) = book.windows(A)
    assert (window.unit, window.period_s, window.limit, window.source) == (Unit.CONCURRENCY, None, 4, "learned")
    assert (await denied(book)).reason is SkipReason.OUT_OF_CONCURRENCY


async def test_a_learned_limit_of_calls_at_once_grows_again_slowly(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    first, second, _third = await burst(book, 3)
    await end(book, first, Outcome.CONCURRENCY_LIMITED)
    await end(book, second)
    limits = []

    for _ in range(2 * CALM_CALLS):
        await once(book, Outcome.ANSWERED) if book.skip(A, SMALL) is None else await end(book, _third)
        limits.append(book.windows(A)[0].limit)

    assert limits[0] == 1
    assert limits[-1] == 2


async def test_answers_far_below_a_learned_limit_do_not_raise_it(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    first, *others = await burst(book, 11)
    await end(book, first, Outcome.CONCURRENCY_LIMITED)
    for other in others:
        await end(book, other)

    for _ in range(3 * CALM_CALLS):
        await once(book, Outcome.ANSWERED)

    assert book.windows(A)[0].limit == 5


async def test_a_limit_of_calls_at_once_that_the_provider_names_is_taken_as_it_is(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    named = stated(None, 8, unit=Unit.CONCURRENCY, period=None, full_in_s=None)
    first, *others = await burst(book, 11)

    await end(book, first, Outcome.CONCURRENCY_LIMITED, named)
    for other in others:
        await end(book, other)

    assert [(window.limit, window.period_s) for window in book.windows(A)] == [(8, None)]


async def test_when_others_use_up_the_slots_only_waiting_helps(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)

    await once(book, Outcome.CONCURRENCY_LIMITED)

    assert (await denied(book)).reason is SkipReason.COOLING


# --- Sizes that were too much


@pytest.mark.parametrize(
    "outcome, blocked",
    [
        pytest.param(Outcome.CONTEXT_TOO_LONG, ["a/m"], id="a-window-is-the-models-own"),
        pytest.param(Outcome.REQUEST_EXCEEDS_QUOTA, ["a/m", "a/twin"], id="a-quota-is-the-groups"),
    ],
)
async def test_a_size_that_was_too_much_is_not_sent_again(
    clock: FakeClock, outcome: Outcome, blocked: list[str]
) -> None:
    one, twin = candidate("a/m", group="g"), candidate("a/twin", group="g")
    book = ledger(one, twin, clock=clock)

    await end(book, await reserve(book, one, estimate(500)), outcome)

    assert [each.id for each in (one, twin) if book.skip(each, estimate(500))] == blocked
    assert book.skip(one, estimate(499)) is None
    skip = book.skip(one, estimate(600))
    assert skip
    assert (skip.reason, skip.waits) == (SkipReason.REQUEST_EXCEEDS_QUOTA, False)
    assert "about 1200 tokens with the answer; 1000 were too many" in skip.detail


async def test_only_the_smallest_size_that_was_too_much_is_kept(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    large, small = await reserve(book, A, estimate(900)), await reserve(book, A, estimate(500))

    await end(book, small, Outcome.CONTEXT_TOO_LONG)
    await end(book, large, Outcome.CONTEXT_TOO_LONG)

    assert book.skip(A, estimate(499)) is None
    assert book.skip(A, estimate(500))


async def test_a_short_prompt_with_an_absurd_output_limit_does_not_shut_out_short_prompts(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    asked = Estimate(input_tokens=20, output_tokens=800, admitted_tokens=1_000_020)

    await end(book, await reserve(book, A, asked), Outcome.CONTEXT_TOO_LONG)

    assert book.skip(A, estimate(5_000)) is None


# --- Watching


async def test_watchers_are_told_until_they_leave(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    heard: list[str] = []
    leave = book.watch(heard.append)

    await once(book, Outcome.ANSWERED)
    book.take_out(A, Outcome.BILLING)
    book.revive(A)
    leave()
    await once(book, Outcome.ANSWERED)

    assert heard == [A.id] * 4


async def test_a_watcher_may_leave_while_it_is_told(clock: FakeClock) -> None:
    book = ledger(A, clock=clock)
    heard: list[str] = []
    leave: list[Callable[[], None]] = []

    def first(id_: str) -> None:
        heard.append(f"first {id_}")
        leave.pop()()

    leave.append(book.watch(first))
    book.watch(lambda id_: heard.append(f"second {id_}"))

    await reserve(book)

    assert heard == ["first a/m", "second a/m"]


# --- Storms


async def test_ten_thousand_reservations_and_a_storm_of_cancels_leave_it_exact(clock: FakeClock) -> None:
    one = candidate(limits=[limit(10_000), limit(10**9, Unit.INPUT_TOKENS), limit(10_000, Unit.CONCURRENCY, None)])
    book = ledger(one, clock=clock)
    taken = [await reserve(book, one) for _ in range(10_000)]
    full = await denied(book, one)

    Random(5).shuffle(taken)
    for reservation in taken:
        await end(book, reservation, Outcome.CANCELLED)

    assert full.reason is SkipReason.OUT_OF_CONCURRENCY
    assert book.in_flight(one) == 0
    assert left(book, one) == {
        "model:a/m requests": 0,
        "model:a/m input_tokens": 10**9 - 100_000,
        "model:a/m concurrency": 10_000,
    }
    clock.advance(61)
    assert left(book, one)["model:a/m requests"] == 10_000
    assert left(book, one)["model:a/m input_tokens"] == 10**9


@given(
    seed=st.integers(0, 2**32),
    capacity=st.integers(1, 6),
    steps=st.lists(st.sampled_from(["reserve", "end", "wait", "late"]), max_size=80),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_whatever_happens_nothing_is_held_in_the_end(seed: int, capacity: int, steps: list[str]) -> None:
    random, clock = Random(seed), FakeClock()
    one = candidate(limits=[limit(capacity), limit(capacity, Unit.CONCURRENCY, None), limit(50, Unit.OUTPUT_TOKENS)])
    book = ledger(one, clock=clock)
    open_: list[Reservation] = []

    async def finish(reservation: Reservation) -> None:
        quota = stated(random.randint(-1, 9), random.randint(-1, 9), full_in_s=random.uniform(-5, 99), now=clock.now())
        wait_s = random.choice([None, 0.0, random.uniform(0, 9)])
        await end(book, reservation, random.choice(list(Outcome)), quota, retry_after_s=wait_s, used=usage(9, 9))

    for step in steps:
        if step == "reserve":
            taken = await book.reserve(one, SMALL)
            open_ += [taken] if isinstance(taken, Reservation) else []
        elif step == "wait":
            clock.advance(random.uniform(0, 20))
        elif open_:
            await finish(open_.pop(0 if step == "end" else -1))
        assert len(open_) <= capacity
    for reservation in open_:
        await finish(reservation)

    assert book.in_flight(one) == 0
    assert [window.reserved for window in book.windows(one)] == [0] * len(book.windows(one))
