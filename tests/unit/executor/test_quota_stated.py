"""What statements allow beyond our own count, against limiters of every kind that answer late and crosswise."""

import heapq
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.domain.pool import Unit
from pointsman.executor.adapters.quota_headers import openai_quota
from pointsman.executor.past import BINS
from pointsman.executor.quota import MINUTE_S, STATED_FOR_S, Window
from pointsman.executor.statement import FOREVER, NEVER, Manner, Statement
from pointsman.simulator.openai_errors import duration
from pointsman.simulator.scenario import Algorithm, LimitProfile
from pointsman.simulator.windows import Window as Limiter
from pointsman.simulator.windows import window as limiter_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMIT = 12
MARGIN_S = 1.0
WAYS = [Algorithm.FIXED_WINDOW, Algorithm.SLIDING_WINDOW, Algorithm.TOKEN_BUCKET]

calls = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(min_value=0.0, max_value=90.0)),  # since the call before
        st.floats(min_value=0.0, max_value=0.5),  # on the way there
        st.floats(min_value=0.05, max_value=8.0),  # until its answer is made
    ),
    min_size=1,
    max_size=150,
)


def limiter(way: Algorithm) -> Limiter:
    return limiter_of(LimitProfile(unit=Unit.REQUESTS, amount=LIMIT, algorithm=way, offset_s=17.0))


def statement(counted: Limiter, *, sent_at: float, at: float) -> Statement | None:
    """Return what the headers of an answer made at `at` say, read as our adapter reads them."""
    headers = {
        "x-ratelimit-limit-requests": str(LIMIT),
        "x-ratelimit-remaining-requests": str(max(0, int(counted.left(at)))),
        "x-ratelimit-reset-requests": duration(counted.full_in_s(at)),
    }
    (stated,) = openai_quota(headers, NOON)
    if stated.remaining is None or stated.full_at is None:
        return None
    full_at = at + (stated.full_at - NOON).total_seconds()
    return Statement(
        limit=LIMIT, remaining=stated.remaining, sent_at=sent_at, seen_at=at, full_at=full_at, refills=stated.refills
    )


def send(window: Window, counted: Limiter, wanted: list[tuple[float, float, float]]) -> tuple[int, int]:
    """Send what fits, with every answer stating what is left; return how many were let in, and how many refused."""
    now, let_in, refused = 1_000_000.0, 0, 0
    events: list[tuple[float, int, str, float]] = []

    def live_until(end: float) -> None:
        nonlocal let_in, refused
        while events and events[0][0] <= end:
            at, id_, what, left_at = heapq.heappop(events)
            if what == "arrives":
                fits = counted.wait_s(1.0, at) == 0
                let_in, refused = let_in + fits, refused + (not fits)
                if fits:
                    counted.take(1.0, at)
                continue
            if said := statement(counted, sent_at=left_at, at=at):
                window.state(said)
            window.settle(id_, 1, at)

    for id_, (gap_s, way_s, took_s) in enumerate(wanted):
        now = max(now + gap_s, now + 1e-6)
        live_until(now)
        if window.ready_at(1, now) <= now:
            window.hold(id_, 1, now)
            heapq.heappush(events, (now + way_s, id_, "arrives", now))
            heapq.heappush(events, (now + way_s + took_s, id_, "answers", now))
    live_until(float("inf"))
    return let_in, refused


@pytest.mark.parametrize("way", WAYS)
@given(wanted=calls)
@settings(max_examples=60, deadline=None)
def test_no_call_that_fits_by_what_is_stated_is_refused(
    way: Algorithm, wanted: list[tuple[float, float, float]]
) -> None:
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=LIMIT, margin_s=MARGIN_S)

    _, refused = send(window, limiter(way), wanted)

    assert refused == 0


@pytest.mark.parametrize(
    "way, least",
    [
        pytest.param(Algorithm.FIXED_WINDOW, 30 * LIMIT - 3, id="fixed"),
        pytest.param(Algorithm.SLIDING_WINDOW, 28 * LIMIT, id="sliding"),
        pytest.param(Algorithm.TOKEN_BUCKET, 31 * LIMIT - 6, id="bucket"),
    ],
)
def test_what_is_stated_is_used_to_the_full(way: Algorithm, least: int) -> None:
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=LIMIT, margin_s=MARGIN_S)
    half_an_hour = [(1.0, 0.1, 1.0)] * 1_800

    let_in, refused = send(window, limiter(way), half_an_hour)

    assert let_in >= least
    assert refused == 0


def test_a_ceiling_below_what_is_stated_stays_our_own_count() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=2)
    for id_ in range(2):
        window.hold(id_, 1, 0.0)
        window.settle(id_, 1, 0.0)

    window.state(Statement(limit=10, remaining=8, sent_at=0.0, seen_at=1.0, full_at=5.0, refills=False))

    assert (window.remaining(6.0), window.ready_at(1, 6.0)) == (0, MINUTE_S + MINUTE_S / BINS)


def said(remaining: int, *, sent_at: float, full_at: float, refills: bool) -> Statement:
    return Statement(
        limit=10, remaining=remaining, sent_at=sent_at, seen_at=sent_at + 1, full_at=full_at, refills=refills
    )


def look(*statements: Statement) -> Manner:
    manner = Manner()
    for each in statements:
        manner.look(each)
    return manner


@pytest.mark.parametrize(
    "refills, believed",
    [
        pytest.param([True, True, True], True, id="three-alike"),
        pytest.param([True, True], False, id="two-are-too-few"),
        pytest.param([True, True, True, False], False, id="one-against-ends-it"),
        pytest.param([False, True, True, True, True], False, id="for-ever"),
    ],
)
def test_a_bucket_is_believed_in_after_three_signs_and_none_against(refills: list[bool], believed: bool) -> None:  # noqa: FBT001 - a column
    statements = [said(5, sent_at=float(at), full_at=at + 30.0, refills=each) for at, each in enumerate(refills)]

    assert look(*statements).refills is believed


def test_what_the_answers_of_one_burst_say_alike_is_one_sign() -> None:
    burst = [(0.0, 0.0, 1.0)] * LIMIT
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=LIMIT, margin_s=MARGIN_S)

    _, refused = send(window, limiter(Algorithm.SLIDING_WINDOW), [*burst, (6.0, 0.0, 1.0)])

    assert refused == 0


def test_a_window_slides_when_its_end_moves_with_every_call() -> None:
    moving = [said(5, sent_at=at, full_at=at + 60.0, refills=False) for at in (0.0, 10.0, 20.0, 30.0)]
    standing = [said(5, sent_at=at, full_at=60.0, refills=False) for at in (0.0, 10.0, 20.0, 30.0)]

    assert look(*moving).slides
    assert not look(*standing).slides
    assert look(*standing).sliding == NEVER


def test_a_full_window_betrays_nothing() -> None:
    assert look(said(10, sent_at=0.0, full_at=0.0, refills=False)) == Manner()


def test_a_statement_that_nothing_renews_is_forgotten_in_the_end() -> None:
    window = Window(unit=Unit.TOKENS, period_s=MINUTE_S)
    window.state(Statement(limit=1, remaining=1, sent_at=0.0, seen_at=0.0, full_at=MINUTE_S, refills=False))
    assert window.ready_at(10, 1.0) == FOREVER

    window.expire(MINUTE_S + STATED_FOR_S - 1.0)
    assert window.ready_at(10, MINUTE_S + STATED_FOR_S - 1.0) == FOREVER

    window.expire(MINUTE_S + STATED_FOR_S + 1.0)
    assert window.ready_at(10, MINUTE_S + STATED_FOR_S + 1.0) == MINUTE_S + STATED_FOR_S + 1.0


def test_calls_under_way_are_counted_once_when_a_statement_is_forgotten() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=5)
    window.state(Statement(limit=5, remaining=5, sent_at=0.0, seen_at=0.0, full_at=MINUTE_S, refills=False))
    now = 2 * STATED_FOR_S
    window.hold(1, 1, now)

    window.expire(now)
    window.settle(1, 1, now + 1.0)

    assert (window.remaining(now + 1.0), window.unseen_amount) == (4, 0)
