"""The limit of a call as its adapter and its caller see it, on a loop that stalls when it is reached."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from pointsman.config.settings import ProviderSettings
from pointsman.domain.secret import Secret
from pointsman.domain.trail import Attempt, Outcome
from pointsman.executor.adapters.registry import make_adapter
from pointsman.executor.budget import Slice
from pointsman.executor.call import Caller
from pointsman.executor.estimate import Estimator
from pointsman.executor.outlet import Outlet
from pointsman.simulator.virtual_time import VirtualClock, VirtualTimeLoop, run_virtual
from tests.adapters.streams import chunk, data
from tests.fakes.clock import START
from tests.unit.executor.making import candidate, prices, request, usage

A = candidate("a/m")
LIMIT_S = 10.0
COUNTED = data(chunk({"content": "x"}, usage={"prompt_tokens": 20, "completion_tokens": 7}))
"""The first word of a stream, with what the provider has counted by then."""


class Halting(httpx.AsyncBaseTransport):
    """A provider that begins to answer and stops."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Begun())


class _Begun(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield COUNTED
        await asyncio.Event().wait()


def attempt_of(stall_s: float, *, is_streamed: bool) -> tuple[Attempt, str]:
    """Return what became of a call at whose limit the loop stalls, and what its reply says."""

    async def main(clock: VirtualClock) -> tuple[Attempt, str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.call_at(LIMIT_S - 0.001, loop.wait, stall_s)
        settings = ProviderSettings(wire="openai", base_url="http://provider.invalid", api_key_env="KEY")
        adapter = make_adapter(
            settings, api_key=Secret("key"), clock=clock, connections=1, connect_timeout_s=1.0, transport=Halting()
        )
        caller = Caller(adapters={"a": adapter}, prices=prices(A), estimator=Estimator(), clock=clock)
        outlet = Outlet(clock=clock, window_s=0.0) if is_streamed else None
        attempt, reply = await caller.call(A, request(), within=Slice(total_s=LIMIT_S), outlet=outlet)
        return attempt, reply.detail

    return run_virtual(main, start=START)


STALLS_S = pytest.mark.parametrize("stall_s", [0.0, 0.012, 0.5], ids=["awake", "longer than the grace", "for long"])


@STALLS_S
def test_a_stream_that_its_adapter_ends_keeps_what_the_provider_has_counted(stall_s: float) -> None:
    attempt, detail = attempt_of(stall_s, is_streamed=True)

    assert (attempt.outcome, detail) == (Outcome.TIMED_OUT, "The answer was not whole within 10.00 s.")
    assert attempt.usage == usage(20, 7)
    assert attempt.duration_s == pytest.approx(LIMIT_S + stall_s, abs=2e-3)


@STALLS_S
def test_a_whole_call_is_ended_by_its_adapter(stall_s: float) -> None:
    attempt, detail = attempt_of(stall_s, is_streamed=False)

    assert (attempt.outcome, detail) == (Outcome.TIMED_OUT, "No answer within 10.00 s.")
    assert attempt.duration_s == pytest.approx(LIMIT_S + stall_s, abs=2e-3)
