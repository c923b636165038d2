"""The cells of the waste matrix: which traffic meets which terms, known or not, through how many Executors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pointsman.domain.category import QUICK
from pointsman.simulator.traffic import DAY_S, HOUR_S, OFFICE_DAY, Arrival, CategoryTraffic, TrafficProfile, arrivals
from tests.waste.terms import PER_MINUTE, TERMS, Terms

DAY_REQUESTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How requests come. Rates are in shares of what the preferred model takes in a minute."""

    name: str
    singles: float
    bursts_per_hour: float = 0.0
    burst_size: int = 10
    seconds: float = HOUR_S
    is_office: bool = False

    def arrivals(self, note_bytes: int, seed: int) -> Sequence[Arrival]:
        """Return the requests; each has about `note_bytes` of text beside its question."""
        profile = TrafficProfile(
            singles_per_minute=self.singles * PER_MINUTE,
            bursts_per_hour=self.bursts_per_hour,
            burst_size=self.burst_size,
            mix={QUICK: CategoryTraffic(share=1.0, note_bytes=note_bytes, max_output_tokens=1_000)},
            by_hour=OFFICE_DAY.by_hour if self.is_office else (1.0,) * 24,
        )
        return [*arrivals(profile, seconds=self.seconds, chance=Random(f"{self.name}/{note_bytes}/{seed}"))]


CALM = Traffic(name="calm", singles=0.25)
BURSTS_OF_10 = Traffic(name="bursts of 10", singles=0.25, bursts_per_hour=30)
BURSTS_OF_50 = Traffic(name="bursts of 50", singles=0.25, bursts_per_hour=6, burst_size=50)
POISSON = Traffic(name="three times the quota", singles=3.0)
DAY = Traffic(
    name="a day of 10,000",
    singles=(DAY_REQUESTS - 24 * 8 * 10) / (24 * 60) / PER_MINUTE,
    bursts_per_hour=8,
    seconds=DAY_S,
    is_office=True,
)
TRAFFICS = (CALM, BURSTS_OF_10, BURSTS_OF_50, POISSON, DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the matrix. `replicas` Executors share one ledger."""

    terms: Terms
    traffic: Traffic
    configured: bool
    replicas: int

    @property
    def name(self) -> str:
        """The words for people; no two cells have the same."""
        known = "configured" if self.configured else "not configured"
        return f"{self.terms.name} / {known} / {self.traffic.name} / {self.replicas}"

    @property
    def is_learned(self) -> bool:
        """True when neither settings nor headers say what is allowed."""
        return not self.configured and not self.terms.is_stated

    @property
    def wasted_bound(self) -> float:
        """The share of its calls that a cell may waste."""
        return 0.01 if self.is_learned else 0.001


PREFERRED_BOUND = 0.97
"""The least share of what the preferred model's quota allows that it must serve."""

CELLS = tuple(
    Cell(terms=terms, traffic=traffic, configured=configured, replicas=replicas)
    for traffic in reversed(TRAFFICS)
    for terms in TERMS
    for configured in (True, False)
    for replicas in ((4,) if traffic is DAY else (1, 4))
)
"""The longest first, so that no process is left alone with them at the end. The day goes through four Executors only:
the hour has shown by then that one is no worse."""


def falls_short(cell: Cell, figures: Mapping[str, float]) -> list[str]:
    """Return a sentence for each bound that the cell does not hold."""
    wasted, share = figures["wasted_share"], figures["preferred_share"]
    rows = (
        (figures["lost"] > 0, f"lost {figures['lost']:.0f} requests"),
        (figures["unproductive"] > 0, f"made {figures['unproductive']:.0f} unproductive calls"),
        (wasted > cell.wasted_bound, f"wasted {wasted:.2%} of its calls, promised {cell.wasted_bound:.1%}"),
        (
            share < PREFERRED_BOUND,
            f"its preferred model served {share:.1%} of what it may, promised {PREFERRED_BOUND:.0%}",
        ),
    )
    return [f"{cell.name}: {sentence}" for is_short, sentence in rows if is_short]
