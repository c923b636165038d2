"""`pointsman certs`: an authority of one's own, and certificates of it, for trying TLS."""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pointsman.cli.failure import Failure, Misuse
from pointsman.cli.terminal import print_json, say, screen
from pointsman.domain.clock import SystemClock

BACKDATED: Final = timedelta(minutes=5)
"""Clocks differ: a certificate that begins now would not hold yet on the machine next to this one."""

ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
"""What every service certificate is good for."""

CALLER: Final = re.compile(r"[a-zA-Z0-9._-]{1,64}")
TAKEN: Final = ("authority", "callers", "service")
"""Names of files that are not a caller's."""

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key


def certs(folder: Path, *, hosts: Sequence[str], days: int, as_json: bool, callers: Sequence[str] = ()) -> None:
    """Write an authority with a certificate for services, and one with those of callers. Raises Misuse and Failure.

    Two authorities, because who shows a certificate of the services' own is let in by Executor and Classifier too, and
    believed whoever they say is calling. Without `callers` there is one, caller.pem.
    """
    if wrong := next((name for name in callers if name in TAKEN or not CALLER.fullmatch(name)), ""):
        raise Misuse(f"--caller is {wrong}; a caller's name is 1 to 64 of a-z, A-Z, 0-9, . _ and -, and not {TAKEN}")
    names = tuple(dict.fromkeys((*ALWAYS, socket.gethostname(), *hosts)))
    subjects = {name: name for name in callers} or {"caller": "pointsman caller"}
    files = _files(names, subjects, days)
    _refuse_to_overwrite(folder, files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
    except OSError as error:
        raise Failure(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"folder": str(folder), "files": sorted(files), "names": list(names), "days": days})
        return
    _tell(folder, names, subjects, days)


def _tell(folder: Path, names: Iterable[str], subjects: Mapping[str, str], days: int) -> None:
    out, here = screen(), folder.resolve()
    say(out, f"{folder}: two authorities for trying, good for {days} days", style="bold")
    say(out, "service.pem, service.key: what Router, Classifier and Executor show", lead="  ")
    for name, subject in subjects.items():
        say(out, f"{name}.pem, {name}.key: what the caller shows who is known as {subject}", lead="  ")
    say(out, "authority.pem: whom callers and services believe; authority.key signed service.pem", lead="  ")
    say(out, "callers.pem: whom the Router believes about callers; callers.key signed theirs", lead="  ")
    say(out, "keep both .key of the authorities to yourself", lead="  ")
    say(out, f"names: {', '.join(names)}", lead="  ")
    say(out, "\nIn the settings, in the place of the [tls] that is there:\n")
    print("[tls]")
    for key, name in (("certificate", "service.pem"), ("key", "service.key"), ("authority", "authority.pem")):
        print(f'{key} = "{here / name}"')
    print(f'# caller_authority = "{here / "callers.pem"}"  # only callers with a certificate of it are let in')
    print("# A certificate may do instead of a key:")
    for name, subject in subjects.items():
        print(f'# [callers.{name}]\n# certificate = "{subject}"')
    say(out, "\nThen, for example:\n")
    print(f'grpcurl -cacert {here / "authority.pem"} -d \'{{"text": "2+2는?"}}\' 127.0.0.1:50051 \\')
    print("  pointsman.v1.RouterService/Route")


def _files(names: Sequence[str], subjects: Mapping[str, str], days: int) -> Mapping[str, bytes]:
    now = SystemClock().now()
    authority = _authority("Pointsman development authority", now, days)
    of_callers = _authority("Pointsman development authority of callers", now, days)
    service = _issue(authority, "pointsman service", now, days, names=names)
    callers = {name: _issue(of_callers, subject, now, days, names=()) for name, subject in subjects.items()}
    issued = {"authority": authority, "callers": of_callers, "service": service, **callers}
    return {
        f"{name}{suffix}": content
        for name, each in issued.items()
        for suffix, content in ((".pem", _pem(each.certificate)), (".key", _key_pem(each.key)))
    }


def _authority(called: str, now: datetime, days: int) -> Issued:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(called)
    public = key.public_key()
    builder = (
        _begun(name, name, key, now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return Issued(certificate=builder.sign(key, hashes.SHA256()), key=key)


def _issue(authority: Issued, name: str, now: datetime, days: int, *, names: Sequence[str]) -> Issued:
    """Return a certificate of the authority: for a service when it has names, else for callers."""
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = (
        _begun(_name(name), authority.certificate.subject, key, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(signer, critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
    return Issued(certificate=builder.sign(authority.key, hashes.SHA256()), key=key)


def _begun(subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    """Return a host as a certificate names it. Raises Misuse for what is no host."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise Misuse(f"--host {name} is neither an address nor a name in ASCII letters") from error


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _refuse_to_overwrite(folder: Path, files: Iterable[str]) -> None:
    if there := [name for name in files if (folder / name).exists()]:
        raise Failure(f"{folder} has {', '.join(there)} already; name an empty folder, or remove them first")


def _write(path: Path, content: bytes) -> None:
    """Write a new file; a key is its owner's alone from the first byte on."""
    path.touch(mode=0o600 if path.suffix == ".key" else 0o644, exist_ok=False)
    path.write_bytes(content)
