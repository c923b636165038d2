"""How a command reaches the service that it calls: an address that can be one, and what is shown and believed there."""

from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.cli.failure import Misuse

if TYPE_CHECKING:
    from pointsman_client import Tls


def checked(address: str) -> str:
    """Return an address that was given. Raises Misuse for one that gRPC would take for something else."""
    from pointsman_client.address import check_address  # noqa: PLC0415 - brings gRPC, which --help does without

    try:
        check_address(address)
    except ValueError as error:
        raise Misuse(f"--{error}") from error
    return address


def tls_of(authority: Path | None, certificate: Path | None, key: Path | None) -> "Tls | None":
    """Return what a call shows and believes; None, plaintext, where no file is named. Raises Misuse."""
    from pointsman_client import Tls  # noqa: PLC0415 - as above

    if not (authority or certificate or key):
        return None
    try:
        tls = Tls(authority=authority, certificate=certificate, key=key)
        tls.credentials()
    except ValueError as error:
        raise Misuse(f"--certificate and --key: {error}") from error
    except OSError as error:
        raise Misuse(f"cannot read {error.filename}: {error.strerror}") from error
    return tls
