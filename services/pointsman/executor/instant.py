"""One moment on both clocks. Pure."""

from datetime import datetime, timedelta

from pointsman.domain.frozen import frozen
from pointsman.executor.statement import FOREVER


@frozen
class Instant:
    """One moment on both clocks: that of calendars, and the monotonic one in seconds."""

    now: datetime
    monotonic_s: float

    def at(self, monotonic_s: float) -> datetime | None:
        """Return a later moment as calendars name it; None for one that never comes."""
        return None if monotonic_s == FOREVER else self.now + timedelta(seconds=monotonic_s - self.monotonic_s)
