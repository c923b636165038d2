"""One port for several processes: held by who starts them, listened on by each of them."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pointsman.domain.errors import SettingsError


@contextmanager
def held(address: str, setting: str) -> Iterator[str]:
    """Keep "host:port" for processes of this user that listen there with SO_REUSEPORT; yield it with the real port.

    The socket that holds it does not listen, so the kernel gives it no connection. `setting` is the dotted path of the
    address. Raises SettingsError where the port is taken, or cannot be shared.
    """
    host, _, port = address.rpartition(":")
    if address.startswith("unix:"):
        message = f"{setting} = {address}: several workers cannot share a Unix socket; give it host:port, or 1 worker"
        raise SettingsError(message, path=setting, value=address)
    if not sys.platform.startswith("linux"):
        message = f"{setting} = {address}: only Linux spreads the connections of one port; use 1 worker"
        raise SettingsError(message, path=setting, value=address)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        try:
            # Without the option first: a port that another stack shares among its own workers is taken all the same.
            _refuse_a_taken(host.strip("[]"), int(port), holder.family)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind((host.strip("[]"), int(port)))
        except OSError as error:
            wrong = "it is in use, or not an address of this machine"
            variable = f"POINTSMAN__{setting.upper().replace('.', '__')}"
            message = f"cannot listen on {address}: {wrong}; stop what listens there, or set {setting} or ${variable}"
            raise SettingsError(message, address=address, path=setting, variable=variable) from error
        yield f"{host}:{holder.getsockname()[1]}"


def _refuse_a_taken(host: str, port: int, family: socket.AddressFamily) -> None:
    if port:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no holder
            trial.bind((host, port))
            trial.listen(1)
