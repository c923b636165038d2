import asyncio

import pytest

from pointsman.classifier.cache import Cache, Flights, key
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict

VERDICT = Verdict(category="quick", confidence=0.9, decided_by=DecidedBy.EMBEDDED, model_hop=ModelHop.CONFIDENT)
KEY = key("text", "", "v1")


def test_a_verdict_is_remembered() -> None:
    cache = Cache(2)

    cache.put(KEY, VERDICT)

    assert cache.get(KEY) is VERDICT


def test_the_one_longest_unasked_for_is_forgotten() -> None:
    cache = Cache(2)
    cache.put(b"a", VERDICT)
    cache.put(b"b", VERDICT)
    cache.get(b"a")

    cache.put(b"c", VERDICT)

    assert cache.get(b"b") is None
    assert cache.get(b"a") is VERDICT
    assert len(cache) == 2


def test_a_cache_of_size_zero_remembers_nothing() -> None:
    cache = Cache(0)

    cache.put(KEY, VERDICT)

    assert cache.get(KEY) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(key("text2", "", "v1"), id="another text"),
        pytest.param(key("text", "earlier", "v1"), id="other earlier turns"),
        pytest.param(key("text", "", "v2"), id="another classifier"),
        pytest.param(key("", "text", "v1"), id="the same bytes parted elsewhere"),
    ],
)
def test_another_question_has_another_key(other: bytes) -> None:
    assert other != KEY


class Asked:
    """A question that is answered when the test says so."""

    def __init__(self) -> None:
        self.times = 0
        self.may_answer = asyncio.Event()

    async def __call__(self) -> str:
        self.times += 1
        await self.may_answer.wait()
        return "answer"


async def started(task: asyncio.Task[str], asked: Asked, times: int) -> None:
    async with asyncio.timeout(5):
        while asked.times < times and not task.done():
            await asyncio.wait({task}, timeout=0)


async def test_equal_questions_are_asked_once() -> None:
    flights, asked = Flights[str](), Asked()
    leader = asyncio.ensure_future(flights.join(KEY, asked))
    await started(leader, asked, 1)
    follower = asyncio.ensure_future(flights.join(KEY, asked))
    asked.may_answer.set()

    answers = await asyncio.gather(leader, follower)

    assert set(answers) == {"answer"}
    assert asked.times == 1


async def test_when_the_one_who_asked_goes_away_another_asks() -> None:
    flights, asked = Flights[str](), Asked()
    leader = asyncio.ensure_future(flights.join(KEY, asked))
    await started(leader, asked, 1)
    follower = asyncio.ensure_future(flights.join(KEY, asked))
    await started(follower, asked, 1)

    leader.cancel()
    asked.may_answer.set()

    assert await follower == "answer"
    assert asked.times == 2


async def test_one_who_stops_waiting_takes_the_answer_from_nobody() -> None:
    flights, asked = Flights[str](), Asked()
    leader = asyncio.ensure_future(flights.join(KEY, asked))
    await started(leader, asked, 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await flights.join(KEY, asked)

    asked.may_answer.set()

    assert await leader == "answer"
