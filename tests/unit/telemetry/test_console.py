"""Lines as people read them on a terminal."""

import io
import re
from collections.abc import Iterator

import pytest
import structlog

from pointsman.config.settings import TelemetrySettings
from pointsman.telemetry.setup import configure


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def written(**facts: object) -> str:
    """Return the line of an event, without its time."""
    sink = io.BytesIO()
    configure(TelemetrySettings(log_format="console"), service="test", sink=sink)
    structlog.get_logger().info("call.ended", **facts)
    return sink.getvalue().decode().partition(" ")[2]


def test_a_line_begins_with_the_instant_in_utc() -> None:
    sink = io.BytesIO()
    configure(TelemetrySettings(log_format="console"), service="test", sink=sink)
    structlog.get_logger().info("call.ended")

    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z ", sink.getvalue().decode())


def test_what_was_called_and_how_it_ended_comes_first_and_ids_come_last() -> None:
    line = written(trace_id="t", z=2, b=1, duration_s=0.5, request_id="r", code="OK", method="m")

    fields = line.split()[3:]
    assert fields == ["method=m", "code=OK", "duration_s=0.5", "b=1", "z=2", "request_id=r", "trace_id=t"]


def test_what_says_nothing_is_left_out_and_a_zero_is_not() -> None:
    line = written(cost_usd=None, degraded=[], wasted=0, cached=False)

    assert line.split()[3:] == ["wasted=0", "cached=False"]


def test_korean_stands_as_it_was_written() -> None:
    assert "detail='연결이 끊겼습니다: 다시 시도 중'" in written(detail="연결이 끊겼습니다: 다시 시도 중")


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202eabc", "\x9b2J"])
def test_no_text_of_others_steers_the_terminal(text: str) -> None:
    line = written(request_id=text)

    assert line.rstrip("\n").isprintable()


def fail(secret: str) -> None:
    raise ValueError(len(secret))


def test_an_exception_is_shown_without_the_values_of_its_frames() -> None:
    with pytest.raises(ValueError, match="23") as caught:
        fail("what-nobody" + "-should-read")

    line = written(exc_info=caught.value)

    assert "ValueError: 23" in line
    assert "Traceback" in line
    assert "what-nobody-should-read" not in line
