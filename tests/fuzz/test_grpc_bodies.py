"""Bodies that are no messages, and messages that are nearly right, against the real services."""

from random import Random
from typing import Final

import grpc
import pytest

from pointsman.cli.stack import Stack
from pointsman.v1 import classifier_pb2, executor_pb2, router_pb2
from pointsman.v1 import types_pb2 as pb
from tests.fakes.serving import plain
from tests.fuzz.test_targets import examples

SAID: Final = [pb.Message(role=pb.ROLE_USER, parts=[pb.Part(text="2+2는?")])]
EXECUTE: Final = executor_pb2.ExecuteRequest(category="quick", messages=SAID)
VALID: Final[dict[str, tuple[str, bytes]]] = {
    "RouterService/Route": ("router", router_pb2.RouteRequest(messages=SAID).SerializeToString()),
    "RouterService/StreamRoute": ("router", router_pb2.StreamRouteRequest(messages=SAID).SerializeToString()),
    "RouterService/Explain": ("router", router_pb2.ExplainRequest(text="2+2?").SerializeToString()),
    "ClassifierService/Classify": ("classifier", classifier_pb2.ClassifyRequest(text="2+2?").SerializeToString()),
    "ExecutorService/Execute": ("executor", EXECUTE.SerializeToString()),
    "ExecutorService/StreamExecute": (
        "executor",
        executor_pb2.StreamExecuteRequest(request=EXECUTE).SerializeToString(),
    ),
    "ExecutorService/Plan": ("executor", executor_pb2.PlanRequest(request=EXECUTE).SerializeToString()),
    "ExecutorService/ListCandidates": ("executor", b""),
    "ExecutorService/WatchCandidates": ("executor", b""),
    "ExecutorService/Report": ("executor", b""),
}
BLAMES_US: Final = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}


def bodies(valid: bytes, count: int) -> list[bytes]:
    """Return random bytes, and the valid message with bytes cut, changed and repeated."""
    random = Random(7)
    made = [random.randbytes(random.randrange(200)) for _ in range(count // 2)]
    while len(made) < count:
        body = bytearray(valid or b"\x0a\x00")
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(body) + 1)
            body[at : at + random.randrange(3)] = random.randbytes(random.randrange(4))
        made.append(bytes(body))
    return made


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("rpc", VALID)
async def test_no_body_is_answered_as_a_failure_of_ours(stack: Stack, rpc: str) -> None:
    room, valid = VALID[rpc]
    async with grpc.aio.insecure_channel(stack.addresses[room]) as channel:
        ends = {body.hex(): await status(channel, rpc, body) for body in bodies(valid, examples())}
        lives_on = await status(channel, rpc, valid)

    assert {body: end for body, end in ends.items() if end in BLAMES_US} == {}
    assert lives_on in {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}


async def status(channel: grpc.aio.Channel, rpc: str, body: bytes) -> grpc.StatusCode:
    """Return how a call ends; one that streams is left behind its first message."""
    call = channel.unary_stream(f"/pointsman.v1.{rpc}", request_serializer=plain, response_deserializer=plain)
    answer = call(body, timeout=10)
    try:
        async for _ in answer:
            if "Watch" in rpc:
                answer.cancel()
                return grpc.StatusCode.CANCELLED
    except grpc.aio.AioRpcError as error:
        return error.code()
    return await answer.code()
