"""Which fault comes when, to whom, and for how long: drawn from a seed, and nothing but that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from pointsman.simulator.faults import Fault as Reply
from tests.chaos.outage import Fault

SERVICES: Final = ("router", "classifier", "executor", "second")
"""`second` is another Executor over the same ledger, which callers ask by itself."""

PAUSE_S: Final = (1.5, 5.0)
"""Between the beginnings of two faults. Those of different parts overlap."""

CLOCK_S: Final = (-7_200.0, -90.0, -5.0, 5.0, 90.0, 7_200.0)
REPLIES: Final = tuple(
    Reply(name)
    for name in (
        "overloaded", "server_error", "server_error_html", "bad_gateway_empty", "ok_html", "ok_empty",
        "ok_wrong_shape", "ok_error_inside", "output_all_reasoning", "reset", "silence", "slow_bytes",
        "stream_cut", "stream_short", "stream_stall", "stream_garbage", "stream_error",
    )
)  # fmt: skip
"""What a provider may do wrong without saying that a limit was met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault to come, `at_s` after the start, for `lasts_s`. `reply` is what a provider does wrong."""

    at_s: float
    fault: Fault
    target: str
    lasts_s: float
    strength: float = 0.0
    reply: Reply | None = None

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What there is to break: providers and Ollama as members, links by name."""

    providers: tuple[str, ...]
    links: tuple[str, ...]

    @property
    def upstreams(self) -> tuple[str, ...]:
        return (*self.providers, "ollama")


WEIGHTS: Final[Mapping[Fault, int]] = {
    Fault.KILL: 6,
    Fault.STOP: 4,
    Fault.TERM: 3,
    Fault.WIPE: 1,
    Fault.CLOCK: 2,
    Fault.DISK: 2,
    Fault.REPLIES: 6,
    Fault.LATE: 3,
    Fault.DRIP: 2,
    Fault.HALF_OPEN: 2,
    Fault.SILENT: 3,
    Fault.RESET: 3,
}


def draw(
    seed: int, parts: Parts, *, seconds: float, only: Collection[Fault] = (), pause_s: tuple[float, float] = PAUSE_S
) -> list[Planned]:
    """Return the faults of a run, in the order of their beginnings; all have ended after `seconds`.

    No two are at the same part at once: what then became of it would be anybody's guess.
    """
    random = Random(seed)
    faults = [fault for fault in WEIGHTS if not only or fault in only]
    weights = [WEIGHTS[fault] for fault in faults]
    planned, at_s = list[Planned](), random.uniform(*pause_s)
    while at_s < seconds:
        (fault,) = random.choices(faults, weights)
        one = _one(fault, at_s, parts, random)
        if one.ends_s <= seconds and not any(_collides(one, other) for other in planned):
            planned.append(one)
        at_s += random.uniform(*pause_s)
    return planned


def _one(fault: Fault, at_s: float, parts: Parts, random: Random) -> Planned:
    target = random.choice(targets(fault, parts))
    lasts_s = round(random.uniform(0.5, 4.0), 2)
    if fault is Fault.CLOCK:
        return Planned(at_s=at_s, fault=fault, target=target, lasts_s=2 * lasts_s, strength=random.choice(CLOCK_S))
    if fault is Fault.REPLIES:
        times = random.randint(1, 6)
        return Planned(
            at_s=at_s, fault=fault, target=target, lasts_s=lasts_s, strength=times, reply=random.choice(REPLIES)
        )
    late_s = round(random.choice((0.05, 0.3, 1.5)), 2) if fault is Fault.LATE else 0.0
    return Planned(at_s=at_s, fault=fault, target=target, lasts_s=lasts_s, strength=late_s)


def targets(fault: Fault, parts: Parts) -> Sequence[str]:
    """Return what the fault can be done to."""
    match fault:
        case Fault.KILL | Fault.STOP | Fault.TERM:
            return (*SERVICES, "redis", *parts.upstreams)
        case Fault.WIPE:
            return ("redis",)
        case Fault.CLOCK:
            return SERVICES
        case Fault.DISK:
            return ("journal",)
        case Fault.REPLIES:
            return parts.upstreams
        case _:
            return parts.links


def _collides(one: Planned, other: Planned) -> bool:
    return one.target == other.target and one.at_s <= other.ends_s + RECOVERY_S and other.at_s <= one.ends_s


RECOVERY_S: Final = 3.0
"""What a part gets to come back before the next fault is done to it."""
