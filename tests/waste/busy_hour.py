"""`make waste`: a simulated busy hour on a virtual clock, through one list from the top and through Pointsman."""

import argparse
import json
from dataclasses import replace
from random import Random

from rich.console import Console

from pointsman.cli.comparison import Figures, falls_short, pointsman, run, sequential, table_of
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


def main() -> int:
    """Run, print the table, and with --json the figures on the last line; return 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of traffic and providers")
    parser.add_argument("--load", type=float, default=1.0, help="times the busy hour's traffic")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    arguments = parser.parse_args()
    before, after = measure(arguments.seed, arguments.load)
    console = Console()
    console.print(table_of(before, after))
    console.print(
        f"{after['requests']:.0f} requests; Pointsman lost {after['lost']:.0f} and wasted {after['wasted']:.0f} calls."
    )
    short = falls_short(after)
    for sentence in short:
        console.print(f"falls short: {sentence}")
    if arguments.json:
        print(json.dumps({"ok": not short, "figures": {"before": before, "after": after}, "falls_short": short}))
    return 1 if short else 0


if __name__ == "__main__":
    raise SystemExit(main())
