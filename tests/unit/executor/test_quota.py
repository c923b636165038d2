"""The arithmetic of quotas, against random histories and at its borders."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.domain.pool import Unit
from pointsman.executor.past import BINS
from pointsman.executor.quota import MINUTE_S, UNSEEN_KEPT, Estimate, Window, next_midnight
from pointsman.executor.statement import FOREVER, Statement

PACIFIC = ZoneInfo("America/Los_Angeles")
BIN_S = MINUTE_S / BINS
COUNTED = [Unit.REQUESTS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.TOKENS]

histories = st.lists(
    st.tuples(
        st.sampled_from(["ask", "settle", "release", "state", "wait"]),
        st.integers(min_value=0, max_value=30),
        st.floats(min_value=0.0, max_value=40.0, allow_nan=False),
    ),
    max_size=60,
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def minute(unit: Unit = Unit.REQUESTS, ceiling: int | None = 10, margin_s: float = 0.0) -> Window:
    return Window(unit=unit, period_s=MINUTE_S, ceiling=ceiling, margin_s=margin_s)


def said(
    remaining: int, limit: int = 10, *, sent_at: float = 0.0, full_at: float = 60.0, refills: bool = False
) -> Statement:
    return Statement(
        limit=limit, remaining=remaining, sent_at=sent_at, seen_at=sent_at, full_at=full_at, refills=refills
    )


@dataclass
class Provider:
    """Counts as a provider does: when a call arrives, or when its output is made; in any stretch of a period."""

    counted: list[tuple[float, int]] = field(default_factory=list)

    def most_within(self, period_s: float) -> int:
        starts = [at for at, _ in self.counted]
        return max((sum(n for at, n in self.counted if start <= at < start + period_s) for start in starts), default=0)


def play(window: Window, history: list[tuple[str, int, float]], check: Callable[[float], None]) -> Provider:
    """Live through a history, asking `ready_at` before every hold, and check after each step."""
    now, next_id, provider = 0.0, 1, Provider()
    for action, number, seconds in history:
        now += seconds if action == "wait" else 0.001
        match action:
            case "ask" if window.ready_at(number, now) <= now:
                window.hold(next_id, number, now)
                next_id += 1
            case "settle" | "release" if window.held:
                id_, held = list(window.held.items())[number % len(window.held)]
                used = min(held.amount, number) if action == "settle" else 0
                if used:
                    provider.counted.append((held.since if window.unit in COUNTED[:2] else now, used))
                window.settle(id_, used, now)
            case "state":
                sent_at = max(0.0, now - seconds)
                window.state(said(number % 11, sent_at=sent_at, full_at=now + seconds, refills=number % 2 == 0))
        check(now)
    return provider


@pytest.mark.parametrize("unit", COUNTED)
@given(history=histories, margin_s=st.sampled_from([0.0, 1.0]))
@quick
def test_a_window_never_holds_more_than_its_limit(
    unit: Unit, margin_s: float, history: list[tuple[str, int, float]]
) -> None:
    # What is stated here is invented, and allows one more than settings do, so that our own count holds beside it;
    # test_quota_stated.py has providers that say the truth.
    window = minute(unit, ceiling=9, margin_s=margin_s)

    def check(now: float) -> None:
        # What is counted when it arrives has left the provider's window after a period, under way or not.
        slow = [held for held in window.held.values() if held.since + MINUTE_S + margin_s <= now]
        gone = sum(held.amount for held in slow) if unit in COUNTED[:2] else 0
        assert window.used(now) - gone <= 9
        assert window.held_amount == sum(held.amount for held in window.held.values())
        assert window.past.amount == sum(amount for _, amount in window.past.bins) >= 0
        assert window.unseen_amount == sum(held.amount for held in window.since_statement) >= 0

    provider = play(window, history, check)

    assert provider.most_within(MINUTE_S) <= 9


@given(history=histories)
@quick
def test_concurrency_never_exceeds_its_limit_and_has_no_past(
    history: list[tuple[str, int, float]],
) -> None:
    window = Window(unit=Unit.CONCURRENCY, period_s=FOREVER, ceiling=3)
    ones = [(action, 1, seconds) for action, _, seconds in history if action != "state"]

    play(window, ones, lambda now: None if len(window.held) <= 3 else pytest.fail(f"{len(window.held)} at {now}"))

    assert window.past.amount == 0


@pytest.mark.parametrize("unit", [*COUNTED, Unit.CONCURRENCY])
@given(history=histories, amount=st.integers(min_value=1, max_value=10))
@quick
def test_ready_at_is_true(unit: Unit, amount: int, history: list[tuple[str, int, float]]) -> None:
    window = minute(unit)
    play(window, history, lambda _: None)
    now = 5_000.0 if not history else sum(seconds for action, _, seconds in history if action == "wait") + 1.0

    ready_at = window.ready_at(amount, now)

    if ready_at == FOREVER:
        assert unit is Unit.CONCURRENCY
        return
    before = ready_at - 2 * BIN_S
    if before > now:
        assert window.ready_at(amount, before) > before
    for id_, held in list(window.held.items()):  # calls under way end and use what they hold
        window.settle(id_, held.amount, now)
    assert window.ready_at(amount, ready_at) <= ready_at


@given(amounts=st.lists(st.integers(min_value=0, max_value=1_000), max_size=20))
@quick
def test_settle_and_release_restore_exactly(amounts: list[int]) -> None:
    window = minute(ceiling=10**9)
    for index, amount in enumerate(amounts):
        window.hold(index, amount, 0.0)

    for index in reversed(range(len(amounts))):
        window.settle(index, 0, 1.0)

    assert (window.used(1.0), window.held_amount, window.past.amount, len(window.past.bins)) == (0, 0, 0, 0)


def test_settling_twice_changes_nothing() -> None:
    window = minute()
    window.hold(1, 3, 0.0)
    window.settle(1, 2, 1.0)

    window.settle(1, 9, 2.0)

    assert window.used(2.0) == 2


def test_settling_what_was_never_held_changes_nothing() -> None:
    window = minute()

    window.settle(7, 5, 0.0)

    assert window.used(0.0) == 0


def test_a_negative_use_gives_nothing_back() -> None:
    window = minute()
    window.hold(1, 3, 0.0)

    window.settle(1, -1_000, 1.0)

    assert window.used(1.0) == 0


def test_a_use_beyond_the_limit_blocks_until_it_is_forgotten() -> None:
    window = minute(Unit.OUTPUT_TOKENS)
    window.hold(1, 5, 0.0)

    window.settle(1, 10**30, 1.5)

    assert window.remaining(2.0) == 0
    assert window.ready_at(1, 2.0) == 62.0


@pytest.mark.parametrize(
    "unit, forgotten_at",
    [
        pytest.param(Unit.REQUESTS, 61.0, id="requests-from-when-they-left"),
        pytest.param(Unit.INPUT_TOKENS, 61.0, id="input-from-when-it-left"),
        pytest.param(Unit.OUTPUT_TOKENS, 81.0, id="output-from-when-it-ended"),
        pytest.param(Unit.TOKENS, 81.0, id="both-together-from-when-they-ended"),
    ],
)
def test_a_call_is_forgotten_a_period_after_it_was_counted(unit: Unit, forgotten_at: float) -> None:
    window = minute(unit)
    window.hold(1, 10, 0.5)
    window.settle(1, 10, 20.5)

    ready_at = window.ready_at(1, 21.0)

    assert ready_at == forgotten_at
    assert window.used(forgotten_at - 0.1) == 10
    assert window.used(forgotten_at) == 0


def test_a_window_without_a_limit_forgets_too_though_nobody_asks_it() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S)

    for second in range(600):
        window.hold(second, 1, float(second))
        window.settle(second, 1, second + 0.5)

    assert len(window.past.bins) <= BINS
    assert window.past.amount == MINUTE_S


def test_the_margin_lengthens_the_memory() -> None:
    window = minute(margin_s=1.5)
    window.hold(1, 10, 0.0)
    window.settle(1, 10, 0.0)

    assert window.ready_at(1, 0.0) == BIN_S + MINUTE_S + 1.5


def test_a_call_under_way_says_when_it_can_be_forgotten_at_the_earliest() -> None:
    window = minute()
    window.hold(1, 10, 5.2)

    assert window.ready_at(1, 6.0) == 5.5 + MINUTE_S


def test_a_call_under_way_is_forgotten_no_earlier_than_what_came_before_it() -> None:
    window = minute()
    window.hold(1, 5, 5.0)
    window.hold(2, 5, 20.0)
    window.settle(2, 5, 21.0)

    assert window.ready_at(5, 22.0) == 20.0 + BIN_S + MINUTE_S
    assert window.ready_at(10, 22.0) == 20.0 + BIN_S + MINUTE_S


def test_concurrency_is_ready_only_when_a_call_ends() -> None:
    window = Window(unit=Unit.CONCURRENCY, period_s=FOREVER, ceiling=1)
    window.hold(1, 1, 0.0)

    blocked = window.ready_at(1, 10_000.0)
    window.settle(1, 1, 10_000.0)

    assert blocked == FOREVER
    assert window.ready_at(1, 10_000.0) == 10_000.0


def test_more_than_the_limit_never_fits() -> None:
    assert minute().ready_at(11, 0.0) == FOREVER


def test_a_window_without_a_limit_lets_everything_through() -> None:
    window = minute(ceiling=None)

    assert window.ready_at(10**12, 3.0) == 3.0
    assert window.remaining(3.0) is None
    assert (window.limit, window.source) == (None, "")


@pytest.mark.parametrize(
    "ceiling, learned, stated, limit, source",
    [
        pytest.param(10, None, None, 10, "configured", id="configured"),
        pytest.param(10, 5, None, 5, "learned", id="learned-below-the-ceiling"),
        pytest.param(10, 50, None, 10, "configured", id="the-ceiling-holds-over-learned"),
        pytest.param(10, None, 50, 10, "configured", id="the-ceiling-holds-over-stated"),
        pytest.param(10, None, 8, 8, "stated", id="stated-below-the-ceiling"),
        pytest.param(None, 5, 8, 8, "stated", id="stated-beats-learned"),
        pytest.param(None, 5, None, 5, "learned", id="learned-alone"),
        pytest.param(8, None, 8, 8, "stated", id="stated-and-configured-alike"),
    ],
)
def test_where_a_limit_comes_from(
    ceiling: int | None, learned: int | None, stated: int | None, limit: int, source: str
) -> None:
    window = minute(ceiling=ceiling)
    window.learned = learned
    window.statement = said(1, stated) if stated else None

    assert (window.limit, window.source) == (limit, source)


# --- What providers state


def test_what_a_provider_states_holds_until_its_window_is_full_again() -> None:
    window = minute(ceiling=None)

    window.state(said(0, full_at=30.0))

    assert window.ready_at(1, 10.0) == 30.0
    assert window.remaining(10.0) == 0
    assert window.ready_at(1, 30.0) == 30.0
    assert window.remaining(30.0) == 10


def test_a_window_that_refills_is_ready_as_soon_as_enough_is_back() -> None:
    window = minute(ceiling=None)

    window.state(said(0, full_at=60.0, refills=True))

    assert window.ready_at(1, 0.0) == 6.0
    assert window.ready_at(5, 0.0) == 30.0
    assert window.remaining(30.0) == 5


@pytest.mark.parametrize(
    "refills, at, left",
    [
        pytest.param(False, 59.9, 2, id="at-once-before"),
        pytest.param(False, 60.0, 10, id="at-once-when-full"),
        pytest.param(True, 30.0, 6, id="linear-half-way"),
        pytest.param(True, -5.0, 2, id="linear-never-below-what-was-said"),
        pytest.param(True, 60.0, 10, id="linear-when-full"),
    ],
)
def test_what_is_left_of_a_statement(refills: bool, at: float, left: int) -> None:  # noqa: FBT001 - a column of the table
    assert said(2, refills=refills).left(at) == left


def test_a_statement_knows_what_never_fits() -> None:
    assert said(2).ready_at(11) == FOREVER


def test_a_statement_that_is_full_at_once_divides_by_nothing() -> None:
    statement = said(2, full_at=0.0, refills=True)

    assert statement.ready_at(5) == 0.0
    assert statement.left(0.0) == 10


def test_a_statement_whose_end_lies_in_the_past_holds_nothing_back() -> None:
    window = minute(ceiling=None)

    window.state(said(0, full_at=-100.0))

    assert window.ready_at(10, 0.0) == 0.0


def test_calls_that_left_after_the_answered_one_are_taken_off() -> None:
    window = minute(ceiling=None)
    for id_, left_at in ((1, 1.0), (2, 2.0), (3, 3.0)):
        window.hold(id_, 2, left_at)

    window.state(said(4, sent_at=2.0))

    assert window.remaining(3.0) == 2  # 4 less what left at 3.0


def test_calls_that_ended_since_the_answered_one_left_are_taken_off_too() -> None:
    window = minute(ceiling=None)
    window.state(said(10, sent_at=0.0))
    window.hold(1, 3, 1.0)
    window.settle(1, 2, 2.0)

    window.state(said(9, sent_at=0.5))

    assert window.remaining(3.0) == 7  # the second statement does not know of the call either
    window.state(said(7, sent_at=1.0))
    assert window.remaining(3.0) == 7  # the third does


def test_a_later_answer_to_an_earlier_call_changes_nothing() -> None:
    window = minute(ceiling=None)
    window.state(said(1, sent_at=5.0))

    window.state(said(9, sent_at=4.0))

    assert window.remaining(6.0) == 1


@given(
    order=st.permutations([(1.0, 9), (2.0, 6), (3.0, 3)]),
)
def test_the_order_of_answers_does_not_matter(order: list[tuple[float, int]]) -> None:
    window = minute(ceiling=None)
    lefts = []

    for sent_at, remaining in order:
        window.state(said(remaining, sent_at=sent_at))
        lefts.append(window.remaining(4.0) or 0)

    assert lefts[-1] == 3
    assert lefts == sorted(lefts, reverse=True)


@pytest.mark.parametrize("swapped", [False, True])
def test_two_windows_of_one_answer_count_as_the_stricter(swapped: bool) -> None:  # noqa: FBT001 - a column
    window = minute(ceiling=None)
    both = [said(3, 10, full_at=20.0, refills=True), said(900, 1_000, full_at=50.0)]

    for statement in reversed(both) if swapped else both:
        window.state(statement)

    assert (window.limit, window.remaining(1.0), window.ready_at(5, 1.0)) == (10, 3, 50.0)


def test_output_under_way_is_unknown_to_every_statement() -> None:
    window = minute(Unit.OUTPUT_TOKENS, ceiling=None)
    window.hold(1, 3, 1.0)
    window.hold(2, 3, 2.0)

    window.state(said(9, 100, sent_at=2.0))
    window.settle(2, 3, 5.0)  # the statement came with it, and knows of it

    assert window.remaining(5.0) == 6
    window.settle(1, 4, 6.0)
    assert window.remaining(6.0) == 5


def test_output_of_a_call_without_a_statement_is_only_remembered() -> None:
    window = minute(Unit.OUTPUT_TOKENS)
    window.hold(1, 3, 1.0)

    window.settle(1, 4, 2.0)

    assert (window.used(2.0), window.unseen_amount) == (4, 0)


def test_when_calls_since_fill_a_stated_window_it_is_ready_when_full_and_not_never() -> None:
    window = minute(ceiling=None)
    window.state(said(2, full_at=30.0))
    for id_ in range(2):
        window.hold(id_, 1, 1.0)
        window.settle(id_, 1, 1.0)

    assert window.ready_at(9, 2.0) == 1.0 + BIN_S + MINUTE_S  # ten of its own in a minute
    assert window.ready_at(8, 2.0) == 30.0


# --- Days


@pytest.mark.parametrize(
    "now, ends",
    [
        pytest.param("2026-11-22T10:00:00", "2026-11-23T08:00:00", id="winter"),
        pytest.param("2026-07-01T06:59:59", "2026-07-01T07:00:00", id="summer-a-second-before"),
        pytest.param("2026-07-01T07:00:00", "2026-07-02T07:00:00", id="summer-at-midnight"),
        pytest.param("2026-03-08T09:00:00", "2026-03-09T07:00:00", id="the-short-day-of-23-hours"),
        pytest.param("2026-11-01T08:00:00", "2026-11-02T08:00:00", id="the-long-day-of-25-hours"),
        pytest.param("2026-12-31T23:00:00", "2027-01-01T08:00:00", id="the-last-day-of-a-year"),
    ],
)
def test_a_ends_at_midnight_pacific(now: str, ends: str) -> None:
    here = datetime.fromisoformat(now).replace(tzinfo=UTC)

    assert next_midnight(here, PACIFIC) == datetime.fromisoformat(ends).replace(tzinfo=UTC)


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001 - made aware below
def test_the_end_of_a_day_is_always_ahead_and_within_25_hours(naive: datetime) -> None:
    now = naive.replace(tzinfo=UTC)

    ends_in = next_midnight(now, PACIFIC) - now

    assert timedelta(0) < ends_in <= timedelta(hours=25)


def test_a_day_is_forgotten_at_its_end_and_not_before() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=86_400.0, ceiling=1, ends_at=100.0)
    window.hold(1, 1, 0.0)
    window.settle(1, 1, 1.0)

    blocked = window.ready_at(1, 99.0)
    window.renew(86_500.0)

    assert blocked == 100.0
    assert window.ready_at(1, 100.0) == 100.0


def fixed(ceiling: int = 3) -> Window:
    return Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=ceiling, margin_s=1.0, ends_at=100.0)


def used_up(window: Window, *left_at: float) -> Window:
    for id_, at in enumerate(left_at):
        window.hold(id_, 1, at)
        window.settle(id_, 1, at)
    return window


def test_a_fixed_window_is_over_a_margin_after_its_end() -> None:
    window = fixed()

    assert [window.is_over(at) for at in (99.0, 100.0, 100.9, 101.0)] == [False, False, False, True]


def test_what_left_less_than_a_margin_before_the_end_counts_in_the_next_window_too() -> None:
    window = used_up(fixed(), 98.9, 99.0, 100.5)

    window.renew(160.0)

    assert window.used(101.0) == 2
    window.renew(220.0)
    assert window.used(161.0) == 0


def test_what_left_before_the_end_is_forgotten_when_a_whole_window_has_passed() -> None:
    window = used_up(fixed(), 99.5, 99.5)

    window.renew(220.0)

    assert window.used(165.0) == 0


@pytest.mark.parametrize(
    "left_at, ready_at",
    [
        pytest.param((50.0, 60.0, 99.5), 101.0, id="enough-is-forgotten-at-the-end"),
        pytest.param((50.0, 99.5, 99.5), 101.0, id="just-enough"),
        pytest.param((99.5, 99.5, 99.5), 161.0, id="all-left-just-before-the-end"),
    ],
)
def test_a_fixed_window_names_the_end_at_which_it_fits(left_at: tuple[float, ...], ready_at: float) -> None:
    window = used_up(fixed(), *left_at)

    assert window.ready_at(1, 99.9) == ready_at


def test_a_call_under_way_frees_nothing_at_the_end_when_it_left_just_before() -> None:
    window = fixed(ceiling=1)
    window.hold(1, 1, 99.5)

    assert window.ready_at(1, 99.9) == 161.0


def test_calls_under_way_when_a_day_ends_still_count() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=86_400.0, ceiling=2, ends_at=100.0)
    window.hold(1, 1, 99.0)

    window.renew(86_500.0)
    window.settle(1, 1, 101.0)

    assert window.used(101.0) == 1


# --- Size


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("unit", COUNTED)
def test_memory_is_bounded_over_a_hundred_thousand_calls(unit: Unit, stated: bool) -> None:  # noqa: FBT001 - a column
    window = minute(unit, ceiling=10**9)
    if stated:
        window.state(said(10**9, 10**9, sent_at=-1.0, full_at=math.inf))

    for id_ in range(25_000):
        now = id_ / 100
        window.ready_at(1, now)
        window.hold(id_, 1, now)
        window.settle(id_, 1, now)

    assert len(window.past.bins) <= BINS + 2
    assert len(window.since_statement) <= UNSEEN_KEPT
    assert window.unseen_amount == (25_000 if stated else 0)


def test_a_day_remembers_no_more_than_its_bins() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=86_400.0, ceiling=10**6, ends_at=90_000.0)

    for id_ in range(5_000):
        window.hold(id_, 1, id_ * 18.0)
        window.settle(id_, 1, id_ * 18.0)

    assert len(window.past.bins) <= BINS * 25 / 24 + 1  # this day has 25 hours


def test_late_settlements_are_sorted_into_the_past() -> None:
    window = minute(ceiling=100)
    for id_, since in enumerate((3.0, 1.0, 2.0, 2.5, 0.5)):
        window.hold(id_, 1, since)

    for id_ in range(5):
        window.settle(id_, 1, 10.0)

    assert list(window.past.bins) == [(1.0, 1), (1.5, 1), (2.5, 1), (3.0, 1), (3.5, 1)]


@pytest.mark.parametrize(
    "unit, amount",
    [
        (Unit.REQUESTS, 1),
        (Unit.CONCURRENCY, 1),
        (Unit.INPUT_TOKENS, 3),
        (Unit.OUTPUT_TOKENS, 5),
        (Unit.TOKENS, 7),
    ],
)
def test_what_an_estimate_occupies(unit: Unit, amount: int) -> None:
    assert Estimate(input_tokens=3, output_tokens=5, admitted_tokens=7).amount(unit) == amount
