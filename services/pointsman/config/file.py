"""The settings file as a table. What its keys mean stands elsewhere."""

import os
import tomllib
from pathlib import Path
from typing import Final

from pointsman.config.parse import Table
from pointsman.domain.errors import SettingsError

LARGEST_BYTES: Final = 4 << 20
"""Some forty thousand callers. A megabyte takes a second to read, in which a running service does nothing else."""


def read(source: Path) -> Table:
    """Return what a TOML file holds, of LARGEST_BYTES at most. Raises SettingsError."""
    try:
        with source.open("rb") as file:
            content, size = file.read(LARGEST_BYTES + 1), os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        message = f"settings file {source} does not exist; name one with --config FILE or POINTSMAN_CONFIG"
        raise SettingsError(message, file=str(source)) from error
    except OSError as error:
        raise SettingsError(f"settings file {source} cannot be read: {error.strerror}", file=str(source)) from error
    if len(content) > LARGEST_BYTES:
        raise _too_large(source, size)
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        # ValueError: no TOML, no UTF-8, or a number of more digits than Python reads.
        raise SettingsError(f"settings file {source} is not valid TOML: {error}", file=str(source)) from error


def _too_large(source: Path, size: int) -> SettingsError:
    has = f"has {size:,} bytes" if size > LARGEST_BYTES else "does not end"  # a device or a pipe has no size
    message = (
        f"settings file {source} {has}, and {LARGEST_BYTES:,} are the most that is read; "
        "see whether it is the right file, or take out what is not used"
    )
    return SettingsError(message, file=str(source), limit_bytes=str(LARGEST_BYTES))
