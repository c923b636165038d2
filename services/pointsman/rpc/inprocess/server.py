"""A server without a port: servicers register as with gRPC's own, the interceptor is the same, callers are in here."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import grpc

from pointsman.rpc.inprocess.call import Call, Handler
from pointsman.rpc.inprocess.context import Metadata

_CLEARING_S: Final = 5.0
"""How long cancelled servicers may clear away before nobody waits for them any more."""

_EARLY_S: Final = 0.001
"""A timer may ring so much too early: loops count milliseconds."""


@dataclass(slots=True)  # not frozen, which would double what making one costs
class CallDetails(grpc.HandlerCallDetails):
    """What an interceptor is told of a call."""

    method: str
    invocation_metadata: Any


class InProcessServer(grpc.aio.Server):
    """Serves calls of this process, each in a task of its own. Starts once, stops once; belongs to the running loop."""

    def __init__(self, interceptor: grpc.aio.ServerInterceptor) -> None:
        """Begin with no services, within the running loop."""
        # Kept, because to ask which loop runs is to ask the kernel which process this is (CPython 3.11).
        self.loop = asyncio.get_running_loop()
        self._interceptor = interceptor
        self.handlers: list[grpc.GenericRpcHandler] = []
        self._under_way: dict[asyncio.Task[None], Call] = {}
        self._surroundings: Context | None = None
        self._turn = asyncio.Event()
        # One for all deadlines, at the earliest: nearly all calls are over before theirs, and a timer a call would cost
        # as much as its task.
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at_s = inf

    @property
    def takes_calls(self) -> bool:
        """True from the start to the stop."""
        return self._surroundings is not None

    async def turned(self) -> None:
        """Wait for the next start or stop."""
        await self._turn.wait()

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Serve these too; the `add_…Servicer_to_server` of the generated code calls it."""
        self.handlers.extend(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """Do nothing: the generated code names the same handlers twice."""

    async def start(self) -> None:
        """Take calls. Their contexts are copies of that of whoever starts, as in gRPC's server."""
        self._surroundings = copy_context()
        self._tell()

    async def stop(self, grace: float | None) -> None:
        """Take no new calls, let those under way end within `grace` seconds, cancel the rest."""
        self._surroundings = None
        self._tell()
        if self._under_way and grace:
            await asyncio.wait(self._under_way, timeout=grace)
        for call in tuple(self._under_way.values()):
            call.give_up()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLEARING_S)
        self._ring_at(inf)

    def handler_of(self, method: str, metadata: Metadata) -> "Awaitable[Handler | None]":
        """Find what serves a method, with what the interceptor puts around it; None when nothing does."""
        return self._interceptor.intercept_service(self._find, CallDetails(method, metadata))

    def begin(self, call: Call) -> "asyncio.Task[None] | None":
        """Return the task that serves the call; None before the start and after the stop."""
        if self._surroundings is None:
            return None
        task = self.loop.create_task(call.serve(), context=self._surroundings.copy())
        self._under_way[task] = call
        task.add_done_callback(self._forget)
        if call.deadline_s is not None and call.deadline_s < self._rings_at_s:
            self._ring_at(call.deadline_s)
        return task

    def add_insecure_port(self, address: str) -> int:
        """Not here."""
        raise NotImplementedError("a server of this process has no port")

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """Not here."""
        raise NotImplementedError("a server of this process has no port")

    async def wait_for_termination(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - gRPC's own signature
        """Not here."""
        raise NotImplementedError("a server of this process is stopped by whoever started it")

    async def _find(self, details: grpc.HandlerCallDetails) -> "Handler | None":
        found = (handler.service(details) for handler in self.handlers)
        return next((handler for handler in found if handler is not None), None)

    def _tell(self) -> None:
        self._turn.set()
        self._turn = asyncio.Event()

    def _ring_at(self, deadline_s: float) -> None:
        """Look for calls that are due at this instant, and no more at the one that was set; infinity sets none."""
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at_s = deadline_s
        self._timer = None if deadline_s == inf else self.loop.call_at(deadline_s, self._ring)

    def _ring(self) -> None:
        """Expire the calls that are due, and set the timer for the next."""
        due_s, next_s = self.loop.time() + _EARLY_S, inf
        for call in tuple(self._under_way.values()):
            if call.deadline_s is None or call.done():
                continue
            if call.deadline_s <= due_s:
                call.expire()
            else:
                next_s = min(next_s, call.deadline_s)
        self._ring_at(next_s)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        if not task.cancelled() and (error := task.exception()):
            message = "an exception got past the interceptor of a call within the process"
            task.get_loop().call_exception_handler({"message": message, "exception": error, "task": task})
