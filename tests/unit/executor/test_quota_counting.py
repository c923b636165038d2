"""Our own count against limiters of every kind that say nothing: what it lets out, they let in."""

import copy
import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.domain.pool import Unit
from pointsman.executor.bucket import Bucket
from pointsman.executor.quota import MINUTE_S, Window
from pointsman.executor.statement import FOREVER
from pointsman.simulator.scenario import Algorithm, LimitProfile
from pointsman.simulator.windows import Window as Limiter
from pointsman.simulator.windows import window as limiter_of

LIMIT = 12
MARGIN_S = 1.0
OFFSET_S = 17.0
ROUNDING = 1e-5
COUNTED = [Unit.REQUESTS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.TOKENS]
SAID = [None, Algorithm.SLIDING_WINDOW, Algorithm.FIXED_WINDOW, Algorithm.TOKEN_BUCKET]
REALLY = [Algorithm.SLIDING_WINDOW, Algorithm.FIXED_WINDOW, Algorithm.TOKEN_BUCKET]
PAIRS = [(said, really) for said in SAID for really in REALLY if said in {None, Algorithm.SLIDING_WINDOW, really}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that waits until our own count lets it out."""

    gap_s: float
    """Since the call before."""
    border_s: float | None = None
    """Where set, it waits for the next end of a fixed window, and so much longer."""
    way: float
    """On the way there, as a part of the longest that may be."""
    took_s: float
    """Until the provider has made its answer."""
    back_s: float
    """On the way back."""
    asked: int
    used: int


@st.composite
def one_call(draw: st.DrawFn) -> Call:
    asked = draw(st.integers(1, LIMIT))
    return Call(
        gap_s=draw(st.just(0.0) | st.floats(0.0, 3.0) | st.floats(0.0, 200.0)),
        border_s=draw(st.none() | st.none() | st.floats(-2 * MARGIN_S, 2 * MARGIN_S)),
        way=draw(st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)),
        took_s=draw(st.floats(0.0, 3.0) | st.floats(0.0, 100.0)),
        back_s=draw(st.floats(0.0, 2.0)),
        asked=asked,
        used=draw(st.just(asked) | st.integers(0, asked)),
    )


calls = st.lists(one_call(), min_size=1, max_size=30)


@dataclass(slots=True, kw_only=True)
class World:
    """Our window and the provider's limiter, whose clocks differ by `ahead_s`, and what is on its way between them."""

    window: Window
    limiter: Limiter
    fixed: bool
    ahead_s: float = 0.0
    now: float = 1_000_000.0
    events: list[tuple[float, int, str, int]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    @property
    def longest_way_s(self) -> float:
        """The margin is for the way there and for the clock."""
        return MARGIN_S - abs(self.ahead_s)

    def renew(self, window: Window, now: float) -> None:
        """Begin a fixed window as the ledger does, by our own clock."""
        if self.fixed and window.is_over(now):
            window.renew(now + MINUTE_S - (now + self.ahead_s - OFFSET_S) % MINUTE_S)

    def live_until(self, end: float) -> None:
        """Let arrive, be made and come back what does so until then."""
        while self.events and self.events[0][0] <= end:
            at, id_, what, amount = heapq.heappop(self.events)
            self.now = max(self.now, at)
            if what == "0 asked":
                if self.limiter.left(at) < amount - ROUNDING:
                    self.refused.append(at)
            elif what == "1 counted":
                self.limiter.take(amount, at)
            else:
                self.renew(self.window, at)
                self.window.settle(id_, amount, at)
        self.now = max(self.now, end)

    def send(self, id_: int, call: Call) -> None:
        """Let a call leave as soon as our count lets it."""
        gap_s = call.gap_s
        if call.border_s is not None:
            gap_s = max(0.0, MINUTE_S - (self.now - OFFSET_S) % MINUTE_S + call.border_s)
        self.live_until(self.now + gap_s)
        for _ in range(1000):
            self.renew(self.window, self.now)
            ready_at = self.window.ready_at(call.asked, self.now)
            if ready_at <= self.now:
                break
            self.live_until(ready_at)
        else:
            pytest.fail("it is never ready at the instant it names")
        self.window.hold(id_, call.asked, self.now)
        arrives_at = self.now + call.way * self.longest_way_s
        made_at = arrives_at + call.took_s
        counted_at = made_at if self.window.unit is Unit.OUTPUT_TOKENS else arrives_at
        for event in (
            (arrives_at, id_, "0 asked", call.asked),
            (counted_at, id_, "1 counted", call.used),
            (made_at + call.back_s, id_, "2 back", call.used),
        ):
            heapq.heappush(self.events, event)


def world(unit: Unit, said: Algorithm | None, really: Algorithm, *, ahead_s: float = 0.0) -> World:
    window = Window(unit=unit, period_s=MINUTE_S, ceiling=LIMIT, margin_s=MARGIN_S)
    if said is Algorithm.TOKEN_BUCKET:
        window.bucket = Bucket(LIMIT / MINUTE_S, MARGIN_S)
    limiter = limiter_of(LimitProfile(unit=unit, amount=LIMIT, algorithm=really, offset_s=OFFSET_S))
    return World(window=window, limiter=limiter, fixed=said is Algorithm.FIXED_WINDOW, ahead_s=ahead_s)


quick = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize("said, really", PAIRS)
@pytest.mark.parametrize("unit", COUNTED)
@given(sent=calls)
@quick
def test_what_our_count_lets_out_is_never_refused(
    unit: Unit, said: Algorithm | None, really: Algorithm, sent: list[Call]
) -> None:
    here = world(unit, said, really)

    for id_, call in enumerate(sent):
        here.send(id_, call)
    here.live_until(here.now + 1_000.0)

    assert here.refused == []


@pytest.mark.parametrize("unit", COUNTED)
@given(sent=calls, ahead_s=st.floats(-MARGIN_S, MARGIN_S))
@quick
def test_a_clock_that_is_wrong_by_less_than_the_margin_exceeds_no_fixed_window(
    unit: Unit, sent: list[Call], ahead_s: float
) -> None:
    here = world(unit, Algorithm.FIXED_WINDOW, Algorithm.FIXED_WINDOW, ahead_s=ahead_s)

    for id_, call in enumerate(sent):
        here.send(id_, call)
    here.live_until(here.now + 1_000.0)

    assert here.refused == []


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("unit", COUNTED)
@given(sent=calls, amount=st.integers(1, LIMIT))
@quick
def test_at_the_instant_that_is_named_it_fits(
    unit: Unit, said: Algorithm | None, sent: list[Call], amount: int
) -> None:
    here = world(unit, said, said or Algorithm.SLIDING_WINDOW)
    for id_, call in enumerate(sent):
        here.send(id_, call)
    window = copy.deepcopy(here.window)

    ready_at = window.ready_at(amount, here.now)
    for id_, held in list(window.held.items()):  # it takes for granted that calls under way end at once
        window.settle(id_, held.amount, here.now)
    here.renew(window, ready_at)

    assert ready_at != FOREVER
    assert window.ready_at(amount, ready_at) <= ready_at


@pytest.mark.parametrize("said, at_least", [(None, 36), (Algorithm.FIXED_WINDOW, 48), (Algorithm.TOKEN_BUCKET, 58)])
def test_who_says_how_the_provider_counts_gets_more_out_of_it(said: Algorithm | None, at_least: int) -> None:
    here = world(Unit.REQUESTS, said, said or Algorithm.SLIDING_WINDOW)
    end = here.now + 4 * MINUTE_S

    sent = 0
    while here.now < end:
        here.send(sent, Call(gap_s=0.0, way=0.5, took_s=1.0, back_s=0.0, asked=1, used=1))
        sent += 1

    assert sent >= at_least


def test_what_a_bucket_had_let_in_is_what_was_in_it_when_the_refused_call_left() -> None:
    window = Window(unit=Unit.REQUESTS, period_s=MINUTE_S, ceiling=60, bucket=Bucket(drains_per_s=1.0, margin_s=0.0))
    for number in range(20):
        window.hold(number, 1, 0.0)
        window.settle(number, 1, 0.5)
    window.hold(20, 1, 5.0)
    window.hold(21, 1, 5.1)

    assert window.let_in_before(5.1) == 20 - 5 + 1
