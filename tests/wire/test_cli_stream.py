"""`pointsman route --stream`, as a process of its own, against a real stack and providers that break off."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pointsman.cli.stack import Stack
from tests.fakes.command import Finished, pointsman, pointsman_running
from tests.fakes.http_server import FakeHttpServer, Fate, ScriptedReply
from tests.fakes.patience import within
from tests.fakes.streaming import CASES, EXECUTOR, Routed, playing, routed, settings_of

OPENAI = CASES[0]
PATIENT = replace(EXECUTOR, first_token_timeout_s=30.0, idle_timeout_s=30.0, stream_timeout_s=60.0)
"""Limits that no test runs into: what ends a stream here is somebody's doing."""


@asynccontextmanager
async def provider(reply: ScriptedReply) -> AsyncIterator[tuple[FakeHttpServer, Routed]]:
    """Yield a provider that plays the reply, and a Router before it."""
    server = FakeHttpServer()
    server.play(reply)
    async with playing(server), routed(settings_of(OPENAI, server.url, executor=PATIENT)) as on:
        yield server, on


def command(address: str, *more: str) -> tuple[str, ...]:
    return ("route", "2+2는?", "--stream", "--category", "quick", "--address", address, *more)


def messages(finished: Finished) -> list[Any]:
    return [json.loads(line) for line in finished.out.splitlines()]


async def test_a_streamed_answer_is_the_same_text_and_says_apart_how_it_came_about(stack: Stack) -> None:
    finished = await pointsman(*command(stack.router.address))

    assert finished.code == 0
    assert finished.out.startswith("[simulated gemini-3.8-flash] “2+2는?”")
    assert finished.out.endswith(".\n")
    for part in (
        "quick 1.00",
        "(gemini-3.8-flash)",
        "1 attempt",
        "first text after ",
        "all after ",
        "$",
        "[simulated]",
    ):
        assert part in finished.err


async def test_text_is_printed_as_it_comes() -> None:
    async with provider(OPENAI.reply(OPENAI.begun, fate=Fate.STALL)) as (server, on):
        reading, writing = os.pipe()
        told = (sys.executable, "-m", "pointsman", *command(on.router_address))
        asking = await asyncio.create_subprocess_exec(*told, env={}, stdout=writing, stderr=asyncio.subprocess.PIPE)
        os.close(writing)
        first = await asyncio.to_thread(os.read, reading, 10)
        is_under_way = not server.left.is_set()
        os.close(reading)
        await asking.communicate()

    assert (first, is_under_way) == (b"9", True)


async def test_a_stream_for_scripts_is_one_message_a_line(stack: Stack) -> None:
    finished = await pointsman(*command(stack.router.address, "--json"))

    kinds = [next(iter(message)) for message in messages(finished)]
    assert (finished.code, finished.err) == (0, "")
    assert kinds[0] == "start"
    assert set(kinds[1:-1]) == {"delta"}
    assert messages(finished)[-1]["end"]["partial"] is False


async def test_an_answer_that_breaks_off_is_told_from_a_whole_one() -> None:
    async with provider(OPENAI.reply(OPENAI.begun, fate=Fate.TRUNCATE)) as (_, on):
        finished = await pointsman(*command(on.router_address))

    assert (finished.code, finished.out) == (1, "9\n")
    summary, *said = finished.err.splitlines()
    assert "subject/m" in summary
    assert said == [
        "pointsman: the stream broke: The connection broke (subject/m, network)",
        "what came is above, and is not all of the answer",
    ]


async def test_an_answer_that_breaks_off_ends_with_its_end_for_scripts_too() -> None:
    async with provider(OPENAI.reply(OPENAI.begun, fate=Fate.TRUNCATE)) as (_, on):
        finished = await pointsman(*command(on.router_address, "--json"))

    assert finished.code == 1
    assert messages(finished)[-1]["end"]["finish_reason"] == "FINISH_REASON_INTERRUPTED"
    assert messages(finished)[-1]["end"]["partial"] is True


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
async def test_what_fails_before_the_start_is_told_as_of_a_whole_answer(form: tuple[str, ...], stack: Stack) -> None:
    asked = ("route", " ", "--address", stack.router.address, *form)

    streamed = await pointsman(*asked, "--stream")
    whole = await pointsman(*asked)

    assert (streamed.code, streamed.err) == (whole.code, whole.err)
    assert bool(streamed.out) is bool(form)


STOPPED = "pointsman: stopped; the request was cancelled, and the provider's work with it\n"


async def test_ctrl_c_before_the_first_text_leaves_at_once_and_says_so_in_one_line() -> None:
    async with (
        provider(OPENAI.reply(b"", fate=Fate.SILENCE)) as (server, on),
        pointsman_running(*command(on.router_address)) as asking,
    ):
        await asyncio.wait_for(server.asked.wait(), 20)
        asking.tell(signal.SIGINT)
        async with within(1, asking.pid):
            await server.left.wait()
        finished = await asking.end()

    assert (finished.code, finished.out, finished.err) == (130, "", STOPPED)


async def test_ctrl_c_in_the_middle_leaves_at_once_and_says_so_in_one_line() -> None:
    async with (
        provider(OPENAI.reply(OPENAI.begun, fate=Fate.STALL)) as (server, on),
        pointsman_running(*command(on.router_address, "--json")) as asking,
    ):
        kinds = [next(iter(await asking.json_line())) for _ in range(2)]
        asking.tell(signal.SIGINT)
        async with within(1, asking.pid):
            await server.left.wait()
        finished = await asking.end()

    assert kinds == ["start", "delta"]
    assert (finished.code, finished.out, finished.err) == (130, "", STOPPED)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
async def test_a_stream_that_nobody_reads_any_more_ends_without_a_word(form: tuple[str, ...]) -> None:
    async with provider(OPENAI.reply(OPENAI.begun, fate=Fate.STALL)) as (server, on):
        reading, writing = os.pipe()
        told = (sys.executable, "-m", "pointsman", *command(on.router_address, *form))
        asking = await asyncio.create_subprocess_exec(*told, env={}, stdout=writing, stderr=asyncio.subprocess.PIPE)
        os.close(writing)
        await asyncio.to_thread(os.read, reading, 10)
        os.close(reading)
        _, err = await asking.communicate()
        async with within(1, asking.pid):
            await server.left.wait()

    assert (asking.returncode, err) == (1, b"")
