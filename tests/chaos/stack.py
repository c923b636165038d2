"""The real stack: Router, Classifier and two Executors over Redis, SQLite and simulated providers, links between them.

callers ─► router ─► classifier ─► ollama          every arrow but the callers' goes through a proxy
              └────► executor ┬──► each provider
callers ──────────► second ───┤──► ollama
                              └──► redis (each Executor over a link of its own)
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Final

from tests.chaos.member import Member
from tests.chaos.proxy import Link, linked
from tests.chaos.schedule import SERVICES, Parts
from tests.chaos.service import VARIABLE, set_clock
from tests.chaos.world import OLLAMA, SETTINGS, kinds
from tests.fakes.ports import free_port

ROOT: Final = Path(__file__).parents[2]
JOURNAL_MIB: Final = 64
KEYS: Final = {"POINTSMAN_SIMULATED_KEY": "simulated"}
EXECUTORS: Final = ("executor", "second")

LINKS: Final = (
    "router-classifier", "router-executor", "executor-redis", "second-redis",
    "classifier-ollama", "executors-ollama",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Stack:
    """Everything that runs. `folder` keeps logs and books; `journal` is a file on a small disk of its own, if there is.

    `is_small_disk` is False where no file system could be mounted: the disk is then full by a limit on files.
    """

    folder: Path
    journal: Path
    is_small_disk: bool
    members: dict[str, Member] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    redis_port: int = 0
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        return Parts(providers=kinds(), links=tuple(self.links))

    @property
    def books(self) -> list[Path]:
        return sorted(self.folder.glob("book.*"))

    def clock_of(self, name: str) -> Path:
        """Return the file by which the wall clock of a service is set wrong."""
        return self.folder / f"clock.{name}"

    def book_of(self, kind: str) -> Path:
        """Return a new book for the next process of a provider: numbers begin anew in each."""
        self.starts[kind] = self.starts.get(kind, 0) + 1
        return self.folder / f"book.{kind}.{self.starts[kind]}"


@asynccontextmanager
async def running(folder: Path, *, seed: int, collector: str) -> AsyncIterator[Stack]:
    """Start everything, and end all of it with the block."""
    async with AsyncExitStack() as stack:
        disk, is_small_disk = stack.enter_context(small_disk(folder / "disk"))
        built = Stack(folder=folder, journal=disk / "journal.sqlite", is_small_disk=is_small_disk)
        for name in (*LINKS, *(f"executors-{kind}" for kind in kinds())):
            built.links[name] = await stack.enter_async_context(linked(name))
        _add_redis(built)
        _add_upstreams(built, seed)
        _add_services(built, collector)
        for member in built.members.values():
            stack.push_async_callback(_put_away, member)
        for stage in (("redis", OLLAMA, *kinds()), SERVICES):
            await asyncio.gather(*(built.members[name].start() for name in stage))
        yield built


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield a folder on a disk of JOURNAL_MIB that can be filled, and whether it is one: only root can mount it."""
    folder.mkdir()
    with ExitStack() as stack:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={JOURNAL_MIB}m,mode=700", "none", str(folder)]
        is_mounted = bool(which("mount")) and subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if is_mounted:
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
        yield folder, is_mounted


def _add_redis(stack: Stack) -> None:
    """Add a Redis that keeps every write, so that only WIPE makes it forget."""
    stack.redis_port = free_port()
    folder = stack.folder / "redis"
    folder.mkdir()
    words = [sys.executable, "-m", "tests.chaos.redis_entry", str(stack.redis_port), str(folder)]
    stack.members["redis"] = Member("redis", lambda: words, {"PYTHONPATH": _paths()}, stack.folder / "redis.log")
    for name in EXECUTORS:
        stack.links[f"{name}-redis"].target = ("127.0.0.1", stack.redis_port)


def _add_upstreams(stack: Stack, seed: int) -> None:
    for number, kind in enumerate((*kinds(), OLLAMA)):

        def command(kind: str = kind, number: int = number) -> list[str]:
            book = stack.book_of(kind)
            own_seed = seed * 1_000_003 + number * 10_007 + stack.starts[kind]
            return [sys.executable, "-m", "tests.chaos.upstream", kind, str(own_seed), str(book)]

        def told(said: Mapping[str, str], kind: str = kind) -> None:
            names = ("classifier-ollama", "executors-ollama") if kind == OLLAMA else (f"executors-{kind}",)
            for name in names:
                stack.links[name].target = _target(said["url"].removeprefix("http://").partition("/")[0])

        log = stack.folder / f"{kind}.log"
        stack.members[kind] = Member(kind, command, {"PYTHONPATH": _paths()}, log, told)


def _add_services(stack: Stack, collector: str) -> None:
    links = stack.links
    stack.addresses["router"] = f"127.0.0.1:{free_port()}"
    common = {
        "POINTSMAN__TELEMETRY__OTLP_ENDPOINT": collector,
        "POINTSMAN__JOURNAL__URL": f"sqlite:///{stack.journal}",
        "POINTSMAN__CLASSIFIER__OLLAMA__URL": f"http://{links['classifier-ollama'].address}",
        "POINTSMAN__PROVIDERS__LOCAL__BASE_URL": f"http://{links['executors-ollama'].address}",
        "POINTSMAN__ROUTER__ADDRESS": stack.addresses["router"],
        "POINTSMAN__ROUTER__CLASSIFIER_ADDRESS": links["router-classifier"].address,
        "POINTSMAN__ROUTER__EXECUTOR_ADDRESS": links["router-executor"].address,
        "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
        "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
        "PYTHONPATH": _paths(),
        **{f"POINTSMAN__PROVIDERS__{kind.upper()}__BASE_URL": _base_url(links, kind) for kind in kinds()},
        **KEYS,
    }
    for name in reversed(SERVICES):
        room = "executor" if name in EXECUTORS else name
        set_clock(stack.clock_of(name), 0.0)
        own = {VARIABLE: str(stack.clock_of(name))}
        if name in EXECUTORS:
            own["POINTSMAN__LEDGER__URL"] = f"redis://{links[f'{name}-redis'].address}/0"
        words = [sys.executable, "-m", "tests.chaos.service", "serve", room, "--config", str(SETTINGS), "--json"]

        def told(said: Mapping[str, Mapping[str, str]], name: str = name, room: str = room) -> None:
            stack.addresses[name] = said["addresses"][room]
            if link := stack.links.get(f"router-{name}"):
                link.target = _target(stack.addresses[name])

        log = stack.folder / f"{name}.log"
        stack.members[name] = Member(name, lambda words=words: words, common | own, log, told)  # type: ignore[misc]  # a default binds it


def _base_url(links: Mapping[str, Link], kind: str) -> str:
    path = {"openai": "/openai/v1", "moonshot": "/moonshot/v1"}.get(kind, f"/{kind}")
    return f"http://{links[f'executors-{kind}'].address}{path}"


def _target(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def _paths() -> str:
    return os.pathsep.join((str(ROOT), str(ROOT / "services"), str(ROOT / "clients/python")))


async def _put_away(member: Member) -> None:
    """End what still runs, whatever state it is in."""
    member.resume()
    if member.pid is not None:
        await member.kill()
