"""The one connection: order, deadlines, and that nobody is left waiting when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from pointsman.executor.ledger.link import Link, LinkDown, Refused, pack

LOADED = b"sha"


@dataclass(slots=True)
class FakeWire:
    """Takes commands, and answers with what the test puts in."""

    answers: asyncio.Queue[bytes | Exception] = field(default_factory=asyncio.Queue)
    sent: list[bytes] = field(default_factory=list)
    is_closed: bool = False

    async def send(self, command: bytes) -> None:
        self.sent.append(command)

    async def receive(self) -> bytes:
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        self.is_closed = True


async def hold() -> None:
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def up(wire: FakeWire, *, timeout_s: float = 5.0) -> AsyncIterator[tuple[Link, "asyncio.Task[None]"]]:
    """Yield a link that is up, and what runs it."""

    async def connect() -> FakeWire:
        return wire

    link, is_up = Link(connect, b"return 1", timeout_s=timeout_s), asyncio.Event()

    async def serve() -> None:
        is_up.set()
        await hold()

    running = asyncio.ensure_future(link.run(serve))
    wire.answers.put_nowait(LOADED)
    await is_up.wait()
    try:
        yield link, running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, LinkDown):
            await running


def test_commands_are_packed_as_redis_reads_them() -> None:
    assert pack([b"SET", b"key", "\u00e9".encode()]) == b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2\r\n\xc3\xa9\r\n"


async def test_answers_come_in_the_order_of_the_calls_and_calls_travel_together() -> None:
    wire = FakeWire()
    async with up(wire) as (link, _):
        futures = [link.call(command) for command in (b"one", b"two", b"three")]
        for answer in (b"1", b"2", b"3"):
            wire.answers.put_nowait(answer)

        assert await asyncio.gather(*futures) == [b"1", b"2", b"3"]
        assert wire.sent[1:] == [b"onetwothree"]


async def test_an_answer_to_nobody_is_not_given_to_another() -> None:
    wire = FakeWire()
    async with up(wire) as (link, _):
        gone, waiting = link.call(b"one"), link.call(b"two")
        gone.cancel()
        wire.answers.put_nowait(b"1")
        wire.answers.put_nowait(b"2")

        assert await waiting == b"2"


async def test_a_script_that_was_forgotten_is_loaded_again_and_the_call_repeated() -> None:
    wire = FakeWire()
    async with up(wire) as (link, _):
        future = link.call(b"one")
        for answer in (Refused("NOSCRIPT"), LOADED, b"1"):
            wire.answers.put_nowait(answer)

        assert await future == b"1"
        assert wire.sent[1:] == [b"one", wire.sent[0] + b"one"]


@pytest.mark.parametrize(
    "answer, says",
    [
        pytest.param(LinkDown("reset by peer"), "reset by peer", id="broken-off"),
        pytest.param(Refused("OOM too much"), "it answered 'OOM too much'", id="an-error"),
    ],
)
async def test_whatever_goes_wrong_fails_every_call_at_once(answer: Exception, says: str) -> None:
    wire = FakeWire()
    async with up(wire) as (link, running):
        futures = [link.call(b"one"), link.call(b"two")]
        wire.answers.put_nowait(answer)

        ends = await asyncio.gather(*futures, running, return_exceptions=True)

        assert [str(end) for end in ends if isinstance(end, LinkDown)][-1] == says
        assert all(isinstance(end, LinkDown) for end in ends)
        assert wire.is_closed
        with pytest.raises(LinkDown):
            await link.call(b"three")


@pytest.mark.parametrize("answer", [b"1", Refused("OOM")], ids=["an answer", "an error"])
async def test_an_answer_that_comes_a_moment_after_the_link_was_given_up_is_no_bug(answer: bytes | Exception) -> None:
    wire = FakeWire()
    async with up(wire) as (link, running):
        future = link.call(b"one")
        await asyncio.sleep(0)  # noqa: TID251 - yields, and waits for nothing
        wire.answers.put_nowait(answer)
        link.drop(LinkDown("too late"))

        with pytest.raises(LinkDown):
            await running
        with pytest.raises(LinkDown, match="too late"):
            await future


async def test_a_call_that_is_not_answered_in_time_ends_the_link() -> None:
    wire = FakeWire()
    async with up(wire, timeout_s=0.02) as (link, _):
        with pytest.raises(LinkDown, match=r"no answer within 0\.02 s"):
            await link.call(b"one")


async def test_a_connection_that_takes_too_long_is_none() -> None:
    async def connect() -> FakeWire:
        await hold()
        return FakeWire()

    with pytest.raises(LinkDown, match=r"no connection within 0\.01 s"):
        await Link(connect, b"", timeout_s=0.01).run(hold)


async def test_a_bug_is_not_mistaken_for_a_lost_connection() -> None:
    wire = FakeWire()

    async def connect() -> FakeWire:
        return wire

    async def broken() -> None:
        raise ZeroDivisionError

    wire.answers.put_nowait(LOADED)
    with pytest.raises(ExceptionGroup):
        await Link(connect, b"", timeout_s=5.0).run(broken)
