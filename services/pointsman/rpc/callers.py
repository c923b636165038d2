"""Who asks, before the call is served: by the key or the certificate that came along, or by the word of our Router."""

import hmac
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import structlog

from pointsman.config import keys
from pointsman.config.keys import Key
from pointsman.domain.errors import CertificateUnknown, KeyMissing, KeyUnknown, SettingsError
from pointsman.telemetry import facts, names
from pointsman.telemetry.spans import mark

_AUTHORIZATION: Final = "authorization"
_API_KEY: Final = "x-api-key"
_BEARER: Final = "bearer "

CALLER_KEY: Final = "pointsman-caller"
"""The metadata in which the Router tells the Executor who calls, before there is a request to read it in."""

_NAMES_OF_CERTIFICATE: Final = ("x509_common_name", "x509_subject_alternative_name")
"""Where gRPC keeps the names that a peer's certificate is good for."""

_caller: ContextVar[str] = ContextVar("caller", default="")

Context = grpc.aio.ServicerContext[Any, Any]
Metadata = Mapping[str, str]
"""What came along with a call beside its message, by name: the texts of it, and the last of each name."""

WhoCalls = Callable[[Metadata, Context], str]
"""Returns who calls, empty for nobody in particular; raises KeyMissing, KeyUnknown and CertificateUnknown."""


def current_caller() -> str:
    """Return whose key came with the call under way; empty where nobody is asked for one."""
    return _caller.get()


def greet(caller: str) -> None:
    """Note who asks, for the rest of the call."""
    _caller.set(caller)
    facts.bind(caller=caller)
    mark(names.CALLER, caller)


def told_by_router(metadata: Metadata, _context: Context) -> str:
    """Return who calls by the word of our Router, which is believed as whoever reaches the Executor is."""
    return metadata.get(CALLER_KEY, "")


class Keyring:
    """The keys that open the door. Read anew at the next call after a change; what cannot be used changes nothing."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises SettingsError when it cannot be used."""
        self._path = path
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
        self._seen = _stamp(path)
        self._keys = _valid(path)

    def caller_of(self, metadata: Metadata) -> str:
        """Return whose key is in the metadata. Raises KeyMissing and KeyUnknown."""
        self._look_again()
        presented = presented_key(metadata)
        if not presented:
            wanted = f"send the metadata `{_AUTHORIZATION}: Bearer KEY` or `{_API_KEY}: KEY`"
            raise KeyMissing(f"this Router asks for a key, and none came; {wanted}")
        wanted_digest, found = keys.digest(presented), ""
        for key in self._keys:  # all of them, and each in the same time, so that time tells nothing
            if hmac.compare_digest(key.sha256, wanted_digest):
                found = key.caller
        if not found:
            raise KeyUnknown("the key that came opens nothing here: it was never made, or it was revoked")
        return found

    def _look_again(self) -> None:
        seen = _stamp(self._path)
        if seen == self._seen:
            return
        self._seen = seen  # said once for each change, also when it is a bad one
        try:
            self._keys = _valid(self._path)
        except SettingsError as error:
            self._log.warning(names.EVENT_KEYS_UNUSABLE, detail=error.message)
            return
        self._log.info(names.EVENT_KEYS_CHANGED, file=str(self._path), count=len(self._keys))


@dataclass(slots=True, kw_only=True)
class Reception:
    """Asks callers who they are: a key goes before a certificate. `certificates` has callers by a name of theirs."""

    keyring: Keyring | None
    certificates: Mapping[str, str]

    def who_calls(self, metadata: Metadata, context: Context) -> str:
        """Return who calls. Raises KeyMissing, KeyUnknown and CertificateUnknown."""
        if self.keyring and (presented_key(metadata) or not self.certificates):
            return self.keyring.caller_of(metadata)
        return self._by_certificate(context)

    def _by_certificate(self, context: Context) -> str:
        """Return whose certificate the connection shows; our authority has signed it, which gRPC has seen to."""
        shown = context.auth_context()
        named = [name.decode(errors="replace") for field in _NAMES_OF_CERTIFICATE for name in shown.get(field, ())]
        for name in named:
            if name in self.certificates:
                return self.certificates[name]
        message = f"the certificate is good for {', '.join(named) or 'no name'}, and no caller of the settings has it"
        advice = "set `certificate` of a caller to one of its names"
        raise CertificateUnknown(f"{message}; {advice + ', or send a key' if self.keyring else advice}")


def _valid(path: Path) -> tuple[Key, ...]:
    return tuple(key for key in keys.read(path) if key.revoked is None)


def _stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes when the file does; what is not there counts as nothing."""
    try:
        about = path.stat()
    except OSError:
        return (0, 0, 0)
    return (about.st_mtime_ns, about.st_size, about.st_ino)


def presented_key(metadata: Metadata) -> str:
    """Return the key that came; empty for none. A bearer's goes before the other."""
    bearer = metadata.get(_AUTHORIZATION, "")
    if bearer.lower().startswith(_BEARER):
        return bearer[len(_BEARER) :].strip()
    return metadata.get(_API_KEY, "").strip()
