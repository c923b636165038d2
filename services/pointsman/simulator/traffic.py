"""Invented traffic: when requests come, what they ask, and how long they are. Drawn from a given source of chance."""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from pointsman.domain.category import CATEGORIES, CODING, QUICK, REASONING, REVIEW, VISION
from pointsman.simulator.prompts import SAMPLE_PROMPTS, SamplePrompt

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S

_EVEN = (1.0,) * 24
_OFFICE = (
    0.15, 0.10, 0.08, 0.08, 0.10, 0.20, 0.45, 0.90, 1.55, 2.00, 2.10, 1.90,
    1.40, 1.80, 2.05, 2.00, 1.80, 1.45, 1.05, 0.85, 0.70, 0.55, 0.40, 0.30,
)  # fmt: skip
"""Requests of an office by hour of its day, with the mean 1; invented."""

_ENGLISH_NOTE = "Note {number}: the figures of week {week} were {first}, {second} and {third}; nobody has looked yet."
_KOREAN_NOTE = "메모 {number}: {week}주차 수치는 {first}, {second}, {third}이었고 아직 아무도 확인하지 않았습니다."


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryTraffic:
    """One category's share of the traffic, and the size of its requests.

    `note_bytes` is the median size of what is added to a sample prompt.
    """

    share: float
    note_bytes: int
    max_output_tokens: int


# An assistant for a whole office: nearly half of what is asked is short. Invented; a user's own traffic is another.
_MIX = {
    QUICK: CategoryTraffic(share=0.36, note_bytes=0, max_output_tokens=400),
    CODING: CategoryTraffic(share=0.24, note_bytes=900, max_output_tokens=1_500),
    REASONING: CategoryTraffic(share=0.20, note_bytes=1_200, max_output_tokens=1_500),
    REVIEW: CategoryTraffic(share=0.12, note_bytes=2_500, max_output_tokens=1_500),
    VISION: CategoryTraffic(share=0.08, note_bytes=0, max_output_tokens=800),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficProfile:
    """How much traffic of what kind.

    `singles_per_minute` is the mean rate of single requests (Poisson), `bursts_per_hour` that of bursts, each of
    `burst_size` requests within `burst_s` seconds. `by_hour` has 24 factors for both rates, which hold in the middle of
    their hour.
    """

    singles_per_minute: float
    bursts_per_hour: float = 0.0
    burst_size: int = 10
    burst_s: float = 2.0
    by_hour: tuple[float, ...] = _EVEN
    mix: dict[str, CategoryTraffic] = field(default_factory=lambda: dict(_MIX))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request to come, `at_s` seconds after the start."""

    at_s: float
    prompt: SamplePrompt
    max_output_tokens: int


_SAMPLES = {name: [prompt for prompt in SAMPLE_PROMPTS if prompt.category == name] for name in CATEGORIES}

CALM_HOUR = TrafficProfile(singles_per_minute=6.0)
"""Less than the busy world of `scenarios` allows."""

BUSY_HOUR = TrafficProfile(singles_per_minute=24.0, bursts_per_hour=12.0)
"""More than the preferred models of that world allow, and in bursts of ten."""

OFFICE_DAY = TrafficProfile(singles_per_minute=14.0, bursts_per_hour=8.0, by_hour=_OFFICE)
"""A day with a night, two peaks and a lunch break."""


def arrivals(profile: TrafficProfile, *, seconds: float, chance: Random) -> Iterator[Arrival]:
    """Yield the requests of the first `seconds`, in order of their time."""
    for at_s in instants(profile, seconds=seconds, chance=chance):
        yield _arrival(profile, at_s, chance)


def instants(profile: TrafficProfile, *, seconds: float, chance: Random) -> Iterator[float]:
    """Yield when the requests of the first `seconds` come, in order."""
    waiting: list[float] = []
    events = _events(profile, seconds, chance)
    pending = next(events, None)
    while pending is not None or waiting:
        while pending is not None and (not waiting or pending[0] <= waiting[0]):
            for at_s in _times(profile, pending, chance):
                heapq.heappush(waiting, at_s)
            pending = next(events, None)
        at_s = heapq.heappop(waiting)
        if at_s < seconds:
            yield at_s


def _events(profile: TrafficProfile, seconds: float, chance: Random) -> Iterator[tuple[float, bool]]:
    """Yield the instants of singles and bursts (True) by thinning a Poisson stream of the highest rate."""
    singles_per_s, bursts_per_s = profile.singles_per_minute / 60.0, profile.bursts_per_hour / HOUR_S
    peak = max(profile.by_hour)
    highest = (singles_per_s + bursts_per_s) * peak
    at_s = 0.0
    while highest > 0 and (at_s := at_s + chance.expovariate(highest)) < seconds:
        if chance.random() * peak < _factor(profile.by_hour, at_s):
            yield at_s, chance.random() * (singles_per_s + bursts_per_s) < bursts_per_s


def _times(profile: TrafficProfile, event: tuple[float, bool], chance: Random) -> list[float]:
    at_s, is_burst = event
    if not is_burst:
        return [at_s]
    return [at_s + chance.random() * profile.burst_s for _ in range(profile.burst_size)]


def _factor(by_hour: tuple[float, ...], at_s: float) -> float:
    """Return the factor at an instant, on the line between the middles of two hours."""
    hour = (at_s / HOUR_S - 0.5) % 24
    begun, share = int(hour), hour - int(hour)
    return by_hour[begun] * (1 - share) + by_hour[(begun + 1) % 24] * share


def _arrival(profile: TrafficProfile, at_s: float, chance: Random) -> Arrival:
    categories = list(profile.mix)
    category = chance.choices(categories, weights=[profile.mix[name].share for name in categories])[0]
    kind = profile.mix[category]
    sample = chance.choice(_SAMPLES[category])
    notes = _notes(sample.text, round(kind.note_bytes * math.exp(chance.gauss(0.0, 0.7))), chance)
    prompt = SamplePrompt(category=category, text=sample.text + notes, image=sample.image)
    return Arrival(at_s=at_s, prompt=prompt, max_output_tokens=kind.max_output_tokens)


def _notes(text: str, size_bytes: int, chance: Random) -> str:
    """Return about `size_bytes` of notes in the language of the text; no two are alike."""
    form = _ENGLISH_NOTE if text.isascii() or "“" in text else _KOREAN_NOTE
    notes: list[str] = []
    while size_bytes > 0:
        first, second, third = (chance.randint(100, 9_999) for _ in range(3))
        number, week = len(notes) + 1, chance.randint(1, 52)
        notes.append("\n" + form.format(number=number, week=week, first=first, second=second, third=third))
        size_bytes -= len(notes[-1].encode())
    return "".join(notes)
