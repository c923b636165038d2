"""The promise: where limits are configured, no call is ever refused, whatever the provider's way of counting.

Model providers count as real ones do, at their own door and by their own clock. Requests come one after another and in
bursts, calls end in every way at random, waits are asked for at random. What a provider refuses, and what leaves before
a wait is over, is remembered.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.domain.answer import Usage
from pointsman.domain.clock import Clock
from pointsman.domain.errors import PointsmanError
from pointsman.domain.pool import Limit, Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.execute import Execute
from pointsman.simulator.virtual_time import VirtualClock, run_virtual
from tests.fakes.adapter import ANSWERED, FakeAdapter, ended
from tests.fakes.clock import START
from tests.unit.executor.making import candidate, engine, ledger, limit, request

REQUESTS = 4
MARGIN_S = 1.0
"""How much later than it left a call may arrive; the Executor is told the same."""


class Limiter(Protocol):
    """How a provider counts: takes a call at an instant, or refuses it."""

    def takes(self, now: float) -> bool: ...


@dataclass
class Sliding:
    """No more than the limit in any minute."""

    seen: deque[float] = field(default_factory=deque)

    def takes(self, now: float) -> bool:
        while self.seen and self.seen[0] <= now - 60.0:
            self.seen.popleft()
        if len(self.seen) >= REQUESTS:
            return False
        self.seen.append(now)
        return True


@dataclass
class Fixed:
    """No more than the limit in each minute of the provider's own clock, which is not ours."""

    offset_s: float = 17.3
    minute: float = -1.0
    count: int = 0

    def takes(self, now: float) -> bool:
        minute = (now + self.offset_s) // 60.0
        if minute != self.minute:
            self.minute, self.count = minute, 0
        self.count += 1
        return self.count <= REQUESTS


@dataclass
class Bucket:
    """A bucket of the limit's size that refills continuously."""

    left: float = REQUESTS
    at: float = 0.0

    def takes(self, now: float) -> bool:
        self.left, self.at = min(REQUESTS, self.left + (now - self.at) * REQUESTS / 60.0), now
        if self.left < 1.0 - 1e-9:
            return False
        self.left -= 1.0
        return True


LIMITERS = {"sliding": Sliding, "fixed": Fixed, "bucket": Bucket}

ENDS = [
    *[ANSWERED] * 6,
    ended(Outcome.SERVER_ERROR),
    ended(Outcome.OVERLOADED),
    ended(Outcome.TIMED_OUT),
    ended(Outcome.NETWORK),
    ended(Outcome.CONTENT_BLOCKED, answer=ANSWERED.answer),
    ended(Outcome.ANSWERED, answer=ANSWERED.answer, usage=Usage(input_tokens=10**6, output_tokens=10**6)),
]


class Provider(FakeAdapter):
    """Takes some time to be reached and to answer, and remembers what it should never have seen."""

    def __init__(self, limiter: Limiter, clock: Clock, random: Random) -> None:
        super().__init__()
        self.limiter = limiter
        self.clock = clock
        self.random = random
        self.wait_until = 0.0
        self.too_early = 0
        self.refused = 0
        self.is_limiting = True

    async def call(self, call: Call) -> Reply:
        self.calls.append(call)
        self.too_early += self.clock.monotonic() < self.wait_until
        await self.clock.sleep(self.random.uniform(0.0, MARGIN_S))
        if self.is_limiting and not self.limiter.takes(self.clock.monotonic()):
            self.refused += 1
            return ended(Outcome.RATE_LIMITED)
        await self.clock.sleep(self.random.choice([0.0, 0.2, 3.0, 30.0]))
        reply = self.random.choice(ENDS)
        if reply.outcome in {Outcome.OVERLOADED, Outcome.SERVER_ERROR} and self.random.random() < 0.5:
            wait_s = self.random.uniform(0.0, 20.0)
            self.wait_until = max(self.wait_until, self.clock.monotonic() + wait_s)
            return ended(reply.outcome, retry_after_s=wait_s)
        return reply


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(1, 10)),
        st.tuples(st.just("wait"), st.one_of(st.floats(0.0, 2.0), st.floats(55.0, 65.0), st.just(120.0))),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
    ),
    min_size=1,
    max_size=25,
)
seeds = st.integers(0, 2**32)
scrutiny = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
History = list[tuple[str, float]]


async def live_through(made: Execute, history: History) -> None:
    """Play the history and let everything end. Only errors that callers can act on may come of it."""
    under_way: list[asyncio.Task[object]] = []
    for action, number in history:
        match action:
            case "ask":
                deadline = made.clock.monotonic() + 1_000.0
                asked = (made.execute(request(), "quick", deadline=deadline) for _ in range(int(number)))
                under_way += [asyncio.ensure_future(each) for each in asked]
            case "cancel":
                for task in under_way[: int(number)]:
                    task.cancel()
            case _:
                await made.clock.sleep(number)
    ends = await asyncio.gather(*under_way, return_exceptions=True)
    odd = [end for end in ends if isinstance(end, BaseException)]
    assert all(isinstance(end, PointsmanError | asyncio.CancelledError) for end in odd), odd


def made_of(provider: Provider, limit: Limit, patience_s: float) -> Execute:
    one, other = candidate("a/m", limits=[limit]), candidate("b/m")
    adapters = {"a": provider, "b": FakeAdapter()}
    made = engine(one, other, clock=provider.clock, adapters=adapters, patience_s=patience_s)
    made.ledger = ledger(one, other, clock=provider.clock, margin_s=MARGIN_S)
    return made


@pytest.mark.parametrize("patience_s", [0.0, 90.0])
@pytest.mark.parametrize("kind", LIMITERS)
@given(seed=seeds, history=steps)
@scrutiny
def test_no_call_is_refused_and_none_leaves_before_a_wait_is_over(
    kind: str, patience_s: float, seed: int, history: History
) -> None:
    async def story(clock: VirtualClock) -> None:
        provider = Provider(LIMITERS[kind](), clock, Random(seed))
        made = made_of(provider, limit(REQUESTS), patience_s)

        await live_through(made, history)

        assert provider.refused == 0
        assert provider.too_early == 0
        assert made.ledger.in_flight(candidate("a/m")) == 0

    run_virtual(story, start=START)


@given(seed=seeds, history=steps)
@scrutiny
def test_no_more_calls_are_under_way_than_allowed(seed: int, history: History) -> None:
    async def story(clock: VirtualClock) -> None:
        provider = Provider(Sliding(), clock, Random(seed))
        provider.is_limiting = False
        made = made_of(provider, limit(2, Unit.CONCURRENCY, None), patience_s=0.0)
        under_way = [0]
        made.ledger.watch(lambda _: under_way.append(made.ledger.in_flight(candidate("a/m"))))

        await live_through(made, history)

        assert max(under_way) <= 2
        assert provider.too_early == 0

    run_virtual(story, start=START)


@pytest.mark.parametrize("kind", LIMITERS)
def test_what_a_quota_allows_is_used(kind: str) -> None:
    async def story(clock: VirtualClock) -> None:
        provider = Provider(LIMITERS[kind](), clock, Calm())
        made = made_of(provider, limit(REQUESTS), patience_s=0.0)

        await live_through(made, [("ask", REQUESTS), ("wait", 62.0)] * 30)

        assert len(provider.calls) == 30 * REQUESTS
        assert provider.refused == 0

    run_virtual(story, start=START)


class Calm(Random):
    """Chance that always has the first of what it may choose from: an answer, and at once."""

    def choice(self, seq: Any) -> Any:  # noqa: ANN401 - as inherited
        return seq[0]
