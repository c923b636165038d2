"""The spans that the collector was sent, as plain values."""

from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.otlp import Collector

NANO = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One span that ended. Ids in hexadecimal, `parent` empty for a root; instants in seconds since 1970."""

    trace: str
    id: str
    parent: str
    name: str
    service: str
    is_server: bool
    began: float
    ended: float

    @property
    def owner_of_parent(self) -> str:
        """The service whose span its parent is: whoever calls, for a span of a server."""
        return "pointsman-router" if self.is_server else self.service


def seen(collector: Collector) -> Iterator[Seen]:
    """Yield every span that came."""
    for span in collector.spans:
        yield Seen(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            service=collector.owners.get(span.span_id, ""),
            is_server=span.kind == Span.SPAN_KIND_SERVER,
            began=span.start_time_unix_nano * NANO,
            ended=span.end_time_unix_nano * NANO,
        )
