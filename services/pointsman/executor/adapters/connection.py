"""What goes wrong between us and a provider, and the Reply that each of it is."""

from typing import Final

import aiohttp
import httpx
from aiohttp.http_exceptions import ContentEncodingError

from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Reply
from pointsman.executor.time_limit import TimeIsUp

BODY_BYTES: Final = 32 * 1024 * 1024
"""The largest body that is read; a longer one is no answer."""


class TooLarge(Exception):
    """The body is over the bound."""


FAILURES: Final = (TooLarge, TimeIsUp, httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)
"""All that talking to a provider may raise, beside being cancelled."""


def failed(error: Exception) -> Reply:
    """Return the reply of a call that ended in one of FAILURES."""
    match error:
        case TooLarge():
            detail = f"The provider answered with more than {BODY_BYTES // 1024**2} MiB."
            return Reply(outcome=Outcome.SERVER_ERROR, detail=detail)
        case TimeIsUp():
            return Reply(outcome=Outcome.TIMED_OUT, detail=str(error))
        case httpx.DecodingError() | aiohttp.ClientPayloadError(__cause__=ContentEncodingError()):
            return Reply(outcome=Outcome.SERVER_ERROR, detail="The answer of the provider cannot be decompressed.")
        case TimeoutError() | httpx.TimeoutException():
            return Reply(outcome=Outcome.TIMED_OUT, detail="The connection did not open or move in time.")
        case httpx.ConnectError() | aiohttp.ClientConnectorError():
            return Reply(outcome=Outcome.NETWORK, detail="The provider cannot be reached.")
        case aiohttp.ClientResponseError():
            return Reply(outcome=Outcome.NETWORK, detail="The provider does not speak HTTP.")
        case _:
            return Reply(outcome=Outcome.NETWORK, detail="The connection broke.")
