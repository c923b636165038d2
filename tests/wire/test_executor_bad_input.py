"""What the Executor and the Classifier refuse when they are asked directly."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pointsman.cli.stack import Stack
from pointsman.domain.errors import InvalidRequest
from pointsman.rpc.status import from_call
from pointsman.v1 import classifier_pb2, classifier_pb2_grpc, executor_pb2, executor_pb2_grpc


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 253_402_300_800], ids=["far", "long-ago", "year-10000"])
async def test_a_report_since_no_instant_is_refused(stack: Stack, seconds: int) -> None:
    async with grpc.aio.insecure_channel(stack.executor.address) as channel:
        stub = executor_pb2_grpc.ExecutorServiceStub(channel)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Report(executor_pb2.ReportRequest(since_time=Timestamp(seconds=seconds)), timeout=5)

    error = from_call(caught.value)
    assert isinstance(error, InvalidRequest)
    assert error.reason == "SINCE_TIME_INVALID"


async def test_an_id_that_would_flood_the_log_is_refused(stack: Stack) -> None:
    async with grpc.aio.insecure_channel(stack.classifier.address) as channel:
        stub = classifier_pb2_grpc.ClassifierServiceStub(channel)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Classify(classifier_pb2.ClassifyRequest(text="2+2는?", request_id="x" * 10_000), timeout=5)

    assert from_call(caught.value).reason == "REQUEST_ID_INVALID"
