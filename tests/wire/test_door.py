"""The door on the wire: who is refused before a message is read, how much comes in at once, and whose share is full."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2

from pointsman.domain.errors import KeyMissing, PointsmanError, TooManyBytes, TooManyCalls
from pointsman.rpc.channel import open_channel
from pointsman.rpc.door import SMALL_BYTES
from pointsman.rpc.status import from_call
from tests.fakes.held_calls import METHOD, MIB, ROOMY, asking, by_name, held
from tests.fakes.serving import plain


async def error_of(asked: Awaitable[bytes]) -> PointsmanError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asked
    return from_call(caught.value)


async def test_who_is_refused_at_the_door_never_has_a_message_parsed() -> None:
    async with held(who_calls=by_name) as (service, address), asking(address) as ask:
        error = await error_of(ask(ROOMY))

    assert isinstance(error, KeyMissing)
    assert service.parsed == []


async def test_one_call_too_many_never_has_a_message_parsed() -> None:
    async with held(concurrent_calls=1) as (service, address), asking(address) as ask:
        first = asyncio.ensure_future(ask(1))
        await service.entered.acquire()
        error = await error_of(ask(ROOMY))
        service.release.set()
        await first

    assert isinstance(error, TooManyCalls)
    assert error.metadata["setting"] == "limits.concurrent_calls"
    assert error.metadata["limit"] == "1"
    assert "caller" not in error.metadata
    assert service.parsed == [1]


async def test_a_flood_over_a_fresh_connection_is_told_why_call_by_call() -> None:
    async with held(concurrent_calls=1) as (service, address), asking(address) as ask:
        flood = [asyncio.ensure_future(ask(1)) for _ in range(1_500)]
        await service.entered.acquire()
        _, left = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        while len(left) > 1:
            _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        service.release.set()
        ends = [asked.exception() for asked in flood if asked not in left]
        await asyncio.gather(*left)

    assert {type(from_call(end)) for end in ends if isinstance(end, grpc.aio.AioRpcError)} == {TooManyCalls}
    assert len(ends) == len(flood) - 1


async def test_what_does_not_fit_beside_the_bytes_inside_is_refused_before_it_is_parsed() -> None:
    async with held() as (service, address), asking(address) as ask:
        first = asyncio.ensure_future(ask(3 * MIB))
        await service.entered.acquire()
        error = await error_of(ask(2 * MIB))
        small = asyncio.ensure_future(ask(SMALL_BYTES))
        await service.entered.acquire()
        service.release.set()
        await asyncio.gather(first, small)
        after = await ask(3 * MIB)

    assert isinstance(error, TooManyBytes)
    assert error.ready_at
    assert {key: error.metadata[key] for key in ("limit", "held", "size_bytes", "setting")} == {
        "limit": str(ROOMY),
        "held": str(3 * MIB),
        "size_bytes": str(2 * MIB),
        "setting": "limits.bytes_in_flight",
    }
    assert service.parsed == [3 * MIB, SMALL_BYTES, 3 * MIB]
    assert after == b"done"


async def test_health_is_told_while_nothing_else_comes_in() -> None:
    Asked, Told = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse  # noqa: N806 - classes
    async with held(concurrent_calls=1) as (service, address), asking(address) as ask:
        full = asyncio.ensure_future(ask(ROOMY))
        await service.entered.acquire()
        async with open_channel(address, message_bytes=ROOMY) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check", Asked.SerializeToString, Told.FromString)
            told = await check(Asked(), timeout=5)
        service.release.set()
        await full

    assert told.status == Told.SERVING


async def test_a_question_about_the_server_is_no_way_around_the_limit_of_bytes() -> None:
    async with held() as (service, address), asking(address) as ask:
        full = asyncio.ensure_future(ask(3 * MIB))
        await service.entered.acquire()
        async with open_channel(address, message_bytes=ROOMY) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check", plain, plain)
            error = await error_of(check(b"x" * (2 * MIB), timeout=5))
        service.release.set()
        await full

    assert isinstance(error, TooManyBytes)


async def test_a_caller_who_takes_all_that_it_can_leaves_room_for_another_and_is_told_whose_limit_it_was() -> None:
    async with (
        held(concurrent_calls=8, who_calls=by_name) as (service, address),
        asking(address, "alice") as alice,
        asking(address, "bob") as bob,
    ):
        flood = [asyncio.ensure_future(alice(1)) for _ in range(60)]
        _, under_way = await asyncio.wait(flood, timeout=0.0)
        for _ in range(6):
            await service.entered.acquire()
        refused = [await error_of(alice(1)) for _ in range(3)]
        answers = [asyncio.ensure_future(bob(1))]
        await service.entered.acquire()
        service.release.set()
        told = await asyncio.gather(*answers)
        await asyncio.gather(*under_way, return_exceptions=True)

    assert told == [b"done"]
    assert {type(error) for error in refused} == {TooManyCalls}
    assert {error.metadata["caller"] for error in refused} == {"alice"}
    assert {error.metadata["held"] for error in refused} == {"6"}


async def test_a_caller_who_sends_all_the_bytes_that_it_can_leaves_room_for_another() -> None:
    async with (
        held(who_calls=by_name) as (service, address),
        asking(address, "alice") as alice,
        asking(address, "bob") as bob,
    ):
        calls = [asyncio.ensure_future(alice(MIB)) for _ in range(3)]
        for _ in calls:
            await service.entered.acquire()
        error = await error_of(alice(MIB // 2))
        calls.append(asyncio.ensure_future(bob(MIB // 2)))
        await service.entered.acquire()
        service.release.set()
        told = await asyncio.gather(*calls)

    assert isinstance(error, TooManyBytes)
    assert error.metadata["caller"] == "alice"
    assert told == [b"done"] * 4


async def test_a_caller_who_leaves_before_its_message_is_whole_gives_its_place_back() -> None:
    async with held(concurrent_calls=1) as (service, address), asking(address) as ask:
        async with open_channel(address, message_bytes=ROOMY) as channel:
            rpc = channel.stream_unary(METHOD, plain, plain)(timeout=30)
            await rpc.wait_for_connection()
            for _ in range(100):  # until the call, which sends nothing, is inside
                if isinstance(await refusal(ask), TooManyCalls):
                    break
            rpc.cancel()
        service.release.set()
        answer = await again(ask)

    assert answer == b"done"


async def refusal(ask: Callable[[int], Awaitable[bytes]]) -> PointsmanError | None:
    """Return why a call is refused that gives up soon when it is not."""
    try:
        await asyncio.wait_for(ask(1), 0.05)
    except grpc.aio.AioRpcError as error:
        return from_call(error)
    except TimeoutError:
        return None
    return None


async def again(ask: Callable[[int], Awaitable[bytes]]) -> bytes:
    """Ask until there is room."""
    while True:
        try:
            return await ask(1)
        except grpc.aio.AioRpcError as error:
            if not isinstance(from_call(error), TooManyCalls):
                raise


@pytest.mark.parametrize("size_bytes, comes_in", [(15_000, True), (20_000, False)], ids=["below", "above"])
async def test_metadata_is_bounded_sharply(size_bytes: int, *, comes_in: bool) -> None:
    async with held(metadata_bytes=16_384) as (service, address):
        service.release.set()
        async with open_channel(address, message_bytes=ROOMY) as channel:
            call = channel.unary_unary(METHOD, plain, plain)
            ends = [await code_of(call(b"", timeout=5, metadata=(("x-long", "a" * size_bytes),))) for _ in range(30)]

    # Between gRPC's own soft limit (8 KiB) and its hard one, calls would be refused by chance.
    assert set(ends) == {grpc.StatusCode.OK if comes_in else grpc.StatusCode.RESOURCE_EXHAUSTED}


async def code_of(asked: Awaitable[bytes]) -> grpc.StatusCode:
    try:
        await asked
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is read from /proc")
async def test_a_flood_of_images_costs_no_more_memory_than_the_limit_and_what_is_being_read() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.held_calls", str(2 * ROOMY), stdin=PIPE, stdout=PIPE
    )
    assert process.stdin
    assert process.stdout
    address = (await process.stdout.readline()).decode().strip()
    async with asking(address) as ask:
        flood = [asyncio.ensure_future(ask(3 * MIB)) for _ in range(64)]
        refused = 0
        for end in asyncio.as_completed(flood):
            error = await error_of(end)
            refused += isinstance(error, TooManyBytes)
            if refused == 62:
                break
        process.stdin.write(b"\n")
        grown_bytes, parsed = map(int, (await process.stdout.readline()).split())
        await asyncio.wait(flood)
    await process.communicate()

    assert parsed == 2
    # 192 MiB were sent. What is inside has 6 of them twice, what is read at once 24 at most.
    assert grown_bytes < 128 * MIB
