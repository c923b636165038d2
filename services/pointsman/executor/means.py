"""What requests are answered with: who may be called, what is known of them, and what one request may use."""

from collections.abc import Container
from dataclasses import dataclass, field

from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.executor.allowance import Allowances
from pointsman.executor.call import Caller
from pointsman.executor.experience import Experience
from pointsman.executor.fallback import Fallback
from pointsman.executor.instant import Instant
from pointsman.executor.ledger.port import Ledger


@frozen
class Bounds:
    """What one request may use: see the settings of the Executor."""

    max_attempts: int
    attempt_floor_s: float
    fallback_reserve_s: float


@dataclass(slots=True, kw_only=True)
class Means:
    """A provider is in `credentials` while it has a key or needs none; `fallback` is None where there is none."""

    fallback: Fallback | None
    credentials: Container[str]
    ledger: Ledger
    caller: Caller
    bounds: Bounds
    experience: Experience = field(default_factory=Experience)
    clock: Clock
    allowances: Allowances = field(default_factory=Allowances)

    def instant(self) -> Instant:
        """Return this moment, on both clocks."""
        return Instant(now=self.clock.now(), monotonic_s=self.clock.monotonic())
