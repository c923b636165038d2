"""A channel to a service of the same process: the generated stubs take it for one of gRPC's.

Messages are passed as they are. Nobody changes one that was given to them (tests hold it), so none is copied; their
sizes were checked where they came into the process. Nothing is retried: there is no connection that can break.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Generic, Never, Self, TypeVar

import grpc

from pointsman.rpc.inprocess.call import AnswerCall, Call, StreamCall
from pointsman.rpc.inprocess.context import Metadata
from pointsman.rpc.inprocess.server import InProcessServer

CallT = TypeVar("CallT", bound=Call)

_ABSENT: Final = "a channel within the process has no such thing; nothing of ours has needed it so far"


class _Method(Generic[CallT]):
    """A method as its stub calls it: each time it makes a call of one type, for one answer or for a stream of them."""

    def __init__(self, server: InProcessServer, method: str, make: Callable[..., CallT]) -> None:
        self._server = server
        self._method = method
        self._make = make

    def __call__(
        self,
        request: object,
        *,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        wait_for_ready: bool | None = None,  # noqa: ARG002 - there is nothing to wait for
        **of_a_connection: object,
    ) -> CallT:
        if of_a_connection:
            _refuse(of_a_connection)
        return self._make(self._server, self._method, request, timeout_s=timeout, metadata=metadata)


class InProcessChannel(grpc.aio.Channel):
    """The way to one server of this process. Owns nothing: there is nothing to close."""

    def __init__(self, server: InProcessServer) -> None:
        """Lead to this server, started or not."""
        self._server = server

    def unary_unary(self, method: str, *_serializers: object, **_named: object) -> Any:  # noqa: ANN401 - calls are
        """Return the method of that path; nothing is serialized."""
        return _Method(self._server, method, AnswerCall)

    def unary_stream(self, method: str, *_serializers: object, **_named: object) -> Any:  # noqa: ANN401 - as above
        """Return the method of that path; nothing is serialized."""
        return _Method(self._server, method, StreamCall)

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
    """Raise NotImplementedError for what a call that is not sent cannot do."""
    if asked := [name for name, value in of_a_connection.items() if value is not None]:
        raise NotImplementedError(f"a call within the process is not sent, so it takes no {', '.join(asked)}")
