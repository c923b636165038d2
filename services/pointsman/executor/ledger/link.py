"""One connection to Redis that all calls share: they leave in order, answers come in order, and each has a deadline.

A call costs one write and one answer, whatever else is under way. Whatever goes wrong ends the connection and fails
every call that waits, at once: what to do then is the ledger's affair.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Never, Protocol

GRACE = 0.25
"""Part of the deadline that is granted once more: where this process stood still, the answer may lie there unread."""


class LinkDown(Exception):
    """Redis cannot be asked: refused, broken off, too late, or it answered with an error. The text says which."""


class Refused(Exception):
    """Redis answered with an error, in its own words."""


class Wire(Protocol):
    """A connection that carries packed commands."""

    async def send(self, command: bytes) -> None:
        """Send what is packed. Raises LinkDown."""

    async def receive(self) -> bytes:
        """Return the next answer. Raises LinkDown, and Refused where the answer is an error."""

    async def close(self) -> None:
        """Close without waiting for the other side."""


@dataclass(slots=True)
class _Waiting:
    """A call that has not been answered."""

    command: bytes
    future: asyncio.Future[bytes]
    sent_at: float


class Link:
    """Carries calls of one script while `run` runs."""

    def __init__(self, connect: Callable[[], Awaitable[Wire]], script: bytes, *, timeout_s: float) -> None:
        """Connect nowhere yet."""
        self._connect = connect
        self._timeout_s = timeout_s
        self._load = pack((b"SCRIPT", b"LOAD", script))
        self.sha = hashlib.sha1(script, usedforsecurity=False).hexdigest().encode()
        self._waiting: deque[_Waiting] = deque()
        self._unsent: list[bytes] = []
        self._wake = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._lost: asyncio.Future[Never] | None = None

    def call(self, command: bytes) -> asyncio.Future[bytes]:
        """Send a packed command now and return its answer to come, which may be LinkDown. Raises it where it is known.

        Cancelling the future does not take the command back.
        """
        if self._lost is None or self._lost.done():
            raise LinkDown("no connection")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(command, loop.create_future(), loop.time())
        self._enqueue(waiting)
        if self._watch is None:
            self._watch = loop.call_later(self._timeout_s, self._look)
        return waiting.future

    async def answered(self) -> None:
        """Wait until all that was sent so far is answered or lost, which takes no longer than Redis may."""
        if sent := [waiting.future for waiting in self._waiting]:
            await asyncio.wait(sent)

    def drop(self, why: LinkDown) -> None:
        """Give the connection up: fail what waits, and end `run`."""
        if self._watch:
            self._watch.cancel()
            self._watch = None
        _fail(self._lost, why)
        while self._waiting:
            _fail(self._waiting.popleft().future, why)
        self._unsent.clear()

    async def run(self, while_up: Callable[[], Awaitable[None]]) -> Never:
        """Connect, then carry calls, and run `while_up`, until the connection is lost. Raises LinkDown, always."""
        try:
            async with asyncio.timeout(self._timeout_s):
                wire = await self._connect()
        except TimeoutError as error:
            raise LinkDown(f"no connection within {self._timeout_s:g} s") from error
        self._lost = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_all(wire))
                tasks.create_task(self._receive_all(wire))
                tasks.create_task(_raise(self._lost))
                await self.call(self._load)
                await while_up()
            raise LinkDown("nobody needs it any more")
        except BaseExceptionGroup as group:
            task = asyncio.current_task()
            if task and task.cancelling():  # which a TaskGroup forgets over an error of its own (before Python 3.13)
                raise asyncio.CancelledError from group
            raise _only_down(group) from group
        finally:
            self.drop(LinkDown("the connection was closed"))
            await wire.close()

    def _enqueue(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._unsent.append(waiting.command)
        self._wake.set()

    async def _send_all(self, wire: Wire) -> Never:
        while True:
            await self._wake.wait()
            self._wake.clear()
            together, self._unsent = b"".join(self._unsent), []
            await wire.send(together)

    async def _receive_all(self, wire: Wire) -> Never:
        while True:
            try:
                answer = await wire.receive()
            except Refused as refused:
                self._retry_or_drop(self._next(), str(refused))
                continue
            waiting = self._next()
            if not waiting.future.done():
                waiting.future.set_result(answer)

    def _next(self) -> _Waiting:
        """Take who is answered next. Raises LinkDown when the link was given up a moment before the answer came."""
        if not self._waiting:
            raise LinkDown("an answer came when nobody waited for it any more")
        return self._waiting.popleft()

    def _retry_or_drop(self, refused: _Waiting, why: str) -> None:
        """Send a call again whose script Redis has forgotten; give up on every other error."""
        if not why.startswith("NOSCRIPT"):
            self._waiting.appendleft(refused)
            self.drop(LinkDown(f"it answered {why!r}"))
            return
        loop = asyncio.get_running_loop()
        self._enqueue(_Waiting(self._load, loop.create_future(), loop.time()))
        self._enqueue(refused)

    def _look(self, *, is_late: bool = False) -> None:
        """Give up when the oldest call has waited too long."""
        self._watch = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        left_s = self._waiting[0].sent_at + self._timeout_s - loop.time()
        if left_s > 0:
            self._watch = loop.call_later(left_s, self._look)
        elif not is_late:
            self._watch = loop.call_later(GRACE * self._timeout_s, partial(self._look, is_late=True))
        else:
            self.drop(LinkDown(f"no answer within {self._timeout_s:g} s"))


def pack(parts: Iterable[bytes], *, more: int = 0) -> bytes:
    """Return a command as Redis reads it; `more` parts will follow, each made with `pack_part`."""
    packed = [pack_part(part) for part in parts]
    return b"*%d\r\n%b" % (len(packed) + more, b"".join(packed))


def pack_part(part: bytes) -> bytes:
    """Return one part of a command."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def _fail(future: asyncio.Future[Any] | None, why: LinkDown) -> None:
    if future and not future.done():
        future.set_exception(why)
        future.exception()  # looked at: not everything that is sent is waited for


async def _raise(lost: asyncio.Future[Never]) -> None:
    await asyncio.shield(lost)


def _only_down(group: BaseExceptionGroup) -> BaseException:
    """Return the one LinkDown of a group that holds nothing else; else the group, which is a bug."""
    down, others = group.split(LinkDown)
    if others or not down:
        return group
    first: BaseException = down
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
