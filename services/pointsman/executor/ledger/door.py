"""The door to Redis: the one place that knows its client, used for no more than URLs, handshake and parser."""

from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from pointsman.domain.errors import SettingsError
from pointsman.executor.ledger.link import LinkDown, Refused, Wire


class RedisWire:
    """A connection of the client."""

    def __init__(self, connection: AbstractConnection) -> None:
        """Take over a connection that is open."""
        self._connection = connection

    async def send(self, command: bytes) -> None:
        """Send what is packed."""
        try:
            await self._connection.send_packed_command(command, check_health=False)
        except (RedisError, OSError) as error:
            raise LinkDown(str(error)) from error

    async def receive(self) -> bytes:
        """Return the next answer."""
        try:
            answer: bytes = await self._connection.read_response(disable_decoding=True)
        except NoScriptError as error:
            raise Refused("NOSCRIPT") from error
        except ResponseError as error:
            raise Refused(str(error)) from error
        except (RedisError, OSError) as error:
            raise LinkDown(str(error)) from error
        return answer

    async def close(self) -> None:
        """Close without waiting for the other side."""
        await self._connection.disconnect(nowait=True)


def door(url: str) -> Callable[[], Awaitable[Wire]]:
    """Return what connects to a Redis. Raises SettingsError for a URL that names none."""
    try:
        pool = ConnectionPool.from_url(
            url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0), driver_info=None, client_name="pointsman"
        )
    except ValueError as error:
        raise SettingsError(f"ledger.url: {error}", path="ledger.url") from error

    async def connect() -> Wire:
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # as redis 8.1 has it
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # as above
        except (RedisError, OSError) as error:
            raise LinkDown(str(error)) from error
        return RedisWire(connection)

    return connect
