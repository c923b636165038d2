"""An OTLP collector: a real gRPC server that keeps the spans it is sent."""

# ruff: noqa: N802  # methods carry the names of their RPCs

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span, in the order in which they came; `owners` has the service of each by its id."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.owners: dict[bytes, str] = {}
        self.endpoint = ""
        self._came = asyncio.Condition()

    async def Export(self, request: pb.ExportTraceServiceRequest, context: object) -> pb.ExportTraceServiceResponse:
        async with self._came:
            for of_resource in request.resource_spans:
                attributes = of_resource.resource.attributes
                named = {entry.key: entry.value.string_value for entry in attributes}
                service = named.get("service.name", "")
                self.services |= {service}
                for of_scope in of_resource.scope_spans:
                    self.spans.extend(of_scope.spans)
                    self.owners |= dict.fromkeys((span.span_id for span in of_scope.spans), service)
            self._came.notify_all()
        return pb.ExportTraceServiceResponse()

    async def wait_for(self, count: int) -> list[Span]:
        """Return the spans once there are `count` of them."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.spans) >= count)
        return self.spans


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector on a free port of this machine."""
    collector = Collector()
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    register = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    register(collector, server)  # type: ignore[no-untyped-call]  # generated without types
    port = server.add_insecure_port("127.0.0.1:0")
    collector.endpoint = f"http://127.0.0.1:{port}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)
