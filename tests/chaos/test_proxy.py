"""A link in every weather, over real sockets of this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import pytest

from tests.chaos.proxy import Link, Weather, linked

LIMIT_S = 10.0


@asynccontextmanager
async def echoing() -> AsyncIterator[Link]:
    """Yield a link that leads to a server which sends back whatever it is sent."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionResetError):
            while piece := await reader.read(1_000):
                writer.write(piece)

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with linked("here-there") as link:
        link.target = server.sockets[0].getsockname()
        try:
            yield link
        finally:
            server.close()


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    with closing(writer):
        yield reader, writer


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes = b"hello") -> bytes:
    writer.write(words)
    async with asyncio.timeout(LIMIT_S):
        return await reader.readexactly(len(words))


async def is_silent(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("weather", [Weather.CLEAR, Weather.LATE, Weather.DRIPPING])
async def test_what_is_said_arrives_whole_in_fair_and_in_slow_weather(weather: Weather) -> None:
    words = bytes(range(256)) * 4
    async with echoing() as link:
        link.turn(weather, late_s=0.01)
        async with connected(link) as way:
            said = await asked(*way, words)

    assert said == words


async def test_a_silent_link_carries_everything_once_it_clears() -> None:
    async with echoing() as link, connected(link) as (reader, writer):
        link.turn(Weather.SILENT)
        writer.write(b"hello")

        was_silent = await is_silent(reader)
        link.turn(Weather.CLEAR)
        async with asyncio.timeout(LIMIT_S):
            said = await reader.readexactly(5)

    assert (was_silent, said) == (True, b"hello")


async def test_a_half_open_connection_swallows_for_good_while_new_ones_work() -> None:
    async with echoing() as link, connected(link) as old:
        await asked(*old)
        link.turn(Weather.HALF_OPEN)
        link.turn(Weather.CLEAR)
        old[1].write(b"anybody?")
        was_silent = await is_silent(old[0])
        async with connected(link) as new:
            said = await asked(*new)

    assert (was_silent, said) == (True, b"hello")


async def test_a_reset_breaks_what_is_open_and_what_comes() -> None:
    async with echoing() as link, connected(link) as (reader, writer):
        await asked(reader, writer)
        link.turn(Weather.RESET)

        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        async with connected(link) as (late, _):
            with pytest.raises(ConnectionResetError):
                await late.read(1)


async def test_a_target_that_moved_is_found_by_new_connections() -> None:
    async with echoing() as first, echoing() as second:
        first.target = second.target
        async with connected(first) as way:
            said = await asked(*way)

    assert said == b"hello"
    assert second.carried == 0


async def test_a_target_that_is_gone_resets_whoever_comes() -> None:
    async with linked("here-nowhere") as link, connected(link) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
