"""The scripted server does what its script says."""

import asyncio

import pytest

from tests.fakes.http_server import Fate, ScriptedReply, http_server, json_reply

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd: Yes\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


async def talk(port: int, *requests: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_a_request_is_kept_as_it_came() -> None:
    async with http_server(ScriptedReply()) as server:
        await talk(port_of(server.url), GET)

    (request,) = server.requests
    assert (request.method, request.path, request.headers["x-odd"]) == ("GET", "/a?b=c", "Yes")


async def test_replies_are_played_in_order_and_the_last_one_goes_on() -> None:
    async with http_server(ScriptedReply(body=b"one"), json_reply({"n": 2}, status=429)) as server:
        answer = await talk(port_of(server.url), POST, POST, POST)

    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert answer.count(b"HTTP/1.1 429 Too Many Requests") == 2
    assert [request.body for request in server.requests] == [b"body"] * 3


async def test_a_truncated_body_is_announced_longer_than_it_is() -> None:
    async with http_server(ScriptedReply(body=b"abc", fate=Fate.TRUNCATE)) as server:
        answer = await talk(port_of(server.url), GET)

    assert b"content-length: 103" in answer
    assert answer.endswith(b"\r\n\r\nabc")


async def test_a_reset_breaks_the_connection_before_any_byte() -> None:
    async with http_server(ScriptedReply(fate=Fate.RESET)) as server:
        with pytest.raises(ConnectionResetError):
            await talk(port_of(server.url), GET)


async def test_garbage_is_no_http() -> None:
    async with http_server(ScriptedReply(fate=Fate.GARBAGE)) as server:
        assert not (await talk(port_of(server.url), GET)).startswith(b"HTTP/")


@pytest.mark.parametrize("fate", [Fate.SILENCE, Fate.STALL])
async def test_whoever_leaves_a_silent_server_is_noticed(fate: Fate) -> None:
    async with http_server(ScriptedReply(body=b"abc", fate=fate)) as server:
        answer = await talk(port_of(server.url), GET)
        await server.left.wait()

    assert (b"abc" in answer) is (fate is Fate.STALL)


async def test_a_dripping_body_comes_in_chunks_of_one_byte_and_ends_in_order() -> None:
    async with http_server(ScriptedReply(body=b"ab", fate=Fate.DRIP)) as server:
        answer = await talk(port_of(server.url), GET)

    assert b"transfer-encoding: chunked" in answer
    assert answer.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


async def test_a_cut_body_has_no_last_chunk() -> None:
    async with http_server(ScriptedReply(body=b"ab", fate=Fate.CUT)) as server:
        assert (await talk(port_of(server.url), GET)).endswith(b"\r\n\r\n2\r\nab\r\n")


async def test_a_flood_ends_when_its_client_leaves() -> None:
    async with http_server(ScriptedReply(body=b"x" * 1_000, fate=Fate.FLOOD)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server.url))
        writer.write(GET)
        await reader.readexactly(1_000_000)
        writer.close()
        await server.left.wait()

    assert server.flooded_bytes > 900_000
