import asyncio
import contextvars
from collections.abc import Iterator

import pytest

from pointsman.telemetry.metrics import MOST_SERIES, OTHER, About, Counter, Histogram, Kind, Observed, Register, one_hot
from pointsman.telemetry.spans import serve_span
from tests.fakes.spans import recorded_spans


@pytest.fixture
def register() -> Iterator[Register]:
    register = Register()
    with register.recording():
        yield register


def about(kind: Kind, *labels: str, bounds: tuple[float, ...] = ()) -> About:
    return About(name="test.thing", kind=kind, unit="s", description="A thing.", labels=labels, bounds=bounds)


def test_nothing_is_counted_while_nobody_looks() -> None:
    register = Register()
    counter, histogram = Counter(about(Kind.COUNTER), register), Histogram(about(Kind.HISTOGRAM), register)

    counter.add(1)
    histogram.record(1.0)

    with register.recording():
        assert register.families() == []


def test_a_counter_adds_up_by_its_labels(register: Register) -> None:
    counter = Counter(about(Kind.COUNTER, "who"), register)

    for amount, who in ((1, "a"), (2, "b"), (3, "a"), (0, "c")):
        counter.add(amount, who)

    (family,) = register.families()
    assert {point.labels: point.value for point in family.points} == {("a",): 4, ("b",): 2, ("c",): 0}


@pytest.mark.parametrize(
    "value, bucket",
    [
        pytest.param(0.5, 0, id="below the first bound"),
        pytest.param(1.0, 0, id="a bound belongs to its bucket"),
        pytest.param(1.1, 1, id="above it begins the next"),
        pytest.param(9.0, 2, id="above all bounds is infinity"),
    ],
)
def test_a_value_falls_into_one_bucket(value: float, bucket: int, register: Register) -> None:
    histogram = Histogram(about(Kind.HISTOGRAM, bounds=(1.0, 2.0)), register)

    histogram.record(value)

    ((point,),) = (family.points for family in register.families())
    assert point.buckets is not None
    assert [number for number, count in enumerate(point.buckets.counts) if count] == [bucket]
    assert point.buckets.sum == value


def test_a_value_of_a_sampled_trace_is_kept_as_an_exemplar(register: Register) -> None:
    histogram = Histogram(about(Kind.HISTOGRAM, bounds=(1.0,)), register)

    def serve() -> str:
        served = serve_span("call", {}, attributes={})
        histogram.record(0.5)
        served.end()
        return served.trace_id

    with recorded_spans():
        trace_id = contextvars.Context().run(serve)

    (family,) = register.families()
    assert family.points[0].buckets is not None
    (exemplar, none) = family.points[0].buckets.exemplars
    assert exemplar is not None
    assert (exemplar.trace_id, exemplar.value, none) == (trace_id, 0.5, None)


def test_a_value_outside_of_sampled_traces_leaves_no_exemplar(register: Register) -> None:
    histogram = Histogram(about(Kind.HISTOGRAM, bounds=(1.0,)), register)

    contextvars.Context().run(histogram.record, 0.5)

    (family,) = register.families()
    assert family.points[0].buckets is not None
    assert family.points[0].buckets.exemplars == [None, None]


@pytest.mark.parametrize("kind", [Kind.COUNTER, Kind.HISTOGRAM, Kind.GAUGE])
def test_series_are_bounded_whatever_labels_come(kind: Kind, register: Register) -> None:
    labels = [str(number) for number in range(MOST_SERIES + 500)]

    match kind:
        case Kind.COUNTER:
            counter = Counter(about(kind, "who"), register)
            for label in labels:
                counter.add(1, label)
        case Kind.HISTOGRAM:
            histogram = Histogram(about(kind, "who"), register)
            for label in labels:
                histogram.record(1.0, label)
        case Kind.GAUGE:
            gauge = Observed(about(kind, "who"), register)
            register.observe(lambda: [gauge.at(1.0, label) for label in labels])

    (family,) = register.families()
    assert len(family.points) <= MOST_SERIES + 1
    if kind is Kind.COUNTER:
        assert {point.labels: point.value for point in family.points}[OTHER,] == 500


def test_an_observer_is_asked_anew_each_time_until_it_is_told_to_end(register: Register) -> None:
    gauge, values = Observed(about(Kind.GAUGE), register), iter((1.0, 2.0))
    end = register.observe(lambda: [gauge.at(next(values))])

    seen = [register.families()[0].points[0].value for _ in range(2)]
    end()

    assert seen == [1.0, 2.0]
    assert register.families() == []


async def test_an_observer_with_a_loop_is_asked_on_it_whoever_looks(register: Register) -> None:
    gauge, asked_on = Observed(about(Kind.GAUGE), register), []

    def read() -> Iterator[object]:
        asked_on.append(asyncio.get_running_loop())
        yield gauge.at(1.0)

    register.observe(read, loop=asyncio.get_running_loop())  # type: ignore[arg-type]  # it yields readings

    from_here = register.families()
    from_elsewhere = await asyncio.to_thread(register.families)

    assert len(from_here) == len(from_elsewhere) == 1
    assert asked_on == [asyncio.get_running_loop()] * 2


def test_an_observer_whose_loop_is_gone_is_left_out(register: Register) -> None:
    gauge, loop = Observed(about(Kind.GAUGE), register), asyncio.new_event_loop()
    register.observe(lambda: [gauge.at(1.0)], loop=loop)
    loop.close()

    assert register.families() == []


def test_of_several_states_one_is_1() -> None:
    gauge = Observed(about(Kind.GAUGE, "who", "state"), Register())

    readings = list(one_hot(gauge, ("ready", "out"), "out", "a"))

    assert [(reading.labels, reading.value) for reading in readings] == [(("a", "ready"), 0.0), (("a", "out"), 1.0)]


def test_recording_begins_with_nothing_left_of_before() -> None:
    register = Register()
    counter = Counter(about(Kind.COUNTER), register)
    with register.recording():
        counter.add(1)

    with register.recording():
        assert register.families() == []
