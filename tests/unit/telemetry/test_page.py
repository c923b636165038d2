import shutil
import subprocess

import pytest

from pointsman.telemetry.metrics import About, Buckets, Exemplar, Family, Histogram, Kind, Point, Register
from pointsman.telemetry.page import prometheus_name, render

COUNTED = Family(
    about=About(name="test.things", kind=Kind.COUNTER, unit="{thing}", description="Things.", labels=("who.is",)),
    points=[Point(labels=('a "b" \\ c\nd',), value=3)],
)
TIMED = Family(
    about=About(name="test.took", kind=Kind.HISTOGRAM, unit="s", description="Took.", bounds=(0.5, 1.0)),
    points=[
        Point(
            labels=(),
            buckets=Buckets([2, 0, 1], [Exemplar(value=0.25, at_s=12.5, trace_id="ab", span_id="cd"), None, None], 3.5),
        )
    ],
)


@pytest.mark.parametrize(
    "name, kind, unit, expected",
    [
        ("pointsman.attempts", Kind.COUNTER, "{attempt}", "pointsman_attempts_total"),
        ("process.cpu.time", Kind.COUNTER, "s", "process_cpu_time_seconds_total"),
        ("rpc.server.call.duration", Kind.HISTOGRAM, "s", "rpc_server_call_duration_seconds"),
        ("process.memory.usage", Kind.GAUGE, "By", "process_memory_usage_bytes"),
        ("pointsman.quota.headroom", Kind.GAUGE, "1", "pointsman_quota_headroom_ratio"),
        ("pointsman.build.info", Kind.GAUGE, "", "pointsman_build_info"),
    ],
)
def test_a_name_carries_its_unit_and_its_kind(name: str, kind: Kind, unit: str, expected: str) -> None:
    assert prometheus_name(About(name=name, kind=kind, unit=unit, description="")) == expected


def test_the_plain_page_has_buckets_that_add_up_and_no_exemplars() -> None:
    assert render([COUNTED, TIMED], is_open_metrics=False).decode() == (
        "# HELP test_things_total Things.\n"
        "# TYPE test_things_total counter\n"
        'test_things_total{who_is="a \\"b\\" \\\\ c\\nd"} 3\n'
        "# HELP test_took_seconds Took.\n"
        "# TYPE test_took_seconds histogram\n"
        'test_took_seconds_bucket{le="0.5"} 2\n'
        'test_took_seconds_bucket{le="1.0"} 2\n'
        'test_took_seconds_bucket{le="+Inf"} 3\n'
        "test_took_seconds_count 3\n"
        "test_took_seconds_sum 3.5\n"
    )


def test_the_open_page_names_the_trace_of_a_value() -> None:
    lines = render([COUNTED, TIMED], is_open_metrics=True).decode().splitlines()

    assert "# TYPE test_things counter" in lines
    assert 'test_took_seconds_bucket{le="0.5"} 2 # {trace_id="ab",span_id="cd"} 0.25 12.500' in lines
    assert lines[-1] == "# EOF"


@pytest.mark.needs_promtool
def test_promtool_reads_the_page() -> None:
    promtool = shutil.which("promtool")
    assert promtool

    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=render([COUNTED, TIMED], is_open_metrics=False),
        capture_output=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, b"")


def test_a_page_under_load_never_shows_less_than_before() -> None:
    register = Register()
    histogram = Histogram(TIMED.about, register)
    with register.recording():
        counts = []
        for _ in range(3):
            histogram.record(0.1)
            counts.append(sum(point.buckets.counts[0] for point in register.families()[0].points if point.buckets))

    assert counts == [1, 2, 3]
