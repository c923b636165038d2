"""What tests share: a clock, settings, a simulated world, a real stack on free ports. No test leaves this machine."""

import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from pointsman.cli.rehearsal import aimed_at
from pointsman.cli.stack import Stack
from pointsman.config import Settings, load
from pointsman.domain.clock import SystemClock
from pointsman.simulator import scenarios
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from tests.fakes.clock import FakeClock
from tests.fakes.hops import running
from tests.fakes.loopback import stay_on_loopback

REFERENCE = Path(__file__).parents[1] / "deploy/pointsman.toml"
ANY_PORT = "127.0.0.1:0"


sys.addaudithook(stay_on_loopback)
# A test that forgot to say where its journal is must not write into that of whoever runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="pointsman-tests-")  # noqa: TID251 - as said


def _hear(sign: signal.Signals, handler: Callable[[int, FrameType | None], object]) -> None:
    """Handle a signal that this run was told to ignore: every command that a test starts would ignore it too."""
    if signal.getsignal(sign) is signal.SIG_IGN:
        signal.signal(sign, handler)


_hear(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
_hear(signal.SIGHUP, lambda *_: None)  # ignored under nohup, and still so by this run itself


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture
async def simulation() -> AsyncIterator[Simulation]:
    """Yield every provider and Ollama on loopback: no limits, no waiting, until the test pulls a string."""
    async with serve(scenarios.INSTANT, clock=SystemClock(), seed=1) as simulation:
        yield simulation


@pytest.fixture
def settings(simulation: Simulation) -> Settings:
    """Return the reference settings over the simulated world, every service on a free port.

    The Classifier goes by its embedded weights, so that no test waits for a model to be loaded.
    """
    reference = aimed_at(load(REFERENCE, environ={}), simulation.base_urls)
    return replace(
        reference,
        router=replace(reference.router, address=ANY_PORT, grace_s=1.0),
        classifier=replace(reference.classifier, address=ANY_PORT, mode="embedded", grace_s=1.0),
        executor=replace(reference.executor, address=ANY_PORT, grace_s=1.0),
        journal=replace(reference.journal, url=""),
    )


@pytest.fixture
async def stack(settings: Settings) -> AsyncIterator[Stack]:
    """Yield the three real services over the simulated world."""
    async with running(settings, clock=SystemClock()) as stack:
        yield stack
