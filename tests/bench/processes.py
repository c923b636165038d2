"""Pointsman as processes: three services, simulated providers, a simulated Ollama, and a bare echo beside them.

Benchmarks time them, outage tests kill them.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from pointsman_client import Client, RouteError
from tests.fakes.ports import free_ports

HERE = Path(__file__).parent
SETTINGS = HERE.parent.parent / "deploy" / "pointsman.toml"
SERVICES = ("classifier", "executor", "router")
ALL_IN_ONE = "up"
KEYS = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY", "MOONSHOT_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Running services: where the Router and the echo listen, and the processes by name."""

    router: str
    echo: str
    base_urls: Mapping[str, str]
    processes: Mapping[str, psutil.Process]

    def cpu_s(self, *names: str) -> float:
        """Return the CPU seconds, user and system, that the named processes have used so far."""
        times = [self.processes[name].cpu_times() for name in names]
        return sum(time.user + time.system for time in times)

    def kill(self, name: str) -> None:
        """Kill a process as an out-of-memory killer would, and wait until it is gone."""
        self.processes[name].kill()
        self.processes[name].wait()


@contextmanager
def running(changed: Mapping[str, str] | None = None, *, in_one: bool = False) -> Iterator[Stack]:
    """Start everything, wait for nothing, and end all of it with the block. `changed` overrides settings, as named.

    `in_one` starts the three services as one process, ALL_IN_ONE, as `pointsman up` does.
    """
    with ExitStack() as stack:
        upstream, line = spawn(stack, [str(HERE / "upstream.py")], {})
        ollama, local_line = spawn(stack, [str(HERE / "upstream.py")], {})
        base_urls: dict[str, str] = json.loads(line) | {"ollama": json.loads(local_line)["ollama"]}
        echo, port = spawn(stack, [str(HERE / "echo.py")], {})
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        environment = {"POINTSMAN__JOURNAL__URL": "", **_environment(base_urls, ports), **(changed or {})}
        processes = {"upstream": upstream, "ollama": ollama, "echo": echo}
        commands = {ALL_IN_ONE: ["up"]} if in_one else {name: ["serve", name] for name in SERVICES}
        for name, words in commands.items():
            command = ["-m", "pointsman", *words, "--config", str(SETTINGS)]
            processes[name], _ = spawn(stack, command, environment, speaks=False)
        yield Stack(
            router=f"127.0.0.1:{ports['router']}",
            echo=f"127.0.0.1:{port.strip()}",
            base_urls=base_urls,
            processes=processes,
        )


async def until_it_answers(stack: Stack) -> None:
    """Return when all three services are there; they start in any order."""
    async with Client(stack.router) as client:
        while True:
            try:
                await client.route("Are you there?", timeout_s=30.0)
            except RouteError:
                await asyncio.sleep(0.1)
            else:
                return


def _environment(base_urls: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """Return what makes the reference settings those of the measurement: addresses, invented keys, no model hop."""
    address = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    overrides = {f"POINTSMAN__{name.upper()}__ADDRESS": address[name] for name in SERVICES}
    overrides |= {
        "POINTSMAN__ROUTER__CLASSIFIER_ADDRESS": address["classifier"],
        "POINTSMAN__ROUTER__EXECUTOR_ADDRESS": address["executor"],
        "POINTSMAN__CLASSIFIER__MODE": "embedded",
        "POINTSMAN__PROVIDERS__LOCAL__BASE_URL": base_urls["ollama"],
    }
    names = {
        "anthropic": "ANTHROPIC",
        "gemini": "GEMINI",
        "openai": "OPENAI",
        "deepseek": "DEEPSEEK",
        "moonshot": "MOONSHOT",
    }
    overrides |= {f"POINTSMAN__PROVIDERS__{upper}__BASE_URL": base_urls[kind] for kind, upper in names.items()}
    # The reference limits would stop a benchmark within seconds; the simulated providers of it have none.
    for group in ("CLAUDE_OPUS", "CLAUDE_SONNET", "CLAUDE_HAIKU", "GEMINI_FLASH"):
        for key in ("REQUESTS_PER_MINUTE", "INPUT_TOKENS_PER_MINUTE", "OUTPUT_TOKENS_PER_MINUTE", "REQUESTS_PER_DAY"):
            overrides[f"POINTSMAN__GROUPS__{group}__{key}"] = "1_000_000_000"
    return overrides | dict.fromkeys(KEYS, "invented")


def spawn(
    stack: ExitStack, command: list[str], environment: Mapping[str, str], *, speaks: bool = True
) -> tuple[psutil.Process, str]:
    """Start a Python process that ends with the stack; return it and its first line, empty if it does not speak."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE if speaks else subprocess.DEVNULL,
            stderr=None if speaks else subprocess.DEVNULL,
            text=True,
        )
    )
    stack.callback(process.kill)
    line = process.stdout.readline() if process.stdout else ""
    return psutil.Process(process.pid), line
