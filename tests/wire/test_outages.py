"""With part after part killed, requests are still answered and say what is missing. Real processes, real kills."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TypeAlias

import grpc
import pytest

from pointsman.v1 import router_pb2, router_pb2_grpc, types_pb2
from tests.bench.processes import Stack, running

Router: TypeAlias = "router_pb2_grpc.RouterServiceAsyncStub"
"""A type that only the stubs' type hints have."""

PROMPT = "What is the capital of Australia?"


@pytest.fixture
def processes() -> Iterator[Stack]:
    """Every service a process of its own, over simulated providers that answer at once; nobody waits for a lost one."""
    with running({"POINTSMAN__ROUTER__EXECUTOR_PATIENCE_S": "0"}) as stack:
        yield stack


@pytest.fixture
async def router(processes: Stack) -> AsyncIterator[Router]:
    """A stub of the Router, once all three services answer."""
    async with grpc.aio.insecure_channel(processes.router) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        while not await is_whole(stub):  # noqa: ASYNC110 - other processes are waited for
            await asyncio.sleep(0.05)  # noqa: TID251 - as said
        yield stub


async def is_whole(stub: Router) -> bool:
    """Return whether all three services answer. They start in any order, and the Router is there before the others."""
    try:
        first = await stub.Route(router_pb2.RouteRequest(text="Are you there?"), timeout=30, wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return not first.degraded


async def ask(router: Router, number: int) -> router_pb2.RouteResponse:
    """Ask something new, so that no cache answers."""
    return await router.Route(router_pb2.RouteRequest(text=f"{PROMPT} ({number})"), timeout=30)


@pytest.mark.timeout(120)
async def test_answers_survive_the_classifier_the_providers_and_both(processes: Stack, router: Router) -> None:
    whole = await ask(router, 1)
    processes.kill("classifier")
    without_classifier = await ask(router, 2)
    processes.kill("upstream")
    local_alone = await ask(router, 3)

    assert (whole.degraded, whole.verdict.decided_by) == (False, types_pb2.DECIDED_BY_EMBEDDED)
    assert without_classifier.verdict.decided_by == types_pb2.DECIDED_BY_DEFAULT
    assert without_classifier.verdict.category == "reasoning"
    assert [*without_classifier.degraded_reasons] == [types_pb2.DEGRADED_REASON_CLASSIFIER_DOWN]
    assert without_classifier.candidate == "anthropic/claude-opus"
    assert local_alone.local
    assert local_alone.candidate == "local/qwen2.5-14b"
    assert {*local_alone.degraded_reasons} == {
        types_pb2.DEGRADED_REASON_CLASSIFIER_DOWN,
        types_pb2.DEGRADED_REASON_LOCAL_FALLBACK,
    }
    assert all(answer.answer.text for answer in (whole, without_classifier, local_alone))


@pytest.mark.timeout(120)
async def test_all_providers_down_is_answered_by_the_local_model(processes: Stack, router: Router) -> None:
    processes.kill("upstream")

    answers = [await ask(router, number) for number in range(5)]

    assert all(answer.local for answer in answers)
    assert {tuple(answer.degraded_reasons) for answer in answers} == {(types_pb2.DEGRADED_REASON_LOCAL_FALLBACK,)}
    # Three failures open the breaker of a candidate: after that nobody is called in vain.
    assert len(answers[-1].trail.steps) == len(answers[0].trail.steps)
    assert not any(step.attempt.outcome == types_pb2.OUTCOME_NETWORK for step in answers[-1].trail.steps)


@pytest.mark.timeout(120)
async def test_everything_down_is_said_with_the_trail(processes: Stack, router: Router) -> None:
    processes.kill("upstream")
    processes.kill("ollama")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(router, 1)

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "the trail says why" in (caught.value.details() or "")


@pytest.mark.timeout(120)
async def test_a_dead_executor_is_said_at_once(processes: Stack, router: Router) -> None:
    processes.kill("executor")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(router, 1)

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
