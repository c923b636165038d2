"""Connections that are kept for the next request, as long as nothing was heard on them meanwhile."""

import select
from ssl import SSLContext
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class Connector(aiohttp.TCPConnector):
    """One that hands out no connection on which its server spoke, or which it closed, while nobody asked.

    aiohttp looks only for a close that the loop has seen. What was said would be read as the answer to the next
    request: a late 408, or the answer to somebody else's.
    """

    def __init__(self, *, limit: int, keepalive_timeout: float, ssl: SSLContext) -> None:
        """Open nothing yet. `limit` is of connections at once, `keepalive_timeout` in seconds."""
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout, ssl=ssl)
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> Connection:
        """Return a connection that is new, or as silent as it was left. Nothing has been sent, so this is no retry."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if self._is_new(connection) or _is_silent(connection):
                return connection
            connection.close()

    def _is_new(self, connection: Connection) -> bool:
        """Return True for a connection that comes for the first time: it is taken as it is, so that looking ends."""
        protocol = connection.protocol
        if protocol is None or protocol in self._used:
            return False
        self._used.add(protocol)
        return True


def _is_silent(connection: Connection) -> bool:
    """Return True when neither bytes nor a close have come, nor wait in the system for the loop to see them."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return not poll.poll(0)
