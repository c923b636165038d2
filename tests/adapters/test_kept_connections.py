"""A connection that is kept serves the next request only if its server was silent meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Reply
from tests.adapters.wires import CASES
from tests.fakes.http_server import FakeHttpServer, ScriptedReply, http_server

CASE = CASES[0]
ANSWER = ScriptedReply(body=CASE.answer, headers={"content-type": "application/json"})
LATE = {
    "an answer to somebody else": ScriptedReply(body=b'{"id": "another"}'),
    "a 408": ScriptedReply(status=408),
}


class Talker(FakeHttpServer):
    """A server that says more behind its answers, or closes, when nobody has asked."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[asyncio.StreamWriter] = []

    async def _send(self, reply: ScriptedReply, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await super()._send(reply, writer)


@asynccontextmanager
async def talker() -> AsyncIterator[Talker]:
    server = Talker()
    server.play(ANSWER)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("others", [0, 2], ids=["in the system yet", "heard by the loop"])
async def test_what_a_server_says_unasked_is_no_answer_to_the_next_request(late: ScriptedReply, others: int) -> None:
    async with talker() as server, http_server(ANSWER) as other:
        adapter, another = CASE.adapter(server.url), CASE.adapter(other.url)
        await adapter.call(CASE.call())
        server.writers[0].write(late.head() + late.body)
        for _ in range(others):  # turns of the loop
            await another.call(CASE.call())
        reply = await adapter.call(CASE.call())
        await adapter.close()
        await another.close()

    assert reply.outcome is Outcome.ANSWERED
    assert [server.connections, len(server.requests)] == [2, 2]


async def test_a_connection_that_its_server_has_just_closed_costs_no_request() -> None:
    async with talker() as server:
        adapter = CASE.adapter(server.url)
        await adapter.call(CASE.call())
        server.writers[0].get_extra_info("socket").shutdown(socket.SHUT_WR)
        reply = await adapter.call(CASE.call())
        await adapter.close()

    assert reply.outcome is Outcome.ANSWERED
    assert [server.connections, len(server.requests)] == [2, 2]


async def test_a_silent_server_keeps_its_connection() -> None:
    async with http_server(ANSWER) as server:
        adapter = CASE.adapter(server.url)
        replies: list[Reply] = [await adapter.call(CASE.call()) for _ in range(3)]
        await adapter.close()

    assert {reply.outcome for reply in replies} == {Outcome.ANSWERED}
    assert server.connections == 1
