"""The last net for secrets: whatever looks like a key is hidden in all that is shown, wherever it came from.

The first net is `domain/secret.py`: a key that is a Secret never gets this far.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Final

MASK: Final = "[masked]"

_PLAIN: Final = frozenset({str, int, float, bool, datetime, NoneType})
"""Types that hold nothing which has a name of its own."""

_SECRET_FIELD: Final = re.compile(r"api.?key|authorization|password|secret|credential", re.IGNORECASE)
_BORDER: Final = r"(?:\b|(?<=\\[abefnrtv0])|(?<=\\x[\da-f]{2})|(?<=\\u[\da-f]{4}))"
"""Where a word begins, or an escape ends whose letters would be taken for its own: JSON writes a new line so."""
_SECRET_VALUE: Final = re.compile(
    rf"{_BORDER}(?:(?:sk-|rk-|pk-|pm_)[\w-]{{16,}}|AIza[\w-]{{30,}}|Bearer(?:\s|\\[nrt])+[\w.~+/=-]{{8,}})"
    r"|(?<=://)[^\s/@\"']*:[^\s/@\"']+(?=@)",
    re.IGNORECASE | re.ASCII,
)
"""Keys as OpenAI, Anthropic, DeepSeek, Moonshot (sk-…), Google (AIza…) and we (pm_…) write them (2026-11), bearer
tokens, and the name and password in a URL."""
_SECRET_BYTES: Final = re.compile(_SECRET_VALUE.pattern.encode(), re.IGNORECASE)

_MOST_NAMES: Final = 1_024
_harmless: Final[set[str]] = set()
"""Names of fields that were looked at, do not speak of keys and hold none; looked at once, so many at most."""


def needs_no_mask(fields: Mapping[str, object]) -> bool:
    """Return whether no name and no value can hold a key; where that is not plain to see, False.

    Nearly all lines are plain, and their few texts are half as long as the finished line.
    """
    if not _harmless.issuperset(fields):
        return False
    texts = []
    for value in fields.values():
        if type(value) is str:
            texts.append(value)
        elif type(value) not in _PLAIN and value:
            return False
    return not _is_hinted_at("\n".join(texts).lower())


def masked_text(text: str) -> str:
    """Return the text without what looks like a key."""
    return _SECRET_VALUE.sub(MASK, text)


def masked_bytes(line: bytes) -> bytes:
    """Return the line without what looks like a key."""
    # Any bytes can be read so; a text is searched twice as fast as they are.
    return _SECRET_BYTES.sub(MASK.encode(), line) if _is_hinted_at(line.decode("latin-1").lower()) else line


def masked_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields without what stands below names that speak of keys, numbers apart, at any depth.

    `api_key_env` and `api_key_file` hold names and may be seen.
    """
    hidden = {name: _masked("", value) for name, value in fields.items() if type(value) not in _PLAIN}
    if not _harmless.issuperset(fields):
        hidden |= {name: _masked(name, fields[name]) for name in fields if _speaks_of_keys(name)}
    return {**fields, **hidden}


def _is_hinted_at(lowered: str) -> bool:
    """Return whether one of those is in there without which no key is.

    To look for them takes a tenth of what the pattern takes, and most lines have none. Neither a loop nor any(): they
    cost as much as the searches.
    """
    return (
        ("k-" in lowered and ("sk-" in lowered or "rk-" in lowered or "pk-" in lowered))
        or "pm_" in lowered
        or "aiza" in lowered
        or "bearer" in lowered
        or "://" in lowered
    )


def _masked(name: object, value: object) -> object:
    """Return the value without what may not be seen; below a name that speaks of keys that is all but numbers."""
    speaks = _speaks_of_keys(name)
    match value:
        case list() | tuple():
            return [_masked(name, inner) for inner in value]
        case Mapping() if speaks:
            return {key: _masked(name, inner) for key, inner in value.items()}
        case Mapping():
            return masked_fields(value)
        case _ if speaks and (type(value) is str or type(value) not in _PLAIN):
            return MASK
        case _:
            return value


def _speaks_of_keys(name: object) -> bool:
    if name in _harmless:
        return False
    field = str(name)
    speaks = bool(_SECRET_FIELD.search(field)) and not field.endswith(("_env", "_file"))
    if not speaks and not _is_hinted_at(field.lower()) and len(_harmless) < _MOST_NAMES:
        _harmless.add(field)
    return speaks
