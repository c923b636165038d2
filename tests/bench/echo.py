"""A bare grpc.aio server that answers at once: what any service on this stack costs at least."""

import asyncio
import sys

import grpc

from pointsman.v1 import router_pb2


async def echo(request: router_pb2.RouteRequest, context: object) -> router_pb2.RouteResponse:
    """Answer with nothing."""
    return router_pb2.RouteResponse(request_id=request.request_id)


async def main(port: int) -> None:
    """Serve, print the port, and stay until killed; 0 is a free one."""
    handler = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=router_pb2.RouteRequest.FromString,
        response_serializer=router_pb2.RouteResponse.SerializeToString,
    )
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pointsman.v1.RouterService", {"Route": handler}),)
    )
    print(server.add_insecure_port(f"127.0.0.1:{port}"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 0))
