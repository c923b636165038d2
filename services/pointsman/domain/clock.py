"""Time, as the rest of Pointsman may ask for it: the only place that reads a clock or sleeps."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. A fake or a virtual clock stands in for it in tests and rehearsals."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC. For what is shown or compared with a provider's instants."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start, never going back. For durations and deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when it is zero or less."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(max(0.0, seconds))
