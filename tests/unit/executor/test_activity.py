from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from pointsman.executor.activity import SAMPLES, Activity, Counts, HopLatency, Lately
from pointsman.executor.journal.row import Ending, Row, Ruling
from pointsman.executor.journal.sums import Hop
from tests.fakes.adapter import FakeAdapter
from tests.fakes.clock import START, FakeClock
from tests.unit.executor.journal.rows import ANSWERED, BROKEN, LIMITED, row
from tests.unit.executor.making import candidate, engine, request

LOCAL = replace(ANSWERED, candidate="local/m", local=True, fallback=True, cost_usd=Decimal(0))


def counted(*rows: Row) -> Counts:
    activity = Activity(started_s=0.0)
    for each in rows:
        activity.add(each, 1.0)
    return activity.lately(1.0).last_minute


def of(lately: Lately, hop: Hop) -> HopLatency | None:
    return next((latency for latency in lately.hops if latency.hop is hop), None)


@pytest.mark.parametrize(
    "told, expected",
    [
        pytest.param(
            row(ANSWERED), Counts(requests=1, answered=1, attempts=1, cost_usd=Decimal("0.02")), id="an answer"
        ),
        pytest.param(
            row(LOCAL), Counts(requests=1, answered=1, answered_locally=1, attempts=1), id="an answer of this machine"
        ),
        pytest.param(
            row(LIMITED, ANSWERED),
            Counts(requests=1, answered=1, attempts=2, wasted=1, cost_usd=Decimal("0.02")),
            id="a wasted call before it",
        ),
        pytest.param(
            row(BROKEN, answered=False),
            Counts(requests=1, attempts=1, unproductive=1, attempts_without_price=1),
            id="nobody answers, at an unknown price",
        ),
        pytest.param(
            row(LOCAL, ending=Ending.PARTIAL), Counts(requests=1, attempts=1), id="a stream that broke is no answer"
        ),
        pytest.param(row(answered=False), Counts(requests=1), id="nobody is called"),
    ],
)
def test_a_request_is_counted_as_what_it_was(told: Row, expected: Counts) -> None:
    assert counted(told) == expected


def test_costs_are_summed_exactly() -> None:
    tenth = row(replace(ANSWERED, cost_usd=Decimal("0.1")))

    assert counted(*[tenth] * 3).cost_usd == Decimal("0.3")


def test_each_second_has_its_requests_and_the_last_one_is_not_over() -> None:
    activity = Activity(started_s=10.0)
    for at_s in (10.2, 10.9, 12.0, 13.5):
        activity.add(row(ANSWERED), at_s)

    assert activity.lately(13.6).by_second == (2, 0, 1, 1)


def test_what_is_older_than_a_minute_counts_since_the_start_alone() -> None:
    activity = Activity(started_s=0.0)
    activity.add(row(LIMITED, ANSWERED), 0.5)
    activity.add(row(ANSWERED), 30.5)

    before, after = activity.lately(59.9), activity.lately(60.0)

    assert [before.last_minute.wasted, after.last_minute.wasted] == [1, 0]
    assert (after.last_minute.requests, after.since_start.requests) == (1, 2)
    assert after.since_start.wasted == 1
    assert of(after, Hop.EXECUTE) == HopLatency(hop=Hop.EXECUTE, count=1, p50_s=1.0, p95_s=1.0)


@pytest.mark.parametrize(
    "now_s, window_s, seconds",
    [
        pytest.param(7.5, 0.0, 1, id="just started"),
        pytest.param(10.0, 2.5, 4, id="younger than a minute"),
        pytest.param(200.0, 59.0, 60, id="a second has just begun"),
        pytest.param(200.75, 59.75, 60, id="and goes on"),
    ],
)
def test_the_window_is_as_long_as_it_says(now_s: float, window_s: float, seconds: int) -> None:
    lately = Activity(started_s=7.5).lately(now_s)

    assert (lately.window_s, len(lately.by_second)) == (window_s, seconds)


def test_a_minute_without_requests_has_no_durations() -> None:
    assert Activity(started_s=0.0).lately(30.0).hops == ()


def test_each_hop_tells_its_own_durations() -> None:
    calls = [replace(ANSWERED, started_at=START + timedelta(seconds=at_s), duration_s=2.0) for at_s in (0.5, 2.5)]
    told = replace(row(*calls, duration_s=5.0), ruling=Ruling(waited_s=0.25))
    activity = Activity(started_s=0.0)

    activity.add(told, 6.0)

    assert [(each.hop, each.count, each.p50_s) for each in activity.lately(6.0).hops] == [
        (Hop.CLASSIFY, 1, 0.25),
        (Hop.QUEUE, 1, 0.5),
        (Hop.PROVIDER, 2, 2.0),
        (Hop.EXECUTE, 1, 5.0),
    ]


def test_a_request_that_was_not_ruled_tells_nothing_of_the_classifier() -> None:
    activity = Activity(started_s=0.0)

    activity.add(row(ANSWERED), 1.0)

    assert of(activity.lately(1.0), Hop.CLASSIFY) is None


def test_quantiles_are_durations_that_occurred() -> None:
    activity = Activity(started_s=0.0)
    for hundredth in reversed(range(1, 101)):
        activity.add(row(duration_s=hundredth / 100), 1.0)

    assert of(activity.lately(1.0), Hop.EXECUTE) == HopLatency(hop=Hop.EXECUTE, count=100, p50_s=0.5, p95_s=0.95)


def test_memory_is_bounded_and_the_latest_durations_are_kept() -> None:
    activity = Activity(started_s=0.0)
    for duration_s in (9.0, 1.0):
        for _ in range(SAMPLES):
            activity.add(row(duration_s=duration_s), 1.0)

    lately = activity.lately(1.0)

    assert of(lately, Hop.EXECUTE) == HopLatency(hop=Hop.EXECUTE, count=SAMPLES, p50_s=1.0, p95_s=1.0)
    assert lately.last_minute.requests == 2 * SAMPLES


async def test_the_attempt_loop_counts_each_request_that_ends(clock: FakeClock) -> None:
    made = engine(candidate("a/m"), clock=clock, adapters={"a": FakeAdapter()})

    await made.execute(request(), "quick", deadline=100.0, ruling=Ruling(waited_s=0.25))

    lately = made.activity.lately(clock.monotonic())
    assert (lately.since_start.answered, lately.since_start.attempts) == (1, 1)
    assert of(lately, Hop.CLASSIFY) == HopLatency(hop=Hop.CLASSIFY, count=1, p50_s=0.25, p95_s=0.25)
