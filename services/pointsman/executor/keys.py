"""Where the key of a provider comes from: a variable of the environment, or a file that is read again on change."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from pointsman.config.load import api_key
from pointsman.config.settings import ProviderSettings
from pointsman.domain.clock import Clock
from pointsman.domain.secret import Key, Secret, fits_header
from pointsman.telemetry import names

LOOK_EVERY_S: Final = 1.0
"""A file is looked at when its key is wanted, and not again within this time."""

_LONGEST_BYTES: Final = 16_384
"""No key is longer; a file that is has been named by mistake."""


class Unusable(Exception):
    """A file holds no key; the message says why, and nothing of what it holds."""


class KeyFile:
    """The key in a file, without the white space around it; empty until there is one.

    A file that is gone, unreadable or holds no key leaves the key that was there before it: a key is replaced in
    several steps, and calls are made between them. Each such state is said once in the log, never with the content.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = Path(path)
        self._clock = clock
        self._looked_at = -math.inf
        self._stamp: tuple[int, int, int] | None = None
        self._trouble = ""
        self._key = Secret()

    def reveal(self) -> str:
        self._look()
        return self._key.reveal()

    def __bool__(self) -> bool:
        self._look()
        return bool(self._key)

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"

    def _look(self) -> None:
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._key, self._trouble = read(self._path), ""
        except Unusable as error:
            self._complain(str(error))

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            structlog.get_logger().warning(names.EVENT_KEY_FILE_UNUSABLE, file=str(self._path), detail=trouble)


class Keys:
    """The keys of all providers. One is `in` it while it has a key or needs none.

    Of those `before`, the keys whose places are the same stay: a file that is gone leaves what it held.
    """

    def __init__(
        self, providers: Mapping[str, ProviderSettings], *, clock: Clock, before: "Keys | None" = None
    ) -> None:
        self._keyless = frozenset(name for name, provider in providers.items() if not provider.key_place)
        self._places = {name: (each.api_key_env, each.api_key_file) for name, each in providers.items()}
        kept = before.at(self._places) if before else {}
        self._keys = {
            name: kept[name] if name in kept else key_of(provider, clock=clock) for name, provider in providers.items()
        }

    def at(self, places: Mapping[str, tuple[str, str]]) -> dict[str, Key]:
        """Return the keys of the providers whose variable and file these are."""
        return {name: key for name, key in self._keys.items() if places.get(name) == self._places[name]}

    def __getitem__(self, provider: str) -> Key:
        return self._keys[provider]

    def __contains__(self, provider: object) -> bool:
        return provider in self._keyless or bool(isinstance(provider, str) and self._keys.get(provider))


def key_of(provider: ProviderSettings, *, clock: Clock) -> Key:
    """Return the key of a provider; an empty one where none is there or none is needed."""
    if provider.api_key_file:
        return KeyFile(provider.api_key_file, clock)
    return Secret(api_key(provider.api_key_env))


def has_key(provider: ProviderSettings) -> bool:
    """Return whether the key of a provider is there now. Says nothing in the log."""
    if not provider.api_key_file:
        return bool(api_key(provider.api_key_env))
    try:
        return bool(read(Path(provider.api_key_file)))
    except Unusable:
        return False


def read(path: Path) -> Secret:
    """Return the key in a file. Raises Unusable."""
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Unusable(getattr(error, "strerror", None) or "its name is no name of a file") from error
    key = Secret(content.decode(errors="replace").strip())
    if not key:
        raise Unusable("it is empty")
    if len(content) > _LONGEST_BYTES or not fits_header(key):
        raise Unusable("it holds white space or characters that no API key has, or too much")
    return key


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does, also when a link to it is turned; None when it cannot be looked at."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
