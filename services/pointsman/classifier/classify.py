"""A prompt in, a verdict out: rules, cache, embedded, model, fusion, in that order. There is always a verdict."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Protocol

from pointsman.classifier import conversation
from pointsman.classifier.added import Added
from pointsman.classifier.cache import Cache, Flights, Key, key
from pointsman.classifier.calibration import Distribution, fuse
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.features import extract
from pointsman.classifier.hop import Opinion
from pointsman.classifier.instructions import Excerpt, excerpt
from pointsman.classifier.rules import rule
from pointsman.config.settings import ClassifierSettings
from pointsman.domain.category import CATEGORIES
from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop, Verdict

_HOP_FLOOR_S = 0.06
"""With less time than this a warm model cannot answer (75 ms estimated for an M4, reference of 2026-11)."""
_REPLY_RESERVE_S = 0.01
"""Kept of the caller's time for fusing and for the way back."""

_KEPT = frozenset({ModelHop.ANSWERED, ModelHop.CONFIDENT, ModelHop.SWITCHED_OFF})
"""Only these verdicts are remembered: any other was made while something failed, and may be better next time."""


class Asks(Protocol):
    """The way to the small model, as far as a verdict needs it."""

    @property
    def version(self) -> str:
        """The version of the instructions."""

    @property
    def digest(self) -> str:
        """The digest of the model; empty when it is not known."""

    def ask(self, excerpt: Excerpt, *, timeout_s: float) -> Awaitable[Opinion]:
        """Return an opinion, or why there is none; never raises for a failure of the server."""


@frozen
class Question:
    """What is to be ruled on.

    `category` is what the caller named, empty when nothing; `context` is earlier turns, oldest first.
    """

    text: str
    context: str = ""
    has_image: bool = False
    category: str = ""


class Classifier:
    """The embedded classifier, the small model when it is wanted, and the memory of both.

    `hop` is None in mode "embedded".
    """

    def __init__(self, settings: ClassifierSettings, *, embedded: Embedded, hop: Asks | None, clock: Clock) -> None:
        """Take the parts; own none of them but the cache."""
        self._settings = settings
        self._embedded = embedded
        self._hop = hop
        self._clock = clock
        self._cache = Cache(settings.cache_entries)
        self._flights: Flights[Opinion] = Flights()
        self._added = Added.learn(settings.categories)
        self._categories = (*CATEGORIES, *settings.categories)
        own = embedded.version + self._added.version
        self.version = own if hop is None else f"{own}/m1-{hop.version}"

    @property
    def remembered(self) -> int:
        """How many verdicts are in memory."""
        return len(self._cache)

    async def classify(self, question: Question, *, budget_s: float | None) -> Verdict:
        """Return the verdict within about `budget_s` seconds; None means that the caller set no deadline."""
        started_s = self._clock.monotonic()
        ruled = rule(category=question.category, has_image=question.has_image)
        if ruled is not None:
            return replace(ruled, classifier_version=self.version, duration_s=self._since(started_s))
        return await self._read(question, budget_s=budget_s, started_s=started_s)

    async def _read(self, question: Question, *, budget_s: float | None, started_s: float) -> Verdict:
        """Rule by reading: from memory, else by the embedded classifier and, where it is unsure, the model."""
        read = excerpt(question.text, question.context)
        digest = self._hop.digest if self._hop else ""
        cache_key = key(read.text, read.context, f"{self.version} {digest}")
        remembered = self._cache.get(cache_key)
        if remembered is not None:
            return replace(remembered, cached=True, duration_s=self._since(started_s))
        own = conversation.read(self._judge, read.text, read.context)
        opinion = await self._opinion(cache_key, read, budget_s=budget_s, own=own)
        verdict = self._ruling(own, opinion, started_s)
        if opinion.hop in _KEPT:
            self._cache.put(cache_key, verdict)
        return verdict

    def _judge(self, text: str) -> Distribution:
        features = extract(text)
        return self._added.extend(self._embedded.weigh(features), features)

    async def _opinion(self, cache_key: Key, read: Excerpt, *, budget_s: float | None, own: Distribution) -> Opinion:
        if self._hop is None:
            return Opinion(hop=ModelHop.SWITCHED_OFF)
        if self._settings.mode == "cascade" and max(own) >= self._settings.accept_confidence:
            return Opinion(hop=ModelHop.CONFIDENT)
        whole_slice_s = self._settings.ollama.timeout_s
        timeout_s = whole_slice_s if budget_s is None else min(whole_slice_s, budget_s - _REPLY_RESERVE_S)
        if timeout_s < min(_HOP_FLOOR_S, whole_slice_s):
            return Opinion(hop=ModelHop.NO_TIME)
        ask = partial(self._hop.ask, read, timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s + _REPLY_RESERVE_S / 2):  # for those who wait for another's question
                return await self._flights.join(cache_key, ask)
        except TimeoutError:
            return Opinion(hop=ModelHop.LATE)

    def _ruling(self, own: Distribution, opinion: Opinion, started_s: float) -> Verdict:
        """Return what the two distributions come to. The embedded one stands when there is no other."""
        cascade = self._settings.mode == "cascade"
        if opinion.distribution is None or opinion.voice is None:
            verdict = self._verdict(own, DecidedBy.EMBEDDED, opinion, started_s)
            wanted = self._settings.mode == "ollama"
            return replace(verdict, degraded=(DegradedReason.MODEL_HOP_DOWN,)) if wanted else verdict
        calibration = opinion.voice.calibration
        heard = opinion.voice.heard(opinion.distribution)
        if cascade:
            weight = min(self._settings.model_weight, calibration.most_weight)
            verdict = self._verdict(fuse(own, heard, second_weight=weight), DecidedBy.FUSION, opinion, started_s)
        else:
            verdict = self._verdict(heard, DecidedBy.MODEL, opinion, started_s)
        if calibration.is_fitted:
            return verdict
        return replace(verdict, classifier_version=f"{self.version}-uncalibrated")

    def _verdict(
        self, distribution: Distribution, decided_by: DecidedBy, opinion: Opinion, started_s: float
    ) -> Verdict:
        ranked = sorted(zip(self._categories, distribution, strict=True), key=itemgetter(1), reverse=True)
        category, confidence = ranked[0]
        return Verdict(
            category=category,
            confidence=confidence,
            decided_by=decided_by,
            model_hop=opinion.hop,
            probabilities=tuple(ranked),
            classifier_version=self.version,
            duration_s=self._since(started_s),
            model_duration_s=opinion.duration_s,
        )

    def _since(self, started_s: float) -> float:
        return max(0.0, self._clock.monotonic() - started_s)
