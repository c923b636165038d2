"""What goes wrong between us and a provider, and the Reply that each of it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import httpx

from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Reply

BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest body that is read; a longer one is no answer."""


class TooLarge(Exception):
    """The body is over the bound."""


class OutOfTime(Exception):
    """A limit of time is reached; the message says which, for people."""


FAILURES: Final = (TooLarge, OutOfTime, httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)
"""All that talking to a provider may raise, beside being cancelled."""


@asynccontextmanager
async def until(at: float, detail: str) -> AsyncIterator[None]:
    """Bound what is done inside by an instant of the loop's clock. Raises OutOfTime with `detail`."""
    try:
        async with asyncio.timeout_at(at):
            yield
    except TimeoutError as error:
        raise OutOfTime(detail) from error


def failed(error: Exception) -> Reply:
    """Return the reply of a call that ended in one of FAILURES."""
    match error:
        case TooLarge():
            detail = f"The provider answered with more than {BODY_BYTES // 1024**2} MiB."
            return Reply(outcome=Outcome.SERVER_ERROR, detail=detail)
        case OutOfTime():
            return Reply(outcome=Outcome.TIMED_OUT, detail=str(error))
        case httpx.DecodingError():
            return Reply(outcome=Outcome.SERVER_ERROR, detail="The answer of the provider cannot be decompressed.")
        case _:
            return _broken(error)


def _broken(error: Exception) -> Reply:
    """Return the reply for a connection that failed: TIMED_OUT or NETWORK.

    httpx-aiohttp 0.2 calls every broken connection a ConnectTimeout, so the cause decides: aiohttp's time limits are
    TimeoutErrors, its disconnections are not.
    """
    cause = error.__cause__ if error.__cause__ is not None else error
    if isinstance(cause, TimeoutError) or isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
        return Reply(outcome=Outcome.TIMED_OUT, detail="The connection did not open or move in time.")
    if isinstance(error, httpx.ConnectError) or isinstance(cause, aiohttp.ClientConnectorError):
        return Reply(outcome=Outcome.NETWORK, detail="The provider cannot be reached.")
    if isinstance(cause, aiohttp.ClientResponseError):
        return Reply(outcome=Outcome.NETWORK, detail="The provider does not speak HTTP.")
    return Reply(outcome=Outcome.NETWORK, detail="The connection broke.")
