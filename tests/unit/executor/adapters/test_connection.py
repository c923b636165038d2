"""What talking to a provider may raise, as replies."""

import aiohttp
import httpx
import pytest

from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.connection import failed
from pointsman.executor.time_limit import TimeIsUp

SLOW = "The connection did not open or move in time."
BROKEN = "The connection broke."


@pytest.mark.parametrize(
    "error, outcome, detail",
    [
        pytest.param(
            TimeIsUp("No answer within", 5.0), Outcome.TIMED_OUT, "No answer within 5.00 s.", id="our own limit"
        ),
        pytest.param(aiohttp.ConnectionTimeoutError(), Outcome.TIMED_OUT, SLOW, id="opening"),
        pytest.param(aiohttp.SocketTimeoutError(), Outcome.TIMED_OUT, SLOW, id="moving"),
        pytest.param(httpx.ReadTimeout("x"), Outcome.TIMED_OUT, SLOW, id="moving in this process"),
        pytest.param(httpx.ConnectError("x"), Outcome.NETWORK, "The provider cannot be reached.", id="nobody here"),
        pytest.param(aiohttp.ServerDisconnectedError(), Outcome.NETWORK, BROKEN, id="disconnected"),
        pytest.param(aiohttp.ClientPayloadError(), Outcome.NETWORK, BROKEN, id="cut"),
        pytest.param(aiohttp.ClientOSError(110, "timed out"), Outcome.NETWORK, BROKEN, id="the system gave up"),
        pytest.param(httpx.ReadError("x"), Outcome.NETWORK, BROKEN, id="broken in this process"),
        pytest.param(aiohttp.InvalidURL("x"), Outcome.NETWORK, BROKEN, id="no address"),
    ],
)
def test_what_goes_wrong_has_its_outcome(error: Exception, outcome: Outcome, detail: str) -> None:
    reply = failed(error)

    assert (reply.outcome, reply.detail) == (outcome, detail)
