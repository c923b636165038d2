import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from pointsman.config.settings import TelemetrySettings
from pointsman.telemetry.setup import configure
from pointsman.telemetry.spans import span
from tests.fakes.spans import recorded_spans

KEY = "sk-canary0123456789abcdef"


def deny(key: str) -> None:
    raise ValueError(f"denied for {key}")


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def written(sink: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_line_is_json_with_its_level_its_time_and_its_trace() -> None:
    sink = io.BytesIO()
    configure(TelemetrySettings(), service="test", sink=sink)

    with recorded_spans(), span("work") as work:
        structlog.get_logger().info("call.ended", method="m")
        trace_id = work.trace_id

    (line,) = written(sink)
    assert (line["event"], line["level"], line["method"]) == ("call.ended", "info", "m")
    assert line["trace_id"] == trace_id
    assert len(str(line["span_id"])) == 16
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", str(line["timestamp"]))


def test_a_level_below_the_settings_is_not_written() -> None:
    sink = io.BytesIO()
    configure(TelemetrySettings(log_level="warning"), service="test", sink=sink)

    structlog.get_logger().info("call.ended")

    assert sink.getvalue() == b""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_key_is_ever_written(log_format: str) -> None:
    sink = io.BytesIO()
    configure(TelemetrySettings(log_format=log_format), service="test", sink=sink)  # type: ignore[arg-type]  # one of two

    log = structlog.get_logger()
    try:
        deny(KEY)
    except ValueError:
        log.exception("call.ended", note=f"Bearer {KEY}", nested={"a": [KEY]})
    log.info("call.ended", api_key="short")
    structlog.get_logger().info("call.ended", api_key_env="OPENAI_API_KEY")

    assert KEY.encode() not in sink.getvalue()
    assert b"short" not in sink.getvalue()
    assert b"[masked]" in sink.getvalue()
    assert b"OPENAI_API_KEY" in sink.getvalue()
    assert b"ValueError" in sink.getvalue()


def test_without_an_endpoint_there_is_nothing_to_flush() -> None:
    telemetry = configure(TelemetrySettings(), service="test", sink=io.BytesIO())

    assert telemetry.flush()
    telemetry.close()


def test_what_a_library_warns_of_is_a_line_of_ours_and_its_chatter_is_not() -> None:
    sink = io.BytesIO()

    with configure(TelemetrySettings(log_level="debug"), service="test", sink=sink):
        logging.getLogger("httpx").info("HTTP Request: POST")
        logging.getLogger("asyncio").error("Task exception was never retrieved: %s", KEY)

    (line,) = written(sink)
    assert (line["event"], line["library"], line["level"]) == ("library.warned", "asyncio", "error")
    assert line["detail"] == "Task exception was never retrieved: [masked]"
