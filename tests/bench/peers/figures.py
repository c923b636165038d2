"""The numbers of a row, over its interleaved rounds; what is promised of Pointsman beside the others."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pointsman.classifier.figures import percentile
from tests.bench.peers.gateways import ECHO, LITELLM, ONE, PORTKEY_GATEWAY, PROVIDER, RULED, TENSORZERO, THREE
from tests.bench.peers.load import Took

ALONE, MANY = 1, 64
"""Callers at once."""

REFERENCE_ECHO: Final = 8_450.0
"""Echoes a core-second on the machine for which the absolute promises were made, when nobody else worked on it."""

THREE_A_CORE_SECOND, ONE_A_CORE_SECOND = 600.0, 1_700.0
THREE_ADDED_MS, ONE_ADDED_MS = 3.0, 1.2
TIMES_LITELLM, TIMES_PORTKEY, PART_OF_TENSORZERO = 10.0, 1.0, 1 / 3

Figures = dict[str, float]
Results = dict[str, Figures]
"""Figures by the title of the row."""


@dataclass(slots=True)
class Meter:
    """What a row took at so many callers, a round each."""

    durations_s: list[float] = field(default_factory=list)
    p50s_ms: list[float] = field(default_factory=list)
    cpus_us: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    errors: int = 0

    def add(self, took: Took, cpu_s: float) -> None:
        """Add a round."""
        self.errors += took.errors
        self.wall_s += took.wall_s
        if took.durations_s:
            self.durations_s += took.durations_s
            self.p50s_ms.append(statistics.median(took.durations_s) * 1e3)
            self.cpus_us.append(cpu_s / len(took.durations_s) * 1e6)

    def figures(self, callers: int) -> Figures:
        """Return the median of rounds for p50 and CPU; p99 is over all calls."""
        nothing = float("nan")
        return {
            f"cpu_us_{callers}": statistics.median(self.cpus_us) if self.cpus_us else nothing,
            f"p50_ms_{callers}": statistics.median(self.p50s_ms) if self.p50s_ms else nothing,
            f"p99_ms_{callers}": percentile(self.durations_s, share=0.99) * 1e3 if self.durations_s else nothing,
            f"rate_{callers}": len(self.durations_s) / self.wall_s if self.wall_s else nothing,
            f"calls_{callers}": float(len(self.durations_s)),
            f"errors_{callers}": float(self.errors),
        }


def row(meters: Mapping[int, Meter], *, startup_s: float, rss_mib: float) -> Figures:
    """Return all figures of a row but what it adds, which takes another row."""
    figures: Figures = {"startup_s": startup_s, "rss_mib": rss_mib}
    for callers, meter in meters.items():
        figures |= meter.figures(callers)
    if MANY in meters:
        figures["per_core_s"] = 1e6 / figures[f"cpu_us_{MANY}"]
    figures["errors"] = sum(figures[f"errors_{callers}"] for callers in meters)
    return figures


def compared(results: Results) -> None:
    """Add what each row adds to a call of the provider, in the median at one caller."""
    direct_ms = results[PROVIDER.title][f"p50_ms_{ALONE}"]
    for figures in results.values():
        figures["added_p50_ms"] = figures[f"p50_ms_{ALONE}"] - direct_ms


def speed(results: Results) -> float:
    """Return how fast this machine was, beside the one for which the absolute promises were made."""
    return results[ECHO.title]["per_core_s"] / REFERENCE_ECHO


def falls_short(results: Results) -> Iterator[str]:
    """Yield a sentence for each promise that does not hold; rows that were not measured are not judged.

    The absolute ones are held to Route as it is called by default, the ratios to Route whose caller names the category:
    nobody beside it classifies.
    """
    yield from _absolute(results)
    yield from _beside_peers(results)
    yield from (
        f"{title}: {figures['errors']:.0f} calls were not answered rightly"
        for title, figures in results.items()
        if title.startswith("Pointsman") and figures["errors"]
    )


def _absolute(results: Results) -> Iterator[str]:
    for title, least, most_ms in (
        (THREE.title + RULED, THREE_A_CORE_SECOND, THREE_ADDED_MS),
        (ONE.title + RULED, ONE_A_CORE_SECOND, ONE_ADDED_MS),
    ):
        rate, added_ms, how_fast = results[title]["per_core_s"], results[title]["added_p50_ms"], speed(results)
        if rate < least:
            yield (
                f"{title}: {rate:,.0f} requests a core-second, promised {least:,.0f}; "
                f"{rate / how_fast:,.0f} at the reference machine's speed, by the echo"
            )
        if added_ms > most_ms:
            yield (
                f"{title}: adds {added_ms:.2f} ms at one caller, promised {most_ms}; "
                f"{added_ms * how_fast:.2f} at the reference machine's speed, by the echo"
            )


def _beside_peers(results: Results) -> Iterator[str]:
    rate = results[ONE.title]["per_core_s"]
    promises: Sequence[tuple[str, float]] = (
        (LITELLM.title, TIMES_LITELLM),
        (PORTKEY_GATEWAY.title, TIMES_PORTKEY),
        (TENSORZERO.title, PART_OF_TENSORZERO),
    )
    for peer, least in promises:
        if peer in results and (times := rate / results[peer]["per_core_s"]) < least:
            yield f"{ONE.title} does {times:.2f} × the requests of {peer} a core-second, promised {least:.2f}"
