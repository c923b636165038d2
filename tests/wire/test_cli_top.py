"""`pointsman top` as a process of its own, against a real stack."""

import asyncio
import fcntl
import os
import re
import signal
import struct
import sys
import termios
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest

from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman_client import Client
from tests.fakes.command import LIMIT_S, Running, pointsman, pointsman_running
from tests.fakes.hops import running
from tests.fakes.ports import free_port

QUICKLY = ("--interval", "0.1")


async def until(top: Running, state: str, requests: int = 0) -> Any:  # noqa: ANN401 - whatever the command printed
    """Return the first object with this state that knows of so many requests."""
    while True:
        told = await top.json_line()
        if told["state"] == state and int(told["activity"]["since_start"]["requests"]) >= requests:
            return told


def rest_of(terminal: int) -> bytes:
    """Return what comes until nobody holds the other end any more."""
    came = b""
    with suppress(OSError):  # EIO is how Linux says so
        while piece := os.read(terminal, 65_536):
            came += piece
    return came


async def test_scripts_get_one_object_a_look(stack: Stack, settings: Settings) -> None:
    address = stack.executor.address
    async with pointsman_running("top", "--json", *QUICKLY, "--address", address) as top:
        first = await top.json_line()
        async with Client(stack.router.address) as client:
            await client.route("hi", category="quick")
        later = await until(top, "running", requests=1)

    assert (first["executor"], first["state"], first["detail"]) == (address, "running", "")
    assert first["activity"]["since_start"]["requests"] == "0"
    assert [each["candidate"] for each in first["candidates"]] == list(settings.candidates)
    assert [each["candidate"] for each in later["candidates"]] == list(settings.candidates)
    assert later["activity"]["last_minute"]["attempts"] == "1"
    assert first["today"]["requests"] == "0"


async def test_a_pipe_gets_a_line_a_look_and_each_candidate_once(stack: Stack, settings: Settings) -> None:
    async with pointsman_running("top", *QUICKLY, "--address", stack.executor.address) as top:
        lines = [await top.line() for _ in range(len(settings.candidates) + 3)]

    activity = [line for line in lines if "\trequests: 0.0/s now;" in line]
    candidates = [line.split("\t")[1] for line in lines if line not in activity]
    assert len(activity) == 3
    assert candidates == list(settings.candidates)


async def test_an_executor_that_goes_away_is_said_so_and_found_again(settings: Settings) -> None:
    clock, address = SystemClock(), f"127.0.0.1:{free_port()}"
    settled = replace(settings, executor=replace(settings.executor, address=address))
    async with AsyncExitStack() as until_the_end:
        async with running(settled, clock=clock):
            command = ("top", "--json", *QUICKLY, "--address", address)
            top = await until_the_end.enter_async_context(pointsman_running(*command))
            before = await until(top, "running")
        away = await until(top, "away")
        async with running(settled, clock=clock):
            back = await until(top, "running")

    assert address in away["detail"]
    assert "away since" in away["detail"]
    assert back["activity"]["start_time"] > before["activity"]["start_time"]


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["lines", "json"])
async def test_ctrl_c_is_the_way_to_end_it(form: tuple[str, ...], stack: Stack) -> None:
    async with pointsman_running("top", *form, "--address", stack.executor.address) as top:
        await top.line()
        top.tell(signal.SIGINT)
        finished = await top.end()

    assert (finished.code, finished.err) == (0, "")


async def test_without_a_stack_it_says_how_to_start_one() -> None:
    finished = await pointsman("top", "--address", "127.0.0.1:1")

    assert finished.code == 1
    assert "no Executor answers at 127.0.0.1:1; start a stack with" in finished.err
    assert "Traceback" not in finished.err


async def test_the_address_of_another_service_is_noticed(stack: Stack) -> None:
    finished = await pointsman("top", "--address", stack.router.address)

    assert finished.code == 1
    assert f"what listens at {stack.router.address} is no Executor" in finished.err


@pytest.mark.parametrize("interval", ["0.09", "61", "soon"])
async def test_an_interval_that_cannot_be_is_bad_usage(interval: str) -> None:
    finished = await pointsman("top", "--interval", interval)

    assert finished.code == 2
    assert "--interval" in finished.err


async def test_it_ends_when_nobody_reads_any_more(stack: Stack) -> None:
    reading, writing = os.pipe()
    command = (sys.executable, "-m", "pointsman", "top", "--json", "--address", stack.executor.address)
    top = await asyncio.create_subprocess_exec(*command, env={}, stdout=writing, stderr=asyncio.subprocess.PIPE)
    os.close(writing)
    await asyncio.to_thread(os.read, reading, 10)

    os.close(reading)
    async with asyncio.timeout(LIMIT_S):
        _, err = await top.communicate()

    assert (top.returncode, err) == (1, b"")


@pytest.mark.parametrize("columns", [40, 80, 120])
async def test_on_a_terminal_it_is_drawn_in_place_and_no_wider(columns: int, stack: Stack) -> None:
    terminal, its_end = os.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = (sys.executable, "-m", "pointsman", "top", *QUICKLY, "--address", stack.executor.address)
    top = await asyncio.create_subprocess_exec(
        *command, env={"TERM": "xterm-256color"}, stdin=its_end, stdout=its_end, stderr=its_end
    )
    os.close(its_end)
    shown = b""
    async with asyncio.timeout(LIMIT_S):
        while shown.count(b"Ctrl-C ends") < 3:
            shown += await asyncio.to_thread(os.read, terminal, 65_536)
        top.send_signal(signal.SIGINT)
        shown += await asyncio.to_thread(rest_of, terminal)
        code = await top.wait()
    os.close(terminal)

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert code == 0
    assert b"\x1b[1A" in shown  # went up again to draw over it
    assert shown.endswith(b"\x1b[?25h")  # the cursor is back
    assert max(map(len, re.split(r"[\r\n]+", text))) <= columns
    assert "anthropic/claude-opus" in text
