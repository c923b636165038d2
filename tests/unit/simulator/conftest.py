from collections.abc import Callable

import pytest

from pointsman.simulator.scenario import Scenario
from pointsman.simulator.scenarios import INSTANT
from pointsman.simulator.simulation import Simulation
from tests.fakes.clock import LeapingClock

MakeWorld = Callable[..., Simulation]


@pytest.fixture
def clock() -> LeapingClock:
    return LeapingClock()


@pytest.fixture
def make_world(clock: LeapingClock) -> MakeWorld:
    def make(scenario: Scenario = INSTANT, *, seed: int = 1) -> Simulation:
        return Simulation(scenario, clock=clock, seed=seed)

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> Simulation:
    return make_world()
