"""Limits of time, and what talking to a provider may raise, as replies."""

import aiohttp
import httpx
import pytest

from pointsman.domain.clock import Clock
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.connection import OutOfTime, failed, until
from pointsman.simulator.virtual_time import run_virtual
from tests.fakes.clock import START

SLOW = "The connection did not open or move in time."
BROKEN = "The connection broke."


def test_a_limit_that_is_reached_says_which_it_was() -> None:
    async def main(clock: Clock) -> None:
        async with until(1.0, "No answer."):
            await clock.sleep(2.0)

    with pytest.raises(OutOfTime, match=r"^No answer\.$"):
        run_virtual(main, start=START)


def test_a_time_limit_of_others_is_not_taken_for_ours() -> None:
    async def main(_: Clock) -> None:
        async with until(1.0, "No answer."):
            raise aiohttp.ConnectionTimeoutError

    with pytest.raises(aiohttp.ConnectionTimeoutError):
        run_virtual(main, start=START)


@pytest.mark.parametrize(
    "error, outcome, detail",
    [
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
