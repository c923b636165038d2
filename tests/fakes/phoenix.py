"""Starts Arize Phoenix on 127.0.0.1 alone. Run in the root by .venv-backend's Python: -m tests.fakes.phoenix.

Its HTTP port heeds PHOENIX_HOST; its gRPC port is opened on every interface, whatever the settings say
(phoenix/server/grpc_server.py of 20.26.1, 2026-11). What it might look for or send abroad, it cannot here.
"""

import runpy
import sys

import grpc

from tests.fakes.loopback import stay_on_loopback


def serve() -> None:
    """Run Phoenix until it is told to stop."""
    sys.addaudithook(stay_on_loopback)
    make_server = grpc.aio.server

    def make_local_server(*arguments: object, **options: object) -> grpc.aio.Server:
        server = make_server(*arguments, **options)  # type: ignore[arg-type]  # handed on as they came
        open_port = server.add_insecure_port
        server.add_insecure_port = lambda address: open_port(address.replace("[::]", "127.0.0.1"))  # type: ignore[method-assign]  # as said above
        return server

    grpc.aio.server = make_local_server
    sys.argv = ["phoenix", "serve"]
    runpy.run_module("phoenix.server.main", run_name="__main__")


if __name__ == "__main__":
    serve()
