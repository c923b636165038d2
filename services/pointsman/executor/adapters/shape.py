"""JSON of unknown shape, read without raising; and JSON of ours, written."""

import json
import re
from base64 import b64encode
from typing import Any, Final, Never

import orjson

from pointsman.executor.adapters.base import Unreadable, Unsendable

_MOST = 1_000_000_000_000
"""No count of tokens is higher; what is, was not a count."""

_HALF_A_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> object:
    """Return the JSON document in `body`; None when it is none, which includes HTML, nothing and `null`.

    Its texts may hold halves of surrogate pairs, because a stream may cut a pair in two.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # orjson takes no half a pair
        return _parse_with_halves(body) if _HALF_A_PAIR.search(body) else None


def _parse_with_halves(body: bytes) -> object:
    try:
        return json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> Never:
    raise ValueError(name)


def unwrap(document: object) -> object:
    """Return the document without the list of one that Gemini sometimes puts around it."""
    return document[0] if isinstance(document, list) and len(document) == 1 else document


def at(value: object, *path: str | int) -> object:
    """Return what stands at `path` (keys of objects, indices of lists); None when the way there breaks off."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text(value: object, *path: str | int) -> str:
    """Return the string at `path`; empty when there is none."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def string(found: object) -> str:
    """Return what was found if it is a string; else an empty one."""
    return found if isinstance(found, str) else ""


def members(found: object) -> dict[str, Any]:
    """Return what was found if it is an object; else an empty one."""
    return found if isinstance(found, dict) else {}


def count(value: object, *path: str | int) -> int:
    """Return the whole number at `path`; 0 when there is none that counts something."""
    return number(at(value, *path))


def number(found: object) -> int:
    """Return what was found if it is a whole number that counts something; else 0."""
    return found if type(found) is int and 0 <= found <= _MOST else 0  # True is an int, too


def objects(value: object, *path: str | int) -> list[dict[str, Any]]:
    """Return the objects in the list at `path`; empty when there is no list."""
    found = at(value, *path)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def encode(document: object) -> bytes:
    """Return `document` as JSON. Raises Unsendable for half a surrogate pair and for more than some 250 levels."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise Unsendable("The request holds invalid Unicode, or JSON that is nested too deeply.") from error


def in_base64(content: bytes, lead: str = "") -> orjson.Fragment:
    """Return bytes as the text that `encode` puts into a document: `lead`, which is plain, and the bytes in base64.

    It is JSON already, so that nobody looks for characters to escape in megabytes of an image, nor copies them for it.
    """
    return orjson.Fragment(b"".join((b'"', lead.encode(), b64encode(content), b'"')))


def encode_again(document: object) -> str:
    """Return what a provider sent as JSON again. Raises Unreadable as `encode` raises Unsendable."""
    try:
        return orjson.dumps(document).decode()
    except orjson.JSONEncodeError as error:
        detail = "The provider answered with invalid Unicode, or JSON that is nested too deeply."
        raise Unreadable(detail) from error


def decode_object(source: str, what: str) -> dict[str, Any]:
    """Return the JSON object in `source`, which the caller wrote. Raises Unsendable, naming `what` it is."""
    try:
        document = orjson.loads(source)
    except orjson.JSONDecodeError as error:
        raise Unsendable(f"{what} is not valid JSON.") from error
    if not isinstance(document, dict):
        raise Unsendable(f"{what} is not a JSON object.")
    return document
