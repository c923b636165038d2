"""Instruments, and the one register of what they counted. What there is to count stands in `instruments.py`.

Not the instruments of the OpenTelemetry SDK: one record of those takes 20 µs of CPU, 28 with two readers
(opentelemetry-sdk 1.45.2, 2026-11), and a request makes a dozen. Names, units and the way out are OpenTelemetry's.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pointsman.domain.clock import Clock, SystemClock
from pointsman.domain.frozen import frozen
from pointsman.telemetry import spans

MOST_SERIES: Final = 2_000
"""Series of one instrument, as OpenTelemetry bounds them. What comes beyond is counted together, labelled OTHER."""

OTHER: Final = "_OTHER"

READ_TIMEOUT_S: Final = 0.5
"""How long a reading may wait for a busy event loop; what it would have told is then missing from that reading."""

Labels = tuple[str, ...]


class Kind(StrEnum):
    """What may be done with the numbers."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen
class About:
    """What an instrument is: a name of `names.py`, a UCUM unit, a sentence, and the names of its labels in order.

    `bounds` are the upper bounds of a histogram's buckets, in its unit, without infinity.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


@frozen
class Exemplar:
    """One measurement that was traced: where to look for a value like this. `at_s` counts from the Unix epoch."""

    value: float
    at_s: float
    trace_id: str
    span_id: str


@dataclass(slots=True)
class Buckets:
    """One series of a histogram: a count a bucket, infinity included, and the last traced measurement in it."""

    counts: list[int]
    exemplars: list[Exemplar | None]
    sum: float = 0.0


@frozen
class Point:
    """One series as it was read: the values of its labels, and a number or buckets."""

    labels: Labels
    value: float = 0.0
    buckets: Buckets | None = None


@frozen
class Family:
    """One instrument as it was read."""

    about: About
    points: Sequence[Point]


@frozen
class Reading:
    """One number of an instrument that is asked and not told."""

    about: About
    labels: Labels
    value: float


@frozen
class Observer:
    """Who is asked for readings whenever somebody looks. `loop` is where it must be asked; None: anywhere."""

    read: Callable[[], Iterable[Reading]]
    loop: asyncio.AbstractEventLoop | None

    def readings(self) -> tuple[Reading, ...]:
        """Return what it says; nothing where its loop is too busy to answer, or gone."""
        if self.loop is None or self.loop is _running_loop():
            return tuple(self.read())
        answer: Future[tuple[Reading, ...]] = Future()
        try:
            self.loop.call_soon_threadsafe(self._tell, answer)
            return answer.result(READ_TIMEOUT_S)
        except (TimeoutError, RuntimeError):  # RuntimeError: the loop was closed meanwhile
            return ()

    def _tell(self, answer: Future[tuple[Reading, ...]]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(tuple(self.read()))
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            answer.set_exception(error)


@dataclass(slots=True)
class Register:
    """Everything that is counted in this process. While it is off, instruments do nothing and readings are empty."""

    clock: Clock = field(default_factory=SystemClock)
    is_on: bool = False
    instruments: list["Counter | Histogram | Observed"] = field(default_factory=list)
    observers: list[Observer] = field(default_factory=list)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Count from nothing until the block ends."""
        for instrument in self.instruments:
            instrument.clear()
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False

    def observe(
        self, read: Callable[[], Iterable[Reading]], *, loop: asyncio.AbstractEventLoop | None = None
    ) -> Callable[[], None]:
        """Ask `read` whenever somebody looks; return what ends this, and does nothing a second time.

        Without a loop it is asked from any thread.
        """
        observer = Observer(read=read, loop=loop)
        self.observers.append(observer)

        def end() -> None:
            if observer in self.observers:
                self.observers.remove(observer)

        return end

    def families(self) -> list[Family]:
        """Return what was counted and what observers say now, in the order of the instruments. For any thread."""
        if not self.is_on:
            return []
        observed: dict[str, dict[Labels, float]] = {}
        for observer in tuple(self.observers):
            for reading in observer.readings():
                observed.setdefault(reading.about.name, {})[reading.labels] = reading.value
        families = [instrument.family(observed.get(instrument.about.name, {})) for instrument in self.instruments]
        return [family for family in families if family.points]


REGISTER: Final = Register()
"""The register of this process; one, because `up` runs three services in it that one page tells of."""


def one_hot(gauge: "Observed", states: Iterable[str], now: str, *before: str) -> Iterator[Reading]:
    """Yield a reading a state: 1 for the one that holds, 0 for the others. `before` are the labels ahead of it."""
    for state in states:
        yield gauge.at(1.0 if state == now else 0.0, *before, state)


class Counter:
    """A sum that only grows, by labels."""

    def __init__(self, about: About, register: Register = REGISTER) -> None:
        """Begin with no series."""
        self.about = about
        self._register = register
        self._sums: dict[Labels, float] = {}
        register.instruments.append(self)

    def add(self, amount: float, *labels: str) -> None:
        """Add to a series; 0 lets it be seen before it has happened."""
        if not self._register.is_on:
            return
        if labels not in self._sums and len(self._sums) >= MOST_SERIES:
            labels = (OTHER,) * len(labels)
        self._sums[labels] = self._sums.get(labels, 0) + amount

    def clear(self) -> None:
        """Forget all series."""
        self._sums.clear()

    def family(self, _observed: dict[Labels, float]) -> Family:
        """Return what was counted."""
        # A list of items is made in one step of the interpreter, so that the other thread may go on counting.
        points = [Point(labels=labels, value=value) for labels, value in list(self._sums.items())]
        return Family(about=self.about, points=points)


class Histogram:
    """How often a value was how large, by labels."""

    def __init__(self, about: About, register: Register = REGISTER) -> None:
        """Begin with no series."""
        self.about = about
        self._register = register
        self._bounds = about.bounds
        self._series: dict[Labels, Buckets] = {}
        register.instruments.append(self)

    def record(self, value: float, *labels: str) -> None:
        """Count a value, and keep it as the exemplar of its bucket where the current trace is sampled."""
        if not self._register.is_on:
            return
        series = self._series.get(labels) or self._begin(labels)
        bucket = bisect_left(self._bounds, value)
        series.counts[bucket] += 1
        series.sum += value
        within = spans.current()
        if within.is_sampled:
            series.exemplars[bucket] = Exemplar(
                value=value,
                at_s=self._register.clock.now().timestamp(),
                trace_id=within.trace_id,
                span_id=within.span_id,
            )

    def clear(self) -> None:
        """Forget all series."""
        self._series.clear()

    def family(self, _observed: dict[Labels, float]) -> Family:
        """Return what was counted. A value that comes meanwhile may be in the sum already and not yet in a bucket."""
        points = [
            Point(labels=labels, buckets=Buckets(list(series.counts), list(series.exemplars), series.sum))
            for labels, series in list(self._series.items())
        ]
        return Family(about=self.about, points=points)

    def _begin(self, labels: Labels) -> Buckets:
        if len(self._series) >= MOST_SERIES:
            labels = (OTHER,) * len(labels)
        size = len(self._bounds) + 1
        return self._series.setdefault(labels, Buckets([0] * size, [None] * size))


class Observed:
    """A number that is somewhere else already and is read when somebody looks: a gauge, or a sum that only grows."""

    def __init__(self, about: About, register: Register = REGISTER) -> None:
        """Have nothing: observers do."""
        self.about = about
        register.instruments.append(self)

    def at(self, value: float, *labels: str) -> Reading:
        """Return one reading, for an observer to give."""
        return Reading(about=self.about, labels=labels, value=value)

    def clear(self) -> None:
        """Nothing is kept here."""

    def family(self, observed: dict[Labels, float]) -> Family:
        """Return what observers said; as with counters, no more than a bounded number of series."""
        points = [Point(labels=labels, value=value) for labels, value in observed.items()]
        return Family(about=self.about, points=points[:MOST_SERIES])


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
