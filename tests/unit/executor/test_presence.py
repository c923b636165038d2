"""Looking after candidates that are out: free probes, at their own pace."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest

from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.adapters.base import Reply
from pointsman.executor.attempt import RULES, Effect
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.presence import LOCAL_EVERY_S, REMOTE_EVERY_S, look_after
from tests.fakes.adapter import FakeAdapter, ended
from tests.fakes.clock import FakeClock
from tests.unit.executor.making import candidate, estimate, ledger

LOCAL, REMOTE = candidate("local/m", local=True), candidate("a/m")


@asynccontextmanager
async def looking(
    *candidates: Candidate,
    book: MemoryLedger,
    clock: FakeClock,
    probes: Iterable[Reply],
    credentials: Iterable[str] = ("a", "local"),
    adapter: FakeAdapter | None = None,
) -> AsyncIterator[FakeAdapter]:
    adapter = adapter or FakeAdapter(probes=probes)
    task = asyncio.ensure_future(
        look_after(
            candidates,
            adapters={"a": adapter, "local": adapter},
            credentials=frozenset(credentials),
            ledger=book,
            clock=clock,
        )
    )
    await settled()
    try:
        yield adapter
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def settled() -> None:
    """Let everything run that does not wait for time."""
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - yields, and waits for nothing


async def after(clock: FakeClock, seconds: float) -> None:
    clock.advance(seconds)
    await settled()


GONE, MISSING, HERE = ended(Outcome.NETWORK), ended(Outcome.MODEL_NOT_FOUND), ended(Outcome.ANSWERED)


async def test_a_local_model_that_is_not_there_is_taken_out_at_once(clock: FakeClock) -> None:
    book = ledger(LOCAL, clock=clock)

    async with looking(LOCAL, book=book, clock=clock, probes=[GONE]) as adapter:
        skip = book.skip(LOCAL, estimate())

    assert adapter.probed == ["m"]
    assert skip
    assert skip.reason is SkipReason.NOT_RUNNING
    assert "start it" in skip.detail


async def test_a_local_model_that_appears_comes_back(clock: FakeClock) -> None:
    book = ledger(LOCAL, clock=clock)

    async with looking(LOCAL, book=book, clock=clock, probes=[GONE, HERE]):
        await after(clock, LOCAL_EVERY_S)

    assert book.is_out(LOCAL) is None
    assert book.skip(LOCAL, estimate()) is None


async def test_what_is_said_about_a_local_model_follows_what_is_missing(clock: FakeClock) -> None:
    book = ledger(LOCAL, clock=clock)

    async with looking(LOCAL, book=book, clock=clock, probes=[GONE, MISSING]):
        await after(clock, LOCAL_EVERY_S)
        skip = book.skip(LOCAL, estimate())

    assert skip
    assert "run `pointsman pull`" in skip.detail
    assert "does not have m" in skip.detail


async def test_a_local_model_that_is_there_is_left_alone(clock: FakeClock) -> None:
    book = ledger(LOCAL, clock=clock)

    async with looking(LOCAL, book=book, clock=clock, probes=[HERE, HERE]) as adapter:
        await after(clock, LOCAL_EVERY_S)

    assert len(adapter.probed) == 2
    assert book.is_out(LOCAL) is None


async def test_a_remote_candidate_that_works_is_never_probed(clock: FakeClock) -> None:
    book = ledger(REMOTE, clock=clock)

    async with looking(REMOTE, book=book, clock=clock, probes=[]) as adapter:
        await after(clock, 60.0)
        await after(clock, 60.0)

    assert adapter.probed == []


@pytest.mark.parametrize("cause", [*REMOTE_EVERY_S])
async def test_a_remote_candidate_that_is_out_comes_back_after_a_free_probe(clock: FakeClock, cause: Outcome) -> None:
    book = ledger(REMOTE, clock=clock)
    book.take_out(REMOTE, cause)

    async with looking(REMOTE, book=book, clock=clock, probes=[ended(cause), HERE]) as adapter:
        await after(clock, REMOTE_EVERY_S[cause] - 1)
        before = len(adapter.probed)
        await after(clock, 1)
        still = book.is_out(REMOTE)
        await after(clock, REMOTE_EVERY_S[cause])

    assert (before, still, len(adapter.probed)) == (0, cause, 2)
    assert book.is_out(REMOTE) is None


async def test_an_outage_lasts_as_long_as_its_own_kind_asks_for(clock: FakeClock) -> None:
    book = ledger(REMOTE, clock=clock)

    async with looking(REMOTE, book=book, clock=clock, probes=[]) as adapter:
        await after(clock, 30.0)
        book.take_out(REMOTE, Outcome.BILLING)
        await after(clock, 30.0)
        await after(clock, REMOTE_EVERY_S[Outcome.BILLING] - 1)

    assert adapter.probed == []


async def test_a_candidate_without_a_key_is_not_probed(clock: FakeClock) -> None:
    book = ledger(REMOTE, clock=clock)

    async with looking(REMOTE, book=book, clock=clock, probes=[], credentials=()) as adapter:
        book.take_out(REMOTE, Outcome.UNAUTHORIZED)
        await after(clock, REMOTE_EVERY_S[Outcome.UNAUTHORIZED])
        await after(clock, REMOTE_EVERY_S[Outcome.UNAUTHORIZED])

    assert adapter.probed == []


async def test_a_local_model_that_is_too_busy_to_answer_a_probe_stays_in(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.executor.presence.PROBE_TIMEOUT_S", 0.0)
    book = ledger(LOCAL, clock=clock)

    class Silent(FakeAdapter):
        async def probe(self, model: str) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

    async with looking(LOCAL, book=book, clock=clock, probes=[], adapter=Silent()):
        out = book.is_out(LOCAL)

    assert out is None


def test_every_outcome_that_takes_a_candidate_out_says_how_often_it_is_probed() -> None:
    assert set(REMOTE_EVERY_S) == {outcome for outcome, rule in RULES.items() if rule.effect is Effect.TAKE_OUT}
