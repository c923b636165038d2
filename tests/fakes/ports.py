"""Ports for servers that cannot be told to choose one themselves, or that start again where they were."""

import itertools
import os
import socket
from typing import Final

LOWEST, HIGHEST = 12_000, 32_767
"""Below what Linux (from 32768) and macOS (from 49152) give to outgoing connections and to who asks for port 0.

A port from among those may be taken by a stranger's connection before its server starts, or between two starts.
"""

_SPAN: Final = HIGHEST - LOWEST + 1
_IN_TURN: Final = (LOWEST + (os.getpid() * 101 + number) % _SPAN for number in itertools.count())
"""Every port, again and again. Test runs side by side begin at different ones, and seldom meet."""


def free_port() -> int:
    """Return a port of loopback where nobody listens, and that no test of this machine is given a second time."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many free ports, each the next one after the one before."""
    while True:
        ports = [next(_IN_TURN) for _ in range(count)]
        if ports[-1] - ports[0] == count - 1 and all(map(_is_free, ports)) and all(map(_claim, ports)):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        return _binds(listener, port)


def _claim(port: int) -> bool:
    """Take the UDP port of the same number, which no server of ours wants, for as long as this process lives.

    A port that was given and is not listened on yet looks free to other test runs; its claim does not.
    """
    claim = socket.socket(type=socket.SOCK_DGRAM)
    if not _binds(claim, port):
        claim.close()
        return False
    claim.detach()
    return True


def _binds(to_bind: socket.socket, port: int) -> bool:
    try:
        to_bind.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
