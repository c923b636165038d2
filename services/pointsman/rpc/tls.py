"""TLS: the certificate that the services show, and whom they believe. What to do without one is the server's affair.

One certificate serves as server and as client between our services, which ask each other for it.
"""

import ssl
from dataclasses import field
from pathlib import Path
from typing import Final, Self

import grpc
import structlog

from pointsman.config.settings import TlsSettings
from pointsman.domain.errors import SettingsError
from pointsman.domain.frozen import frozen
from pointsman.telemetry import names

Stamp = tuple[tuple[int, int, int], ...]
"""What changes when files do: time, size and inode of each."""

_TRIES: Final = 3
"""Reads until the files hold still; a renewal writes two of them, one after the other."""


@frozen
class Files:
    """Where the PEM files are. `believed` signs those whom we believe; empty: nobody is asked for a certificate."""

    certificate: Path
    key: Path
    believed: Path | None

    @classmethod
    def of_services(cls, settings: TlsSettings) -> Self | None:
        """Return the files of a server that only our own services call; None for plaintext."""
        return cls._of(settings, settings.authority)

    @classmethod
    def of_callers(cls, settings: TlsSettings) -> Self | None:
        """Return the files of the server that everybody calls; None for plaintext."""
        return cls._of(settings, settings.caller_authority)

    @classmethod
    def _of(cls, settings: TlsSettings, believed: str) -> Self | None:
        if not settings.certificate:
            return None
        return cls(
            certificate=Path(settings.certificate),
            key=Path(settings.key),
            believed=Path(believed) if believed else None,
        )


@frozen
class Identity:
    """A certificate chain, its key and the authority that is believed, all PEM. `authority` is None for nobody."""

    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes | None

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return what a channel shows and believes."""
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)

    def _server_configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], self.authority)


def identity_of(settings: TlsSettings) -> Identity | None:
    """Return what our services show each other; None for plaintext. Raises SettingsError."""
    files = Files.of_services(settings)
    return _read(files)[0] if files else None


class ServerCertificate:
    """What a server shows. Read anew at the next handshake after a change; what cannot be used changes nothing."""

    def __init__(self, files: Files) -> None:
        """Read the files. Raises SettingsError when they cannot be used."""
        self._files = files
        self._identity, self._seen = _read(files)

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files."""
        configuration = self._identity._server_configuration()  # noqa: SLF001 - one room
        return grpc.dynamic_ssl_server_credentials(
            configuration,
            self._renewed,  # type: ignore[arg-type]  # None keeps what is there (grpcio 1.85.1; the stubs do not know)
            require_client_authentication=self._files.believed is not None,
        )

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what to show from now on, None for what was shown before. Called by gRPC, at each handshake."""
        seen = _stamp(self._files)
        if seen == self._seen:
            return None
        self._seen = seen  # said once for each change, also when it is a bad one
        log = structlog.get_logger()
        try:
            self._identity, self._seen = _read(self._files)
        except SettingsError as error:
            log.warning(names.EVENT_CERTIFICATE_UNUSABLE, detail=error.message)
            return None
        log.info(names.EVENT_CERTIFICATE_RENEWED, file=str(self._files.certificate))
        return self._identity._server_configuration()  # noqa: SLF001 - one room


def certificate_of(files: Files | None) -> ServerCertificate | None:
    """Return what a server shows; None for plaintext. Raises SettingsError."""
    return ServerCertificate(files) if files else None


def _stamp(files: Files) -> Stamp:
    """Return the stamp of the files; what is not there counts as nothing."""
    stamps: list[tuple[int, int, int]] = []
    for path in (files.certificate, files.key, files.believed):
        try:
            about = path.stat() if path else None
        except OSError:
            about = None
        stamps.append((about.st_mtime_ns, about.st_size, about.st_ino) if about else (0, 0, 0))
    return tuple(stamps)


def _read(files: Files) -> tuple[Identity, Stamp]:
    """Return what the files hold, and the stamp of exactly that. Raises SettingsError for what cannot be used."""
    for _ in range(_TRIES):
        before = _stamp(files)
        identity = Identity(
            certificate=_content(files.certificate, "tls.certificate"),
            key=_content(files.key, "tls.key"),
            authority=_content(files.believed, "tls.authority or tls.caller_authority") if files.believed else None,
        )
        _check(files)
        if _stamp(files) == before:
            return identity, before
    raise SettingsError(f"{files.certificate} and {files.key} keep changing; wait until they are written")


def _content(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{setting} names {path}, which cannot be read: {error.strerror}"
        raise SettingsError(message, path=setting, file=str(path)) from error


def _check(files: Files) -> None:
    """Raise SettingsError where gRPC would only refuse every handshake, without a word to us."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        wrong = "they are not a PEM certificate and its PEM key without a password"
        message = f"tls.certificate {files.certificate} and tls.key {files.key} cannot be used: {wrong}"
        raise SettingsError(message, path="tls.certificate", file=str(files.certificate)) from error
    if files.believed is None:
        return
    try:
        context.load_verify_locations(files.believed)
    except (OSError, ValueError) as error:
        message = f"{files.believed} holds no PEM certificate of an authority; see tls.authority, tls.caller_authority"
        raise SettingsError(message, path="tls.authority", file=str(files.believed)) from error


def _no_password() -> bytes:
    """Stand in for the terminal, which OpenSSL would ask for the password of a key."""
    return b""
