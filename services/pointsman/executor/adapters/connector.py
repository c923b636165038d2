"""Connections that are kept for the next request, as long as nothing was heard on them meanwhile."""

import select
from ssl import SSLContext
from weakref import WeakKeyDictionary

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
        self._looks: WeakKeyDictionary[ResponseHandler, select.poll] = WeakKeyDictionary()
        """What asks the system whether something came on a connection: made once for each, since each is kept."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> Connection:
        """Return a connection that is new, or as silent as it was left. Nothing has been sent, so this is no retry."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if self._is_new_or_silent(connection):
                return connection
            connection.close()

    def _is_new_or_silent(self, connection: Connection) -> bool:
        """Return True for a connection that comes for the first time, and where neither bytes nor a close have come.

        A new one is taken as it is, so that looking ends. Bytes may wait in the system for the loop to see them.
        """
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            return False
        look = self._looks.get(protocol)
        if look is None:
            look = self._looks[protocol] = select.poll()
            look.register(transport.get_extra_info("socket"), select.POLLIN)
            return True
        return not (protocol.should_close or look.poll(0))
