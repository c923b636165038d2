"""`serve --workers`: several processes behind one port, as the kernel shares it and a supervisor keeps them."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import httpx
import psutil
import pytest

from pointsman.domain.clock import SystemClock
from pointsman.v1 import executor_pb2 as executor_pb
from pointsman.v1 import types_pb2 as pb
from pointsman_client import Client
from tests.fakes.command import Running, pointsman, pointsman_running
from tests.fakes.ports import free_ports
from tests.fakes.serving import Context, FakeExecutor, plain, serving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux spreads the connections")

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
ENVIRONMENT = {"POINTSMAN_CONFIG": str(REFERENCE), "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0"}
MOST_CONNECTIONS: Final = 64
"""Each falls to either of two workers by chance: that all fall to one happens once in 10^19 runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A Router of two workers."""

    running: Running
    address: str
    metrics: tuple[str, str]

    def workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.running.pid).children()}


@asynccontextmanager
async def two_workers(environment: dict[str, str] | None = None) -> AsyncIterator[Serving]:
    arguments = ("serve", "router", "--workers", "2", "--json")
    first, second = free_ports(2)
    metrics = (f"127.0.0.1:{first}", f"127.0.0.1:{second}")
    shown = {"POINTSMAN__TELEMETRY__METRICS__ROUTER": metrics[0]}
    async with pointsman_running(*arguments, environment=ENVIRONMENT | shown | (environment or {})) as running:
        told = await running.json_line()
        assert told["workers"] == 2
        yield Serving(running=running, address=told["addresses"]["router"], metrics=metrics)


async def test_both_workers_get_calls_and_each_counts_its_own() -> None:
    async with two_workers() as router, AsyncExitStack() as connections:
        reached = [False, False]
        for _ in range(MOST_CONNECTIONS):
            await _ask(await connections.enter_async_context(_connection(router.address)))
            reached = [await _has_calls(page) for page in router.metrics]
            if all(reached):
                break

        assert reached == [True, True]


async def test_a_worker_that_is_killed_is_started_anew_and_the_log_says_so() -> None:
    async with two_workers() as router:
        gone, stays = sorted(router.workers())
        os.kill(gone, signal.SIGKILL)
        async with asyncio.timeout(40):
            while len(router.workers() - {gone}) < 2:
                await _ask_anew(router.address)  # the other one serves on
            while not all([await _has_calls(page) for page in router.metrics]):
                await _ask_anew(router.address)
        router.running.tell(signal.SIGTERM)
        finished = await router.running.end()

    lines = [json.loads(line) for line in finished.err.splitlines() if line.startswith("{")]
    ended = next(line for line in lines if line["event"] == "worker.ended")
    started = next(line for line in lines if line["event"] == "worker.started")
    assert (ended["exit_code"], ended["restart_in_s"]) == (-signal.SIGKILL, 0.5)
    assert started["worker"] == ended["worker"]
    assert started["pid"] not in {gone, stays}
    assert finished.code == 0


async def test_a_hang_up_has_all_workers_read_the_settings_again() -> None:
    async with two_workers() as router:
        before = [await _reloads(page) for page in router.metrics]
        router.running.tell(signal.SIGHUP)
        async with asyncio.timeout(20):
            while [await _reloads(page) for page in router.metrics] != [1, 1]:
                await SystemClock().sleep(0.05)
        router.running.tell(signal.SIGTERM)
        finished = await router.running.end()

    assert before == [0, 0]
    assert finished.code == 0


async def test_a_hang_up_while_workers_start_ends_nobody() -> None:
    arguments = ("serve", "router", "--workers", "2", "--json")
    async with pointsman_running(*arguments, environment=ENVIRONMENT) as running:
        supervisor = psutil.Process(running.pid)
        async with asyncio.timeout(20):
            while len(supervisor.children()) < 2:
                await SystemClock().sleep(0.01)
        running.tell(signal.SIGHUP)
        told = await running.json_line()
        running.tell(signal.SIGTERM)
        finished = await running.end()

    assert told["workers"] == 2
    assert "worker.ended" not in finished.err
    assert finished.code == 0


@pytest.mark.parametrize("after", [(), (signal.SIGHUP,)], ids=["", "and_a_hang_up"])
async def test_a_call_under_way_is_answered_after_the_signal_and_all_end(after: tuple[signal.Signals, ...]) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def execute(_request: executor_pb.ExecuteRequest, _context: Context) -> executor_pb.ExecuteResponse:
        asked.set()
        await may_answer.wait()
        return executor_pb.ExecuteResponse(
            answer=pb.Answer(text="4", finish_reason=pb.FINISH_REASON_STOP), candidate="openai/gpt-4", model="gpt-4"
        )

    async with (
        serving(FakeExecutor(execute)) as executor,
        two_workers({"POINTSMAN__ROUTER__EXECUTOR_ADDRESS": executor.address}) as router,
        Client(router.address) as client,
    ):
        workers = router.workers()
        asking = asyncio.ensure_future(client.route("2+2", category="quick"))
        await asked.wait()
        router.running.tell(signal.SIGTERM)
        while router.workers() == workers:  # the idle one ends first
            await asyncio.wait({asking}, timeout=0.05)
        for sign in after:
            router.running.tell(sign)
        await asyncio.wait({asking}, timeout=0.2)
        may_answer.set()
        answer = await asking
        finished = await router.running.end()

    assert answer.text == "4"
    assert finished.code == 0
    assert not [pid for pid in workers if psutil.pid_exists(pid)]


async def test_workers_end_when_who_started_them_is_gone() -> None:
    async with two_workers() as router:
        workers = [psutil.Process(pid) for pid in router.workers()]
        router.running.tell(signal.SIGKILL)
        await router.running.end()
        async with asyncio.timeout(20):
            while any(worker.is_running() for worker in workers):
                await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(psutil.wait_procs, workers, 1))])


async def test_a_worker_that_cannot_serve_ends_the_start() -> None:
    nowhere = {f"POINTSMAN__TLS__{name}": "/nowhere.pem" for name in ("CERTIFICATE", "KEY", "AUTHORITY")}
    finished = await pointsman("serve", "router", "--workers", "2", "--json", environment=ENVIRONMENT | nowhere)

    assert finished.code != 0
    assert "before it served" in finished.err
    assert "/nowhere.pem" in finished.err
    assert "Traceback" not in finished.err


@asynccontextmanager
async def _connection(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel that shares its connection with no other one."""
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
    async with grpc.aio.insecure_channel(address, options) as channel:
        yield channel


async def _ask(channel: grpc.aio.Channel) -> None:
    """Make a call that any worker answers by itself, and counts: one that says nothing, and is refused."""
    explain: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/pointsman.v1.RouterService/Explain", request_serializer=plain, response_deserializer=plain
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await explain(b"", timeout=20, wait_for_ready=True)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def _ask_anew(address: str) -> None:
    async with _connection(address) as channel:
        await _ask(channel)


async def _has_calls(page: str) -> bool:
    """Tell whether who shows its metrics there has answered a call."""
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            shown = (await http.get(f"http://{page}/metrics")).text
    except httpx.ConnectError:  # it is being started
        return False
    return re.search(r"^rpc_server_call_duration_seconds_count\{.*\} [1-9]", shown, re.MULTILINE) is not None


async def _reloads(page: str) -> float:
    """Return how often who shows its metrics there was asked to read the settings again, and found nothing new."""
    async with httpx.AsyncClient(trust_env=False) as http:
        shown = (await http.get(f"http://{page}/metrics")).text
    found = re.search(r'^pointsman_settings_reloads_total\{outcome="unchanged"\} (\S+)', shown, re.MULTILINE)
    return float(found[1]) if found else 0.0
