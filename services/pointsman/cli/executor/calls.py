"""Calls of a running Executor."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import grpc

from pointsman.cli.arguments import EXECUTOR
from pointsman.cli.executor.activity import ActivityNews, news_from_pb
from pointsman.cli.executor.listing import Listing, listing_from_pb
from pointsman.cli.executor.report import GROUPS, ReportSums, sums_from_pb
from pointsman.cli.failure import Failure, wrong_door
from pointsman.domain.errors import PointsmanError
from pointsman.rpc import channel, convert
from pointsman.v1 import executor_pb2 as pb
from pointsman.v1 import executor_pb2_grpc
from pointsman_client import Tls

SERVICE: Final = "pointsman.v1.ExecutorService"
TIMEOUT_S: Final = 10.0

_MESSAGE_BYTES: Final = 33_554_432


class ExecutorCalls:
    """Calls of one running Executor. They raise the domain error that it meant, ExecutorDown when nobody listens."""

    def __init__(self, address: str, stub: "executor_pb2_grpc.ExecutorServiceAsyncStub") -> None:
        """Keep the stub; `reaching` makes one."""
        self._address = address
        self._stub = stub

    async def list_candidates(self, category: str) -> Listing:
        """Return the candidates of a category's pool; of all when it is empty."""
        answer = await channel.call(
            self._stub.ListCandidates,
            pb.ListCandidatesRequest(category=category),
            method=f"{SERVICE}/ListCandidates",
            target=self._address,
            timeout_s=TIMEOUT_S,
        )
        return listing_from_pb(answer.candidates, answer)

    async def watch_candidates(self, category: str) -> AsyncGenerator[Listing, None]:
        """Yield all candidates, then those that changed, until cancelled."""
        streaming = channel.stream(
            self._stub.WatchCandidates,
            pb.WatchCandidatesRequest(category=category),
            method=f"{SERVICE}/WatchCandidates",
            target=self._address,
            timeout_s=None,
        )
        async with streaming as answers:
            async for answer in answers:
                yield listing_from_pb(answer.candidates, answer)

    async def watch_activity(self, interval_s: float) -> AsyncGenerator[ActivityNews, None]:
        """Yield what the last minute looked like, at once and after each interval, until cancelled."""
        streaming = channel.stream(
            self._stub.WatchActivity,
            pb.WatchActivityRequest(interval=convert.duration_to_pb(interval_s)),
            method=f"{SERVICE}/WatchActivity",
            target=self._address,
            timeout_s=None,
        )
        async with streaming as answers:
            async for answer in answers:
                yield news_from_pb(answer)

    async def report(self, group_by: str, since: datetime | None, *, with_details: bool = False) -> ReportSums:
        """Return the sums since an instant, of all that is kept for None; `group_by` is one of GROUPS."""
        since_pb = None if since is None else convert.instant_to_pb(since)
        answer = await channel.call(
            self._stub.Report,
            pb.ReportRequest(since_time=since_pb, group_by=GROUPS[group_by], with_details=with_details),
            method=f"{SERVICE}/Report",
            target=self._address,
            timeout_s=TIMEOUT_S,
        )
        return sums_from_pb(answer)


@asynccontextmanager
async def reaching(address: str, tls: Tls | None = None) -> AsyncIterator[ExecutorCalls]:
    """Open the way to the Executor at an address, and close it when the block ends. Without `tls` it is plaintext.

    Raises Failure when what listens there is something else.
    """
    credentials = tls.credentials() if tls else None
    async with channel.open_channel(address, message_bytes=_MESSAGE_BYTES, credentials=credentials) as opened:
        try:
            yield ExecutorCalls(address, executor_pb2_grpc.ExecutorServiceStub(opened))
        except PointsmanError as error:
            cause = error.__cause__
            if isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise Failure(wrong_door(address, wanted="Executor", usual=EXECUTOR)) from error
            raise
