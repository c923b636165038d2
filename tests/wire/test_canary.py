"""Keys that must never be seen, driven through all that a stack does; all that leaves it is searched for them."""

import asyncio
import io
import signal
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from pointsman.config.settings import TelemetrySettings
from pointsman.executor.adapters.openai import OpenAI
from pointsman.executor.service import ExecutorServicer
from pointsman.telemetry.setup import configure
from pointsman.v1 import executor_pb2, router_pb2
from pointsman.v1 import types_pb2 as pb
from tests.adapters.wires import BY_KIND
from tests.fakes.command import pointsman, pointsman_running
from tests.fakes.http_server import FakeHttpServer, Fate, ScriptedReply, json_reply
from tests.fakes.otlp import collecting
from tests.fakes.ports import free_port
from tests.fakes.streaming import CASES, playing, routed, settings_of

CANARY = "canary7f3a9c51e2"
"""Looks like no provider's key, so that no mask for looks can hide a leak."""

SPOKEN = {"error": {"message": f"key {CANARY} broke", "type": CANARY, "code": CANARY}}
ANSWER = ScriptedReply(headers={"content-type": "application/json"}, body=BY_KIND["openai"].answer)
REPLIES = (
    *(json_reply(SPOKEN, status=status) for status in (400, 401, 402, 403, 404, 413, 429, 500, 503, 529)),
    *(ScriptedReply(body=CANARY.encode(), fate=fate) for fate in (Fate.GARBAGE, Fate.RESET, Fate.TRUNCATE)),
)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(CANARY)
    return file


@contextmanager
def crashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have an adapter and a handler crash with all they hold in the words."""

    def read(self: OpenAI, *_: object) -> None:
        raise RuntimeError(f"broke with {vars(self)}")

    async def plan(self: ExecutorServicer, *_: object) -> None:
        raise RuntimeError(f"broke with {self!r} {self.engine!r} {self.engine.caller!r}")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAI, "read", read)
        patch.setattr(ExecutorServicer, "Plan", plan)
        yield


async def said(call: Awaitable[object]) -> str:
    """Return all that a call answers: the message, or the status with details and trailers."""
    try:
        return str(await call)
    except grpc.aio.AioRpcError as error:
        return f"{error} {error.details()} {error.trailing_metadata()}"


async def played(reply: ScriptedReply, key_file: Path, *, explain: bool = False) -> AsyncIterator[str]:
    """Yield what a stack of its own says to callers when its provider answers so."""
    provider = FakeHttpServer()
    provider.play(reply)
    async with playing(provider):
        settings = settings_of(CASES[0], provider.url)
        subject = replace(settings.providers["subject"], api_key_env="", api_key_file=str(key_file))
        settings = replace(settings, providers={"subject": subject})
        yield repr(settings)
        async with routed(settings) as services:
            options = pb.Options(category="quick")
            yield await said(services.router.Route(router_pb2.RouteRequest(text="2?", options=options), timeout=5))
            if explain:
                yield await said(services.router.Explain(router_pb2.ExplainRequest(text="2?"), timeout=5))
            yield str(await services.executor.Report(executor_pb2.ReportRequest(), timeout=5))
            yield str(await services.executor.ListCandidates(executor_pb2.ListCandidatesRequest(), timeout=5))
    assert provider.requests[0].headers["authorization"] == f"Bearer {CANARY}"


async def test_no_key_is_in_anything_that_a_stack_emits(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, told = io.BytesIO(), list[str]()
    async with collecting() as collector:
        telemetry = TelemetrySettings(otlp_endpoint=collector.endpoint, log_level="debug", content_bytes=65_536)
        with configure(telemetry, service="canary", sink=sink):
            for reply in (ANSWER, *REPLIES):
                told += [text async for text in played(reply, key_file)]
            with crashing(monkeypatch):
                told += [text async for text in played(ANSWER, key_file, explain=True)]
            await collector.wait_for(3 * len(REPLIES))
    log, spans = sink.getvalue().decode(), str(collector.spans)

    assert [text for text in (*told, log, spans) if CANARY in text] == []
    assert log.count("RuntimeError: broke with") == 2
    assert "subject/m" in spans


def served(key_file: Path, folder: Path, provider: str) -> dict[str, str]:
    """Return the environment of a process that serves with the canary as its key, and writes all it can."""
    return {
        "OPENAI_API_KEY": CANARY,
        "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__FALLBACK__CANDIDATE": "",
        "POINTSMAN__CLASSIFIER__MODE": "embedded",
        "POINTSMAN__PROVIDERS__OPENAI__BASE_URL": provider,
        "POINTSMAN__PROVIDERS__GEMINI__API_KEY_ENV": '""',
        "POINTSMAN__PROVIDERS__GEMINI__API_KEY_FILE": str(key_file),
        "POINTSMAN__PROVIDERS__GEMINI__BASE_URL": provider,
        "POINTSMAN__JOURNAL__URL": f"sqlite:///{folder}/journal.sqlite",
        "POINTSMAN__JOURNAL__CONTENT_CHARACTERS": "1000",
        "POINTSMAN__TELEMETRY__LOG_LEVEL": "debug",
        "POINTSMAN__TELEMETRY__METRICS__UP": f"127.0.0.1:{free_port()}",
    }


async def page(environment: dict[str, str]) -> str:
    """Return the page of metrics."""
    url = f"http://{environment['POINTSMAN__TELEMETRY__METRICS__UP']}/metrics"

    def read() -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    return await asyncio.to_thread(read)


@pytest.mark.one_way
@pytest.mark.timeout(120)
async def test_no_key_is_in_what_a_process_leaves_behind_that_crashes(key_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "left"
    folder.mkdir()
    provider = FakeHttpServer()
    for reply in (json_reply(SPOKEN, status=401), json_reply(SPOKEN, status=429)):
        provider.play(reply)
    async with playing(provider):
        environment = served(key_file, folder, provider.url)
        async with pointsman_running("up", "--json", environment=environment) as process:
            addresses = (await process.json_line())["addresses"]
            at = ("--address", addresses["executor"])
            route = ("route", "2+2?", "--address", addresses["router"])
            html = ("report", "--html", str(folder / "report.html"))
            told = list(await asyncio.gather(pointsman(*route), pointsman(*route)))
            told += await asyncio.gather(
                *(pointsman(*words, *at) for words in (("pools",), ("pools", "--json"), ("report", "--json"), html))
            )
            async with pointsman_running("top", "--json", "--interval", "0.1", *at) as top:
                said = [await top.line(), await page(environment)]
            process.tell(signal.SIGSEGV)
            crashed = await process.end()
    sent = [str(request.headers) for request in provider.requests]
    left = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert any(CANARY in headers for headers in sent)  # else nothing was at stake
    assert crashed.code == -signal.SIGSEGV
    assert {"journal.sqlite", "report.html"} <= left.keys()
    assert "pointsman_requests" in said[1]
    texts = [*said, crashed.out, crashed.err, *(each.out + each.err for each in told)]
    assert [text for text in texts if CANARY in text] == []
    assert [name for name, content in left.items() if CANARY.encode() in content] == []


@pytest.mark.one_way
@pytest.mark.parametrize(
    "arguments", [("doctor",), ("doctor", "--json"), ("check-config",), ("pools",), ("report",)], ids=" ".join
)
async def test_no_key_is_in_what_a_command_prints(arguments: tuple[str, ...], key_file: Path) -> None:
    environment = {
        "OPENAI_API_KEY": CANARY,
        "POINTSMAN__PROVIDERS__GEMINI__API_KEY_ENV": '""',
        "POINTSMAN__PROVIDERS__GEMINI__API_KEY_FILE": str(key_file),
        "POINTSMAN__TELEMETRY__LOG_LEVEL": "debug",
    }

    finished = await pointsman(*arguments, environment=environment)

    assert finished.out + finished.err
    assert CANARY not in finished.out + finished.err


@pytest.mark.one_way
async def test_a_key_that_no_header_can_carry_stops_a_start_without_being_shown() -> None:
    finished = await pointsman("serve", "executor", environment={"OPENAI_API_KEY": f"{CANARY} {CANARY}"})

    assert finished.code != 0
    assert "OPENAI_API_KEY" in finished.err
    assert CANARY not in finished.out + finished.err
