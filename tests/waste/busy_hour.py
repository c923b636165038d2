"""A simulated busy hour on a virtual clock, through one list from the top and through Pointsman."""

from dataclasses import replace
from random import Random

from pointsman.cli.comparison import Figures, pointsman, run, sequential
from pointsman.config import load
from pointsman.simulator import scenarios, traffic


def measure(seed: int, load_factor: float) -> tuple[Figures, Figures]:
    """Return the figures of both ways over the same hour of `load_factor` times the busy traffic."""
    busy = traffic.BUSY_HOUR
    profile = replace(
        busy,
        singles_per_minute=busy.singles_per_minute * load_factor,
        bursts_per_hour=busy.bursts_per_hour * load_factor,
    )
    hour = [*traffic.arrivals(profile, seconds=traffic.HOUR_S, chance=Random(seed))]
    settings = load()
    before = run(settings, scenarios.BUSY_HOUR, hour, sequential, seed=seed).figures()
    after = run(settings, scenarios.BUSY_HOUR, hour, pointsman, seed=seed).figures()
    return before, after
