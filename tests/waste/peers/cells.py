"""The cells that peers are measured in: which traffic meets which terms of the preferred model's provider."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from pointsman.domain.category import QUICK
from pointsman.domain.pool import Unit
from pointsman.simulator import scenarios
from pointsman.simulator.scenario import (
    Algorithm,
    LatencyProfile,
    LimitProfile,
    ModelProfile,
    ProviderProfile,
    Scenario,
)
from pointsman.simulator.traffic import Arrival, CategoryTraffic, TrafficProfile, arrivals

PREFERRED, SECOND = "gpt-6.2-sol", "gpt-6.1-terra"
PER_MINUTE = 30
"""Requests a minute that the preferred model takes; the second takes all."""

OFFSET_S = 17.0
"""How far the provider's minutes lie from those of the clock, by which peers count."""

ANSWER_S, REFUSAL_S = 0.3, 0.1
"""What an answer and a refusal take, always, so that all beyond is what a gateway added."""

BURST_SIZE = 10


class Says(StrEnum):
    """What the provider says of its limit."""

    ALL = "headers + Retry-After"
    HEADERS = "headers only"
    WAIT = "Retry-After only"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How requests come; both kinds bring half as many again as the preferred model takes."""

    name: str
    singles: float
    in_bursts: float = 0.0

    def profile(self, load: float) -> TrafficProfile:
        """Return the rates for `load` times the traffic."""
        per_minute = PER_MINUTE * load
        return TrafficProfile(
            singles_per_minute=self.singles * per_minute,
            bursts_per_hour=self.in_bursts * per_minute * 60 / BURST_SIZE,
            burst_size=BURST_SIZE,
            mix={QUICK: CategoryTraffic(share=1.0, note_bytes=0, max_output_tokens=400)},
        )


CALM = Traffic(name="calm", singles=1.5)
BURSTS = Traffic(name="bursts of ten", singles=0.5, in_bursts=1.0)

COUNTS = {"fixed minute, not aligned": Algorithm.FIXED_WINDOW, "token bucket": Algorithm.TOKEN_BUCKET}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One traffic under one provider's terms."""

    traffic: Traffic
    counts: str
    says: Says

    @property
    def name(self) -> str:
        """The words for people; no two cells have the same."""
        return f"{self.traffic.name} / {self.counts} / {self.says}"

    @property
    def is_stated(self) -> bool:
        """True when each answer says what is left."""
        return self.says in {Says.ALL, Says.HEADERS}

    def arrivals(self, seconds: float, *, seed: int, load: float = 1.0) -> Sequence[Arrival]:
        """Return the cell's own requests: no two cells burst at the same instant on a machine that runs them all."""
        return [*arrivals(self.traffic.profile(load), seconds=seconds, chance=Random(f"{self.name}/{seed}"))]

    @property
    def provider(self) -> ProviderProfile:
        """The account: the preferred model with its limit, the second without one, both in OpenAI's format."""
        limit = LimitProfile(unit=Unit.REQUESTS, amount=PER_MINUTE, algorithm=COUNTS[self.counts], offset_s=OFFSET_S)
        return ProviderProfile(
            kind="openai",
            models=(_model(PREFERRED, (limit,)), _model(SECOND, ())),
            states_quota=self.is_stated,
            hints_wait=self.says in {Says.ALL, Says.WAIT},
            names_limit=self.says is Says.ALL,
            counts_refused=True,
        )

    @property
    def scenario(self) -> Scenario:
        """The world of the cell."""
        return Scenario(providers=(self.provider,))


CELLS = tuple(
    Cell(traffic=traffic, counts=counts, says=says) for traffic in (CALM, BURSTS) for counts in COUNTS for says in Says
)

QUICK_CELLS = tuple(
    cell for cell in CELLS if cell.traffic is BURSTS and cell.counts == "token bucket" and cell.says is not Says.WAIT
)


def _model(id: str, limits: tuple[LimitProfile, ...]) -> ModelProfile:
    ready_made = next(model for kind, model in scenarios.BUSY_HOUR.models if kind == "openai")
    latency = LatencyProfile(first_token_s=ANSWER_S, spread=0.0, per_token_s=0.0, rejection_s=REFUSAL_S)
    return replace(
        ready_made,
        id=id,
        group="",
        limits=limits,
        latency=latency,
        output_tokens=20,
        reasoning_tokens=0,
    )
