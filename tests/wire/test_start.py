"""What a start imports and what it holds: budgets of modules and of memory, none of time.

Times are printed by `make bench ARGS="--only start"`; a module that creeps back in is what makes them grow.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.fakes.command import pointsman_running

REFERENCE = Path(__file__).parents[2] / "deploy/pointsman.toml"
ANY_PORTS = {
    "POINTSMAN_CONFIG": str(REFERENCE),
    "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__PROVIDERS__LOCAL__BASE_URL": "http://127.0.0.1:1",
}
MIB: Final = 1024 * 1024

NEVER: Final = ("opentelemetry.sdk", "opentelemetry.exporter", "psutil", "http.server", "redis", "psycopg")
"""What reference settings ask for in no service: a collector, a page of metrics, other databases."""

FORBIDDEN: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("--help",): (
        *NEVER, "aiohttp", "asyncio", "email", "google", "grpc", "httpx", "importlib.metadata", "ollama",
        "opentelemetry", "pointsman.config", "pointsman.domain.trail", "pydantic", "rich", "sqlite3", "ssl",
        "structlog",
    ),
    ("serve", "router"): (
        *NEVER, "aiohttp", "httpx", "ollama", "pointsman.classifier", "pointsman.executor", "pointsman.simulator",
        "sqlite3",
    ),
    ("serve", "classifier"): (
        *NEVER, "aiohttp", "pointsman.executor", "pointsman.router", "pointsman.simulator", "sqlite3",
    ),
    ("serve", "executor"): (*NEVER, "pointsman.classifier", "pointsman.router", "pointsman.simulator"),
    ("up",): (*NEVER, "pointsman.simulator"),
}  # fmt: skip


@pytest.mark.parametrize("command", FORBIDDEN, ids=" ".join)
async def test_a_start_imports_nothing_that_its_settings_do_not_ask_for(command: tuple[str, ...]) -> None:
    imported = await _imported(*command)

    assert "pointsman.cli.commands" in imported
    assert not {
        module for module in imported for name in FORBIDDEN[command] if module == name or module.startswith(f"{name}.")
    }


async def test_help_imports_few_modules() -> None:
    imported = await _imported("--help")

    assert len(imported) < 250  # 190 in 2026-11, most of them typer's and the interpreter's own


async def test_the_stack_in_one_process_is_within_150_mib() -> None:
    async with _serving("up") as process:
        assert process.memory_info().rss < 150 * MIB


async def test_three_processes_hold_little_more_than_one_where_shared_pages_count_once() -> None:
    async with AsyncExitStack() as stack:
        rooms = ("executor", "classifier", "router")
        processes = [await stack.enter_async_context(_serving("serve", room)) for room in rooms]
        held = [process.memory_info() for process in processes]

        own, shared = sum(each.rss - each.shared for each in held), max(each.shared for each in held)
        assert own + shared < 175 * MIB  # 155 in 2026-11, and 140 where the kernel divides shared pages (PSS)


async def _imported(*command: str) -> set[str]:
    """Return the names of the modules that a run of a command imports until it serves, or has ended."""
    output = () if command == ("--help",) else ("--json",)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "pointsman", *command, *output),
        env=ANY_PORTS | {"POINTSMAN__JOURNAL__URL": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    reading = asyncio.ensure_future(process.stderr.read())
    async with asyncio.timeout(40):
        await process.stdout.readline()
        if output:
            process.terminate()
        await process.stdout.read()
        told = (await reading).decode()
        await process.wait()
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", told, re.MULTILINE))


@asynccontextmanager
async def _serving(*command: str) -> AsyncIterator[psutil.Process]:
    async with pointsman_running(*command, "--json", environment=ANY_PORTS) as running:
        await running.json_line()
        yield psutil.Process(running.pid)
