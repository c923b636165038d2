"""TLS as a caller sees it: whom to believe, and what to show where callers are asked for a certificate."""

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files. `authority` signed the Router's certificate; None believes the authorities that gRPC brings along.

    `certificate` and `key` are shown to a Router that asks for them; both or none.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for half a pair."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate; give both or none")

    def credentials(self) -> grpc.ChannelCredentials:
        """Return what a channel shows and believes. Raises OSError for a file that cannot be read."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes() if self.authority else None,
            self.key.read_bytes() if self.key else None,
            self.certificate.read_bytes() if self.certificate else None,
        )
