"""The door of a server: who comes in, how many calls and bytes at once, and how much of that one caller may take.

All of it is decided before a message is parsed, most of it before one is read.
"""

from collections.abc import Awaitable
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from pointsman.domain.clock import Clock
from pointsman.domain.errors import TooManyBytes, TooManyCalls
from pointsman.domain.places import Denied, Places
from pointsman.rpc.callers import Context, Metadata, WhoCalls, greet
from pointsman.rpc.readers import Readers

SMALL_BYTES: Final = 65_536
"""Messages up to this size are not counted, so that small calls go on whatever large ones hold. `concurrent_calls`
bounds them: 1,024 of them are 64 MiB."""

_COME_BACK_IN: Final = timedelta(seconds=1)
"""What is told to whom there is no room for: most calls are over by then."""

_visit: ContextVar["Visit | None"] = ContextVar("visit", default=None)


class Door:
    """Lets in who is known, where anybody is asked, and as many calls and bytes at once as the service takes."""

    def __init__(self, *, most_calls: int, most_bytes: int, clock: Clock, who_calls: WhoCalls | None = None) -> None:
        """Stand open. Without `who_calls` all are one caller, who may take all of it."""
        self.calls = Places(most_calls)
        self.bytes = Places(most_bytes)
        self.readers = Readers()
        self._clock = clock
        self._who_calls = who_calls

    def opened(self, metadata: Metadata, context: Context) -> "Visit":
        """Return the visit of a call that asks for the service's work.

        Raises TooManyCalls, and KeyMissing, KeyUnknown and CertificateUnknown for whom it is not open.
        """
        caller = ""
        if self._who_calls is not None and (caller := self._who_calls(metadata, context)):
            greet(caller)
        if denied := self.calls.denied(caller):
            raise self._too_many_calls(caller, denied)
        return Visit(self, caller, places=1)

    def passed(self, _metadata: Metadata, _context: Context) -> "Visit":
        """Return the visit of a call that asks about the server: anybody's, at any time. Only its bytes are counted."""
        return Visit(self, "", places=0)

    def weigh(self, caller: str, size_bytes: int) -> None:
        """Raise TooManyBytes where a message does not fit beside those that are inside."""
        if denied := self.bytes.denied(caller, size_bytes):
            raise self._too_many_bytes(caller, size_bytes, denied)

    def _too_many_calls(self, caller: str, denied: Denied) -> TooManyCalls:
        most = self.calls.most
        about = {"limit": str(most), "setting": "limits.concurrent_calls"}
        if denied is Denied.SHARE:
            held = self.calls.held_by(caller)
            message = f"{caller} has {held} of {most} calls under way, and the rest is kept for others"
            about |= {"caller": caller, "held": str(held)}
        else:
            message = f"{most} calls are under way, and no more are taken"
        message += " (limits.concurrent_calls); try again"
        return TooManyCalls(message, ready_at=self._clock.now() + _COME_BACK_IN, **about)

    def _too_many_bytes(self, caller: str, size_bytes: int, denied: Denied) -> TooManyBytes:
        most = self.bytes.most
        about = {"limit": str(most), "setting": "limits.bytes_in_flight", "size_bytes": str(size_bytes)}
        if denied is Denied.SHARE:
            held = self.bytes.held_by(caller)
            message = f"{caller} has {held} of {most} bytes of requests under way, and the rest is kept for others"
            about |= {"caller": caller, "held": str(held)}
        else:
            message = f"{self.bytes.taken} of {most} bytes of requests are under way, and {size_bytes} more do not fit"
            about["held"] = str(self.bytes.taken)
        message += " (limits.bytes_in_flight); try again, or send less at once"
        return TooManyBytes(message, ready_at=self._clock.now() + _COME_BACK_IN, **about)


class Visit:
    """One call inside, from the door to the door. Used as a block, which sets it as the visit of its task."""

    __slots__ = ("_bytes", "_caller", "_door", "_places")

    def __init__(self, door: Door, caller: str, *, places: int) -> None:
        self._door, self._caller, self._places, self._bytes = door, caller, places, 0

    def __enter__(self) -> Self:
        self._door.calls.take(self._caller, self._places)
        _visit.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.calls.give_back(self._caller, self._places)
        if self._bytes:
            self._door.bytes.give_back(self._caller, self._bytes)

    def read(self, context: Context) -> Awaitable[object]:
        """Return what waits for the message of the call, EOF where none comes. Raises TooManyBytes, InvalidRequest."""
        return self._door.readers.read(self._caller, context)

    def bring(self, size_bytes: int) -> None:
        """Count a message until the call ends. Raises TooManyBytes."""
        self._door.weigh(self._caller, size_bytes)
        self._door.bytes.take(self._caller, size_bytes)
        self._bytes += size_bytes


def bring_in(message: bytes) -> None:
    """Count a message of the call under way that is not parsed yet. Raises TooManyBytes."""
    visit = _visit.get()
    if visit is not None and len(message) > SMALL_BYTES:
        visit.bring(len(message))
