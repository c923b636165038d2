"""An answer as it is produced."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Self

import grpc

from pointsman.v1 import executor_pb2, router_pb2, types_pb2
from pointsman_client.errors import cut_short, from_rpc, given_up, lost


class Stream:
    """An answer as it is produced: iterate once, over it for the text or over `events()` for every message.

    `start` says who answers and is set before the first text; `end` says how it ended and is set behind the last.
    `end.partial` is True when the answer broke off: what came is not all of it, and no other model goes on with it.
    Leaving the loop early gives the call up; under `async with` that happens at the end of the block, without it when
    the iterator is collected. So does cancelling the task that reads.
    """

    def __init__(
        self,
        call: "grpc.aio.UnaryStreamCall[router_pb2.StreamRouteRequest, router_pb2.StreamRouteResponse]",
        address: str,
        arrival: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._call = call
        self._arrival = arrival
        self._address = address
        self._is_read = False
        self._tool_calls: dict[int, list[executor_pb2.ToolCallDelta]] = {}
        self.start: router_pb2.RouteStreamStart | None = None
        self.end: executor_pb2.StreamEnd | None = None

    @property
    def tool_calls(self) -> list[types_pb2.ToolCall]:
        """The tool calls as far as they have come; their arguments are whole JSON once the stream is over."""
        return [
            types_pb2.ToolCall(
                id="".join(delta.id for delta in deltas),
                name="".join(delta.name for delta in deltas),
                arguments_json="".join(delta.arguments_json for delta in deltas),
            )
            for _, deltas in sorted(self._tool_calls.items())
        ]

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        """Yield text as it comes. Raises what `events` raises."""
        async with aclosing(self.events()) as events:
            async for event in events:
                if event.delta.text:
                    yield event.delta.text

    async def events(self) -> AsyncGenerator[router_pb2.StreamRouteResponse, None]:
        """Yield every message as it comes: one start, deltas, one end.

        Raises RouteError, which after the start means that a part of Pointsman went away or the deadline passed, and
        RuntimeError when the stream was read before.
        """
        if self._is_read:
            raise RuntimeError("a stream can be read once; ask again with Client.stream")
        self._is_read = True
        try:
            if self._arrival is not None and not await self._arrival():
                raise lost(self._address)
            async for event in self._call:
                self._keep(event)
                yield event
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self._address, partial=self._is_begun) from error
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            # gRPC says so when the call or its channel is given up elsewhere, to a task that nobody cancelled.
            raise given_up(partial=self._is_begun) from None
        finally:
            self._call.cancel()
        if self.start is None or self.end is None:
            raise cut_short(self._address, partial=self._is_begun)

    @property
    def _is_begun(self) -> bool:
        return self.start is not None

    def _keep(self, event: router_pb2.StreamRouteResponse) -> None:
        match event.WhichOneof("event"):
            case "start":
                self.start = event.start
            case "delta":
                for delta in event.delta.tool_calls:
                    self._tool_calls.setdefault(delta.index, []).append(delta)
            case "end":
                self.end = event.end

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the call up, if it is still under way."""
        self._call.cancel()


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
