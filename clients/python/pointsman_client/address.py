"""Where a service listens: what gRPC would quietly take for another place is refused before a call is made."""

import re
from typing import Final

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"

_SCHEMES: Final = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:")
"""gRPC's own ways to name a place; what stands behind them is its affair."""

_HOST_AND_PORT: Final = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.%]+\]):(?P<port>\d{1,5})")
_LAST_PORT: Final = 65_535


def check_address(address: str) -> None:
    """Raise ValueError unless the address can be one: host:port, or one of gRPC's own schemes."""
    if not address.strip():
        raise ValueError(f"address is empty; give host:port, such as {DEFAULT_ADDRESS}")
    if "://" in address and not address.startswith(_SCHEMES):
        raise ValueError(f"address {address} is a URL; give host:port alone, such as {DEFAULT_ADDRESS}")
    if address.startswith(_SCHEMES):
        return
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or not 0 < int(found["port"]) <= _LAST_PORT:
        raise ValueError(f"address {address} names no host with a port; give host:port, such as {DEFAULT_ADDRESS}")
