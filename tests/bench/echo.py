"""A bare grpc.aio server that answers at once: what any service on this stack costs at least."""

import asyncio

import grpc

from pointsman.v1 import router_pb2, router_pb2_grpc


class Echo(router_pb2_grpc.RouterServiceServicer):
    """Answers every prompt with nothing."""

    async def Route(  # noqa: N802 - the RPC's name
        self, request: router_pb2.RouteRequest, context: object
    ) -> router_pb2.RouteResponse:
        """Answer."""
        return router_pb2.RouteResponse(request_id=request.request_id)


async def main() -> None:
    """Serve on a free port, print it, and stay until killed."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    router_pb2_grpc.add_RouterServiceServicer_to_server(Echo(), server)  # type: ignore[no-untyped-call]
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
