"""What libraries say through the logging of the standard library, turned into events of ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from pointsman.telemetry import names


@contextmanager
def relayed(log: logging.Logger, relay: logging.Handler) -> Iterator[None]:
    """Hand what a logger says to `relay` until the block ends."""
    log.addHandler(relay)
    try:
        yield
    finally:
        log.removeHandler(relay)


class Relay(logging.Handler):
    """Writes warnings and worse of the standard library's logging as events of ours.

    What libraries say below that (httpx: a line a request) is told better by the line of the call.
    """

    def __init__(self, event: str) -> None:
        super().__init__(logging.WARNING)
        self._event = event

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as an event."""
        detail = record.getMessage()
        write = structlog.get_logger().error if record.levelno >= logging.ERROR else structlog.get_logger().warning
        write(self._event_of(detail), library=record.name, detail=detail, exc_info=record.exc_info)

    def _event_of(self, detail: str) -> str:
        # The SDK names what it was sending in the sentence alone, and all its exporters share one logger.
        is_of_metrics = self._event == names.EVENT_SPANS_UNDELIVERED and "metrics to " in detail
        return names.EVENT_METRICS_UNDELIVERED if is_of_metrics else self._event
