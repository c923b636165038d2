"""The last net for secrets: whatever looks like a key is hidden in all that is shown, wherever it came from.

The first net is `domain/secret.py`: a key that is a Secret never gets this far.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType
from typing import Final

MASK: Final = "[masked]"

_PLAIN: Final = frozenset({str, int, float, bool, NoneType})
"""Types that hold nothing which has a name of its own."""

_SECRET_FIELD: Final = re.compile(r"api.?key|authorization|password|secret|credential", re.IGNORECASE)
_SECRET_VALUE: Final = re.compile(
    r"\b(?:sk-|rk-|pk-|pm_)[\w-]{16,}|\bAIza[\w-]{30,}|\bBearer\s+[\w.~+/=-]{8,}|(?<=://)[^\s/@\"']*:[^\s/@\"']+(?=@)",
    re.IGNORECASE,
)
"""Keys as OpenAI, Anthropic, DeepSeek, Moonshot (sk-…), Google (AIza…) and we (pm_…) write them (2026-11), bearer
tokens, and the name and password in a URL."""
_SECRET_BYTES: Final = re.compile(_SECRET_VALUE.pattern.encode(), re.IGNORECASE)
_HINTS: Final = (b"sk-", b"rk-", b"pk-", b"pm_", b"aiza", b"bearer", b"://")
"""No match is without one of these. To look for them takes a tenth of what the pattern takes, and most lines have
none."""


def masked_text(text: str) -> str:
    """Return the text without what looks like a key."""
    return _SECRET_VALUE.sub(MASK, text)


def masked_bytes(line: bytes) -> bytes:
    """Return the line without what looks like a key."""
    lowered = line.lower()
    for hint in _HINTS:
        if hint in lowered:
            return _SECRET_BYTES.sub(MASK.encode(), line)
    return line


def masked_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields without the texts of those whose names speak of keys, at any depth.

    `api_key_env` and `api_key_file` hold names and may be seen.
    """
    return {
        name: value if type(value) in _PLAIN and not _speaks_of_keys(name) else _masked(name, value)
        for name, value in fields.items()
    }


def _masked(name: object, value: object) -> object:
    match value:
        case str() | bytes() if _speaks_of_keys(name):
            return MASK
        case Mapping():
            return masked_fields(value)
        case list() | tuple():
            return [_masked("", inner) for inner in value]
        case _:
            return value


@lru_cache(maxsize=1_024)
def _speaks_of_keys(name: object) -> bool:
    field = str(name)
    return bool(_SECRET_FIELD.search(field)) and not field.endswith(("_env", "_file"))
