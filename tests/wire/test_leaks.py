"""What is started is ended: no task, no socket, no descriptor and no thread outlives the stack that made it."""

import asyncio
import gc
import threading
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pointsman.config import Settings
from pointsman.config.revision import Prepare
from pointsman.domain.clock import SystemClock
from pointsman_client import Client
from tests.fakes.hops import running

ROUNDS = 4
SETTLE_S = 5.0
"""How long what is closed may take to be gone: gRPC closes sockets in threads of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What this process holds. gRPC's own epoll sets and event descriptors stay for the process and are not counted."""

    tasks: Counter[str]
    sockets: int
    files: int
    threads: Counter[str]

    def is_within(self, other: "Held") -> bool:
        """Return whether the other holds all of this."""
        return (
            self.tasks <= other.tasks
            and self.threads <= other.threads
            and self.sockets <= other.sockets
            and self.files <= other.files
        )


def held() -> Held:
    gc.collect()
    kinds = Counter[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:  # that of the listing itself
            continue
        kinds["socket" if target.startswith("socket:") else "anon" if target.startswith("anon_inode:") else "file"] += 1
    return Held(
        tasks=Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks()),
        sockets=kinds["socket"],
        files=kinds["file"],
        threads=Counter(thread.name.partition("-")[0] for thread in threading.enumerate()),
    )


async def back_to(before: Held) -> Held:
    """Wait until no more is held than before, for a while; return what is held then."""
    clock = SystemClock()
    until_s = clock.monotonic() + SETTLE_S
    while not (now := held()).is_within(before) and clock.monotonic() < until_s:
        await clock.sleep(0.05)
    return now


async def live(settings: Settings) -> None:
    """Start a stack, have it do all that leaves something behind where it can, and stop it."""
    prepares: list[Prepare] = []
    async with (
        running(settings, clock=SystemClock(), on_reload=prepares.append) as stack,
        Client(stack.router.address, timeout_s=30) as client,
    ):
        await asyncio.gather(*(client.route(f"What is {number}?", category="quick") for number in range(4)))
        async with client.stream("Tell a story", category="quick") as stream:
            await anext(aiter(stream))  # and leaves
        await client.explain("hi")
        moved = replace(settings.executor, connections_per_provider=7)
        classifier = replace(settings.classifier, mode="cascade", cache_entries=7)
        newer = replace(settings, executor=moved, classifier=classifier)
        for commit in [await prepare(newer) for prepare in prepares]:
            commit()
        await client.route("and now?", category="quick")


async def test_a_stack_that_stopped_leaves_nothing_behind(settings: Settings) -> None:
    await live(settings)  # what is made once a process is made now
    await asyncio.sleep(0.2)  # noqa: TID251 - for gRPC's threads
    before = held()

    for _ in range(ROUNDS):
        await live(settings)
    after = await back_to(before)

    assert after.tasks <= before.tasks
    assert after.sockets <= before.sockets
    assert after.files <= before.files
    assert after.threads <= before.threads


async def test_calls_leave_nothing_behind(settings: Settings) -> None:
    async with running(settings, clock=SystemClock()) as stack, Client(stack.router.address, timeout_s=30) as client:
        await asyncio.gather(*(client.route("hi", category="quick") for _ in range(8)))
        before = held()
        for _ in range(3):
            await asyncio.gather(*(client.route("hi", category="quick") for _ in range(8)))
            leaving = asyncio.ensure_future(client.route("hi", category="quick"))
            await asyncio.wait({leaving}, timeout=0.001)
            leaving.cancel()
            await asyncio.wait({leaving})
        after = await back_to(before)

    assert after.tasks <= before.tasks
    assert after.sockets <= before.sockets + 1  # the provider's end of a call that was left may linger
    assert after.files <= before.files
