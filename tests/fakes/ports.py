"""Ports for servers that cannot be told to choose one themselves."""

import socket


def free_port() -> int:
    """Return a port of loopback that nobody listened on a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
