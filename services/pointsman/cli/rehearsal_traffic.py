"""What is asked in a rehearsal: requests of which only sizes are known, invented at a rate or read from a record."""

import math
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from random import Random
from typing import Final, Protocol

from pointsman.domain.category import VISION
from pointsman.domain.prompt import Message, Options, Prompt, Request, Role, Text
from pointsman.simulator.traffic import DAY_S, OFFICE_DAY, CategoryTraffic, TrafficProfile, instants

BYTES_PER_TOKEN: Final = 4.26
"""Bytes of English in a token (Ollama source, 2026-08); invented requests are English."""

SAMPLE_BYTES: Final = 110
"""About the size of the sample prompts, to which invented requests add their notes."""

IMAGE_TOKENS: Final = 1_000
TURN_TOKENS: Final = 4
"""What an image, and the frame of a turn, weigh at the simulated providers (simulator/wording.py)."""

GRAIN: Final = 1.05
"""Invented sizes come in steps of this factor, so that requests of one size are made once."""

NOTE_SPREAD: Final = 0.7
"""As in simulator/traffic.py."""

UNKNOWN_CATEGORY: Final = CategoryTraffic(share=0.0, note_bytes=900, max_output_tokens=1_500)
"""What requests of categories that a user has added look like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedPrompt(Prompt):
    """A prompt of which only the size is known: it says so at once instead of counting."""

    has_image: bool = False
    has_image_url: bool = False
    image_count: int = 0
    text_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A request to come. `input_tokens` is what providers will count.

    `output_tokens` is what whoever answers will write; None where that is the model's own affair.
    """

    category: str
    request: Request
    input_tokens: int
    output_tokens: int | None = None


Coming = tuple[float, Asked]
"""A request and the seconds after the start at which it comes."""


class Traffic(Protocol):
    """A stretch of requests."""

    @property
    def days(self) -> int:
        """Its length."""

    def between(self, since_s: float, until_s: float) -> Iterator[Coming]:
        """Yield what comes from `since_s` until before `until_s`, in order; the same for the same instants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """`rps` requests a second in the mean, with the nights, peaks and bursts of an office; `mix` has shares."""

    rps: float
    mix: Mapping[str, float]
    days: int
    seed: int

    def between(self, since_s: float, until_s: float) -> Iterator[Coming]:
        profile = _profile(self.rps)
        for day in range(int(since_s // DAY_S), math.ceil(until_s / DAY_S)):
            chance = Random(f"{self.seed}/traffic/{day}")
            asks = _asks(self.mix, chance)
            for at_s in instants(profile, seconds=DAY_S, chance=chance):
                asked, moment = asks(), day * DAY_S + at_s
                if moment >= until_s:
                    return
                if moment >= since_s:
                    yield moment, asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Requests that were once asked, in order of their time; the record begins again after `period_s`."""

    rows: tuple[Coming, ...] = field(repr=False)
    period_s: float
    days: int

    def between(self, since_s: float, until_s: float) -> Iterator[Coming]:
        first = int(since_s // self.period_s)
        for turn in range(first, math.ceil(until_s / self.period_s)):
            begun = turn * self.period_s
            for at_s, asked in self.rows:
                if since_s <= begun + at_s < until_s:
                    yield begun + at_s, asked


def sized(
    category: str,
    *,
    text_bytes: int,
    has_image: bool,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    max_output_tokens: int | None = None,
) -> Asked:
    """Return a request of that size; `input_tokens` is derived from it where nobody counted."""
    images = int(has_image)
    counted = math.ceil(text_bytes / BYTES_PER_TOKEN) + TURN_TOKENS + images * IMAGE_TOKENS
    prompt = SizedPrompt(messages=(_SILENCE,), has_image=has_image, image_count=images, text_bytes=text_bytes)
    return Asked(
        category=category,
        request=Request(prompt=prompt, options=Options(max_output_tokens=max_output_tokens)),
        input_tokens=counted if input_tokens is None else input_tokens,
        output_tokens=output_tokens,
    )


_SILENCE: Final = Message(role=Role.USER, parts=(Text(text=""),))


def _profile(rps: float) -> TrafficProfile:
    """Return the office's day, scaled."""
    usual = OFFICE_DAY.singles_per_minute + OFFICE_DAY.bursts_per_hour * OFFICE_DAY.burst_size / 60
    factor = rps * 60 / usual
    return replace(
        OFFICE_DAY,
        singles_per_minute=OFFICE_DAY.singles_per_minute * factor,
        bursts_per_hour=OFFICE_DAY.bursts_per_hour * factor,
    )


def _asks(mix: Mapping[str, float], chance: Random) -> Callable[[], Asked]:
    """Return what draws the next request."""
    names, bounds = list(mix), list(accumulate(mix.values()))
    kinds = [(name, OFFICE_DAY.mix.get(name, UNKNOWN_CATEGORY)) for name in names]
    whole, steps, made = bounds[-1], NOTE_SPREAD / math.log(GRAIN), dict[tuple[int, int], Asked]()

    def ask() -> Asked:
        index = min(bisect(bounds, chance.random() * whole), len(names) - 1)
        name, kind = kinds[index]
        step = round(steps * chance.gauss(0.0, 1.0)) if kind.note_bytes else 0
        asked = made.get((index, step))
        if asked is None:
            size = SAMPLE_BYTES + round(kind.note_bytes * GRAIN**step)
            asked = made[index, step] = sized(
                name, text_bytes=size, has_image=name == VISION, max_output_tokens=kind.max_output_tokens
            )
        return asked

    return ask
