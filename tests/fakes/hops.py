"""How the services of the test under way ask each other: within the process, or over the wire.

Tests of the wire run both ways (`tests/wire/conftest.py`), and take stacks, Routers and channels from the fakes, which
look here. Everywhere else it is the way of `pointsman up`.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from pointsman.cli import stack
from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.config.revision import Register
from pointsman.domain.clock import Clock


@dataclass(slots=True)
class Hops:
    """The way of the test under way."""

    over_the_wire: bool = False


HOPS = Hops()


def running(
    settings: Settings, *, clock: Clock, on_reload: Register | None = None
) -> AbstractAsyncContextManager[Stack]:
    """Run the three services, the Router asking the others in the way of the test."""
    return stack.running(settings, clock=clock, over_the_wire=HOPS.over_the_wire, on_reload=on_reload)
