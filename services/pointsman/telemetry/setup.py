"""Where spans, metrics and log lines go; configured once, where a process starts.

Without `otlp_endpoint` there is no SDK, nor is it imported (`otlp.py`): a call then costs no span, and still has a
trace id for its log lines and its response (see `spans.serve_span`). Without it and without an address for Prometheus
nothing is counted.
"""

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import IO, Final, Self, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from pointsman.config.settings import TelemetrySettings
from pointsman.domain.clock import SystemClock
from pointsman.telemetry import facts, instruments, names, spans
from pointsman.telemetry.console import for_people
from pointsman.telemetry.lines import LineWriter
from pointsman.telemetry.masks import masked_bytes, masked_fields, masked_text, needs_no_mask
from pointsman.telemetry.metrics import REGISTER, Reading
from pointsman.telemetry.relay import Relay, relayed

_CLOSE_TIMEOUT_S: Final = 2.0

_CLOCK: Final = SystemClock()
"""Lines bear the real time, of rehearsals too."""


class Telemetry:
    """What `configure` started. Close it last, after the servers; log lines then go where they went before."""

    def __init__(self, flush: Callable[[float], bool], undo: ExitStack) -> None:
        self._flush = flush
        self._undo = undo

    def flush(self, timeout_s: float = _CLOSE_TIMEOUT_S) -> bool:
        """Hand over the spans that wait, and tell whether that was done in time. Blocks; not for a running loop."""
        return self._flush(timeout_s)

    def close(self) -> None:
        """Flush and stop. Takes a few seconds at most, whatever became of the collector; a second call does nothing."""
        self.flush()
        self._flush = _nothing_to_flush
        self._undo.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close."""
        self.close()


def configure(
    settings: TelemetrySettings, *, service: str, metrics_at: str = "", sink: IO[bytes] | None = None
) -> Telemetry:
    """Send spans, metrics and log lines where the settings say.

    `service` names the process, such as "pointsman-router"; `metrics_at` is the key of `[telemetry.metrics]` that says
    where it shows its metrics, empty for one that shows none. Lines go to standard error, or to `sink`: standard output
    belongs to what a command prints. Raises SettingsError for an address of metrics that cannot be used.
    """
    with ExitStack() as undo:
        undo.callback(structlog.configure, **structlog.get_config())
        writer = _configure_logs(settings, sink or sys.stderr.buffer)
        undo.callback(writer.flush)
        undo.enter_context(relayed(logging.getLogger(), Relay(names.EVENT_LIBRARY_WARNED)))
        address: str = getattr(settings.metrics, metrics_at) if metrics_at else ""
        if address or settings.otlp_endpoint:
            undo.enter_context(REGISTER.recording())
            undo.callback(REGISTER.observe(lambda: _own_losses(writer)))
        if address:
            from pointsman.telemetry.page import serving  # noqa: PLC0415 - a web server, which most processes are spared

            url = undo.enter_context(serving(address, f"telemetry.metrics.{metrics_at}", REGISTER))
            structlog.get_logger().info(names.EVENT_METRICS_SHOWN, url=url)
        flush = _send_by_otlp(settings, service, undo) if settings.otlp_endpoint else _nothing_to_flush
        return Telemetry(flush, undo.pop_all())


def _nothing_to_flush(_timeout_s: float) -> bool:
    return True


def _send_by_otlp(settings: TelemetrySettings, service: str, undo: ExitStack) -> Callable[[float], bool]:
    from pointsman.telemetry import otlp  # noqa: PLC0415 - the SDK, which a process that sends nothing is spared

    return partial(otlp.flush, otlp.send(settings, service, undo))


def _own_losses(writer: LineWriter) -> tuple[Reading, ...]:
    return (instruments.LOG_LINES_LOST.at(writer.lost),)


def _configure_logs(settings: TelemetrySettings, sink: IO[bytes]) -> LineWriter:
    """Log to the sink; return what writes there."""
    writer = LineWriter(sink)
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sink.isatty())
    render = (rendered_as_json,) if as_json else _rendered_for_people(has_colours=sink.isatty())
    structlog.configure(
        processors=[facts.merge, stamp, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    return writer


def stamp(_logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Add the level, the instant, and the ids of the current span where there is one and the event names none."""
    event["level"] = level
    event["timestamp"] = _CLOCK.now()
    within = spans.current()
    if within.trace_id:
        event.setdefault("trace_id", within.trace_id)
        event.setdefault("span_id", within.span_id)
    return event


def rendered_as_json(logger: WrappedLogger, level: str, event: EventDict) -> bytes:
    """Return the finished line: what its fields are called and what it looks like are both searched for keys.

    One processor, because each that stands in the chain costs a call a line.
    """
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
    if needs_no_mask(event):
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    return masked_bytes(orjson.dumps(masked_fields(event), default=str, option=orjson.OPT_UTC_Z))


def _rendered_for_people(*, has_colours: bool) -> tuple[Processor, ...]:
    """Return what makes a line to read, with the same masks."""
    render = structlog.dev.ConsoleRenderer(
        colors=has_colours,
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,  # not the default, which prints local variables
    )
    return mask_secret_fields, for_people, render, cast("Processor", mask_secret_values)


def mask_secret_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide the values of fields whose names speak of keys, at any depth."""
    return masked_fields(event)


def mask_secret_values(_logger: WrappedLogger, _method: str, line: str) -> str:
    """Hide what looks like a key anywhere in the finished line, tracebacks included: the last net, not the first."""
    return masked_text(line)
