"""The guard that keeps tests on this machine."""

from ipaddress import ip_address


class LeftLoopback(RuntimeError):
    """A test tried to reach another machine."""


def stay_on_loopback(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse to look up or to reach any host but this one; an audit hook.

    Sees Python's own sockets. gRPC and uvloop have theirs, which tests give addresses of this machine only.
    """
    match event, arguments:
        case "socket.connect" | "socket.sendto", (_, (host, *_)):
            pass
        case "socket.getaddrinfo" | "socket.gethostbyname", (host, *_):
            pass
        case _:
            return
    if not is_here(host):
        raise LeftLoopback(f"{event} {host!r}: tests reach this machine only; listen on 127.0.0.1 with port 0")


def is_here(host: object) -> bool:
    """Return whether a host, as sockets are given one, is this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return True
    try:
        address = ip_address(str(name))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
