"""Who asks: the key that came with a call, looked up in the keys file before the call is served."""

import hmac
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import structlog

from pointsman.config import keys
from pointsman.config.keys import Key
from pointsman.domain.errors import KeyMissing, KeyUnknown, SettingsError
from pointsman.telemetry import names
from pointsman.telemetry.spans import mark

_AUTHORIZATION: Final = "authorization"
_API_KEY: Final = "x-api-key"
_BEARER: Final = "bearer "

_caller: ContextVar[str] = ContextVar("caller", default="")

Metadata = Iterable[tuple[str, str | bytes]]


def current_caller() -> str:
    """Return whose key came with the call under way; empty where nobody is asked for one."""
    return _caller.get()


class Keyring:
    """The keys that open the door. Read anew at the next call after a change; what cannot be used changes nothing."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises SettingsError when it cannot be used."""
        self._path = path
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
        self._seen = _stamp(path)
        self._keys = _valid(path)

    def admit(self, metadata: Metadata) -> None:
        """Note who asks, for the rest of the call. Raises KeyMissing and KeyUnknown."""
        caller = self.caller_of(metadata)
        _caller.set(caller)
        structlog.contextvars.bind_contextvars(caller=caller)
        mark(names.CALLER, caller)

    def caller_of(self, metadata: Metadata) -> str:
        """Return whose key is in the metadata. Raises KeyMissing and KeyUnknown."""
        self._look_again()
        presented = _presented(metadata)
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


def _valid(path: Path) -> tuple[Key, ...]:
    return tuple(key for key in keys.read(path) if key.revoked is None)


def _stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes when the file does; what is not there counts as nothing."""
    try:
        about = path.stat()
    except OSError:
        return (0, 0, 0)
    return (about.st_mtime_ns, about.st_size, about.st_ino)


def _presented(metadata: Metadata) -> str:
    """Return the key that came; empty for none. A bearer's goes before the other."""
    told = {name: value for name, value in metadata if isinstance(value, str)}
    bearer = told.get(_AUTHORIZATION, "")
    if bearer.lower().startswith(_BEARER):
        return bearer[len(_BEARER) :].strip()
    return told.get(_API_KEY, "").strip()
