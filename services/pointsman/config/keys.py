"""The keys of callers: how one is made, and the file that holds their hashes and never a key itself.

One JSON object a line. A key is 192 random bits, so its plain SHA-256 cannot be guessed back.
"""

import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from pointsman.domain.errors import SettingsError

PREFIX: Final = "pm_"
"""What every key of ours begins with, so that scanners and our own masks know one when they see it."""

_RANDOM_BYTES: Final = 24
_SHORTEST: Final = 22
"""Characters that can hold 128 bits, at 6 bits each."""
_FEWEST_DIFFERENT: Final = 10
_WORDS: Final = (
    "12345", "abcde", "admin", "api-key", "api_key", "apikey", "changeme", "default", "demo", "dummy", "example",
    "letmein", "password", "pointsman", "qwerty", "secret", "test", "token", "your-", "your_",
)  # fmt: skip
"""What people type where a key belongs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key as the file knows it. `sha256` is in hexadecimal; `revoked` is None while the key opens the door."""

    id: str
    caller: str
    sha256: str = field(repr=False)
    created: datetime
    revoked: datetime | None = None


def make() -> str:
    """Return a new key."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(key: str) -> str:
    """Return what the file keeps of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def record(key: str, *, caller: str, created: datetime) -> Key:
    """Return a key as the file keeps it, with an id of its own."""
    return Key(id=secrets.token_hex(4), caller=caller, sha256=digest(key), created=created)


def weakness(key: str) -> str:
    """Return why a key that somebody brings along could be guessed; empty when it could not. Never holds the key."""
    if not key.isascii() or not key.isprintable() or " " in key:
        return "it has characters that no header can carry; use letters, digits, - and _"
    if len(key) < _SHORTEST:
        return f"it has {len(key)} characters; fewer than {_SHORTEST} cannot hold 128 bits"
    if len(set(key)) < _FEWEST_DIFFERENT:
        return f"it has {len(set(key))} different characters; a random key has {_FEWEST_DIFFERENT} or more"
    if key in (key + key)[1:-1]:
        return "it repeats itself"
    if word := next((word for word in _WORDS if word in key.lower()), ""):
        return f'it holds "{word}", which people try first'
    return ""


def read(path: Path) -> tuple[Key, ...]:
    """Return the keys of a file, revoked ones too. Raises SettingsError for a file that cannot be trusted or read."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        message = f"router.keys names {path}, which does not exist; `pointsman keys create NAME` makes it"
        raise SettingsError(message, path="router.keys", file=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"router.keys names {path}, which cannot be read", path="router.keys") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        message = f"{path} can be written by others, who could let themselves in; run: chmod go-w {path}"
        raise SettingsError(message, path="router.keys", file=str(path))
    return tuple(_key(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())


@contextmanager
def changing(path: Path) -> Iterator[list[Key]]:
    """Yield the keys of a file to be changed, and write them when the block ends well.

    One process at a time; readers see the old file or the new one. Raises SettingsError, and OSError where the file
    cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keys = [*read(path)] if path.exists() else []
        yield keys
        _write(path, keys)
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: Path, keys: list[Key]) -> None:
    target = path.resolve()
    with NamedTemporaryFile("w", dir=target.parent, prefix=".keys-", encoding="utf-8", delete=False) as file:  # 0600
        try:
            file.writelines(_line(key) + "\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _line(key: Key) -> str:
    return json.dumps(
        {
            "id": key.id,
            "caller": key.caller,
            "sha256": key.sha256,
            "created": key.created.isoformat(),
            "revoked": key.revoked.isoformat() if key.revoked else None,
        }
    )


def _key(path: Path, number: int, line: str) -> Key:
    try:
        told = json.loads(line)
        revoked = told["revoked"]
        key = Key(
            id=str(told["id"]),
            caller=str(told["caller"]),
            sha256=str(told["sha256"]).lower(),
            created=datetime.fromisoformat(told["created"]),
            revoked=None if revoked is None else datetime.fromisoformat(revoked),
        )
        is_whole = len(bytes.fromhex(key.sha256)) == hashlib.sha256().digest_size
    except (ValueError, TypeError, KeyError, RecursionError):  # its text stays out: it may be a key put there by hand
        is_whole, key = False, None
    if not is_whole or key is None:
        message = f"line {number} of {path} is not what `pointsman keys` writes; remove it, and make a new key"
        raise SettingsError(message, path="router.keys", file=str(path)) from None
    return key
