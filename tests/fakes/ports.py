"""Ports for servers that cannot be told to choose one themselves."""

import socket
from typing import Final

_GIVEN: Final[set[int]] = set()
"""A port that was given and is not listened on yet looks free: the system may well name it twice."""


def free_port() -> int:
    """Return a port of loopback that nobody listened on a moment ago, and that nobody in this process was given."""
    while True:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port
