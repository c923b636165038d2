"""Metrics by OTLP: what is counted, sent to the collector every so often, from a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from pointsman.telemetry import names
from pointsman.telemetry.metrics import Exemplar as OwnExemplar
from pointsman.telemetry.metrics import Family, Kind, Point, Register

_CLOSE_TIMEOUT_S: Final = 1.0
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


@contextmanager
def pushing(
    exporter: OTLPMetricExporter, register: Register, resource: Resource, *, interval_s: float
) -> Iterator[None]:
    """Send what is counted every `interval_s` seconds until the block ends, and once more then."""
    started_at, stop = _now_ns(register), threading.Event()

    def push() -> None:
        is_last = False
        while not is_last:
            is_last = stop.wait(interval_s)
            exporter.export(metrics_data(register, resource, started_at=started_at))

    thread = threading.Thread(target=push, name="push of metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_CLOSE_TIMEOUT_S)
        exporter.shutdown()  # an export that waits for a dead collector then gives up
        thread.join(_CLOSE_TIMEOUT_S)


def metrics_data(register: Register, resource: Resource, *, started_at: int) -> MetricsData:
    """Return what is counted as the exporter takes it; instants are nanoseconds since the Unix epoch."""
    now = _now_ns(register)
    metrics = [_metric(family, started_at, now) for family in register.families()]
    scope = ScopeMetrics(scope=InstrumentationScope(names.TRACER), metrics=metrics, schema_url="")
    return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


def _metric(family: Family, started_at: int, now: int) -> Metric:
    about = family.about
    data: Sum | Gauge | Histogram
    match about.kind:
        case Kind.HISTOGRAM:
            histograms = [_histogram_point(family, point, started_at, now) for point in family.points]
            data = Histogram(data_points=histograms, aggregation_temporality=_CUMULATIVE)
        case Kind.COUNTER:
            data = Sum(
                data_points=_numbers(family, started_at, now), aggregation_temporality=_CUMULATIVE, is_monotonic=True
            )
        case Kind.GAUGE:
            data = Gauge(data_points=_numbers(family, None, now))
    return Metric(name=about.name, description=about.description, unit=about.unit, data=data)


def _numbers(family: Family, started_at: int | None, now: int) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(
            attributes=_attributes(family, point),
            start_time_unix_nano=started_at,  # type: ignore[arg-type]  # a gauge has none, and the encoder takes None
            time_unix_nano=now,
            value=point.value,
        )
        for point in family.points
    ]


def _histogram_point(family: Family, point: Point, started_at: int, now: int) -> HistogramDataPoint:
    buckets = point.buckets
    if buckets is None:
        raise TypeError(f"{family.about.name} is a histogram, and one of its series has no buckets")
    return HistogramDataPoint(
        attributes=_attributes(family, point),
        start_time_unix_nano=started_at,
        time_unix_nano=now,
        count=sum(buckets.counts),
        sum=buckets.sum,
        bucket_counts=buckets.counts,
        explicit_bounds=family.about.bounds,
        min=float("inf"),
        max=float("-inf"),
        exemplars=[_exemplar(exemplar) for exemplar in buckets.exemplars if exemplar],
    )


def _exemplar(exemplar: OwnExemplar) -> Exemplar:
    return Exemplar(
        filtered_attributes={},
        value=exemplar.value,
        time_unix_nano=int(exemplar.at_s * 1e9),
        span_id=int(exemplar.span_id, 16),
        trace_id=int(exemplar.trace_id, 16),
    )


def _attributes(family: Family, point: Point) -> dict[str, str]:
    return dict(zip(family.about.labels, point.labels, strict=True))


def _now_ns(register: Register) -> int:
    return int(register.clock.now().timestamp() * 1e9)
