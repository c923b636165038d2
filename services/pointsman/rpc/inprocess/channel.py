"""A channel to a service of the same process: the generated stubs take it for one of gRPC's.

Messages are passed as they are. Nobody changes one that was given to them (tests hold it), so none is copied; their
sizes were checked where they came into the process. Nothing is retried: there is no connection that can break.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Generic, Never, Self, TypeVar

import grpc

from pointsman.rpc.inprocess.call import AnswerCall, StreamCall
from pointsman.rpc.inprocess.context import Metadata
from pointsman.rpc.inprocess.server import InProcessServer

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

_ABSENT: Final = "a channel within the process has no such thing; nothing of ours has needed it so far"


class _AskOnce(grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT], Generic[RequestT, ResponseT]):
    """A method that answers with one message."""

    def __init__(self, server: InProcessServer, method: str) -> None:
        self._server = server
        self._method = method

    def __call__(
        self,
        request: RequestT,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        **of_a_connection: object,
    ) -> AnswerCall[RequestT, ResponseT]:
        _refuse(of_a_connection)
        return AnswerCall(self._server, self._method, request, timeout_s=timeout, metadata=metadata)


class _AskForStream(grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT], Generic[RequestT, ResponseT]):
    """A method that answers with many messages."""

    def __init__(self, server: InProcessServer, method: str) -> None:
        self._server = server
        self._method = method

    def __call__(
        self,
        request: RequestT,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        **of_a_connection: object,
    ) -> StreamCall[RequestT, ResponseT]:
        _refuse(of_a_connection)
        return StreamCall(self._server, self._method, request, timeout_s=timeout, metadata=metadata)


class InProcessChannel(grpc.aio.Channel):
    """The way to one server of this process. Owns nothing: there is nothing to close."""

    def __init__(self, server: InProcessServer) -> None:
        """Lead to this server, started or not."""
        self._server = server

    def unary_unary(self, method: str, *_serializers: object, **_named: object) -> _AskOnce[Any, Any]:
        """Return the method of that path; nothing is serialized."""
        return _AskOnce(self._server, method)

    def unary_stream(self, method: str, *_serializers: object, **_named: object) -> _AskForStream[Any, Any]:
        """Return the method of that path; nothing is serialized."""
        return _AskForStream(self._server, method)

    def stream_unary(self, method: str, *_serializers: object, **_named: object) -> Never:
        """Not here: no service of ours takes a stream."""
        raise NotImplementedError(_ABSENT)

    def stream_stream(self, method: str, *_serializers: object, **_named: object) -> Never:
        """Not here: no service of ours takes a stream."""
        raise NotImplementedError(_ABSENT)

    async def close(self, grace: float | None = None) -> None:
        """Do nothing."""

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: ARG002, FBT001, FBT002 - gRPC's
        """Return READY while the server takes calls, else TRANSIENT_FAILURE."""
        takes_calls = self._server.takes_calls
        return grpc.ChannelConnectivity.READY if takes_calls else grpc.ChannelConnectivity.TRANSIENT_FAILURE

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the state is another."""
        while self.get_state() is last_observed_state:
            await self._server.turned()

    async def channel_ready(self) -> None:
        """Wait until the server takes calls."""
        await self.wait_for_state_change(grpc.ChannelConnectivity.TRANSIENT_FAILURE)


def _refuse(of_a_connection: Mapping[str, object]) -> None:
    """Raise NotImplementedError for what a call that is not sent cannot do; it has nothing to wait for either."""
    if asked := [name for name, value in of_a_connection.items() if value is not None and name != "wait_for_ready"]:
        raise NotImplementedError(f"a call within the process is not sent, so it takes no {', '.join(asked)}")
