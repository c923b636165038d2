"""A file of labelled prompts, one JSON object a line, and what can be wrong with it."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pointsman.cli.failure import Misuse
from pointsman.cli.terminal import printable

EXAMPLE: Final = '{"text": "fix my loop", "label": "coding"}'

_SHOWN_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One prompt and what kind of work somebody says it is.

    `also_ok` are other categories that a careful reader would accept; `id` is the file's own, else "line 12"; `lang` is
    empty where the file does not say; `context` is earlier turns, oldest first.
    """

    id: str
    text: str
    label: str
    also_ok: tuple[str, ...] = ()
    lang: str = ""
    has_image: bool = False
    context: str = ""


class _Wrong(ValueError):
    """A line that cannot be used; the message says why."""


def read_labelled(path: Path, categories: Collection[str]) -> tuple[Labelled, ...]:
    """Return the prompts of a file; keys that are not ours are passed over. Raises Misuse, with the line."""
    try:
        with path.open(encoding="utf-8") as lines:
            prompts = tuple(_prompts(path, lines, categories))
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misuse(f"{path} is no text in UTF-8: {error.reason}; convert it first, for example with iconv") from error
    if not prompts:
        raise Misuse(f"{path} holds no prompt; a line looks like {EXAMPLE}")
    return prompts


def _prompts(path: Path, lines: Iterable[str], categories: Collection[str]) -> Iterable[Labelled]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _prompt(line, number, categories)
        except _Wrong as wrong:
            raise Misuse(f"{path}, line {number}: {printable(str(wrong))}; a line looks like {EXAMPLE}") from wrong


def _prompt(line: str, number: int, categories: Collection[str]) -> Labelled:
    row = _object(line)
    prompt = Labelled(
        id=str(row.get("id", f"line {number}")),
        text=_string(row, "text"),
        label=_category(_string(row, "label"), "label", categories),
        also_ok=_also_ok(row.get("also_ok", []), categories),
        lang=_string(row, "lang", default=""),
        has_image=row.get("has_image", False),
        context=_string(row, "context", default=""),
    )
    if not isinstance(prompt.has_image, bool):
        raise _Wrong(f'"has_image" is {_short(prompt.has_image)}; it must be true or false')
    if not prompt.has_image and not prompt.text.strip():
        raise _Wrong('"text" is empty; only a prompt with "has_image": true may be')
    return prompt


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise _Wrong(f"this is no JSON ({error})") from error
    except RecursionError as error:
        raise _Wrong("this is nested too deep") from error
    if not isinstance(row, dict):
        raise _Wrong("this is no JSON object")
    return row


def _string(row: dict[str, Any], key: str, *, default: str | None = None) -> str:
    value = row.get(key, default)
    if value is None:
        raise _Wrong(f'"{key}" is missing')
    if not isinstance(value, str):
        raise _Wrong(f'"{key}" is {_short(value)}; it must be a string')
    return value


def _category(name: str, key: str, categories: Collection[str]) -> str:
    if name not in categories:
        raise _Wrong(f'"{key}" names {_short(name)}; the categories are {", ".join(categories)}')
    return name


def _also_ok(value: object, categories: Collection[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _Wrong(f'"also_ok" is {_short(value)}; it must be a list of categories')
    return tuple(_category(name, "also_ok", categories) for name in value)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 1] + "…"
