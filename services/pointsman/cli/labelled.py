"""A file of labelled prompts, one JSON object a line, and what can be wrong with it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pointsman.cli.json_lines import WrongLine, read_json_lines

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


def read_labelled(path: Path, categories: Collection[str]) -> tuple[Labelled, ...]:
    """Return the prompts of a file; keys that are not ours are passed over. Raises Misuse, with the line."""

    def prompt(row: dict[str, Any], number: int) -> Labelled:
        return _prompt(row, number, categories)

    return read_json_lines(path, prompt, noun="prompt", example=EXAMPLE)


def _prompt(row: dict[str, Any], number: int, categories: Collection[str]) -> Labelled:
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
        raise WrongLine(f'"has_image" is {_short(prompt.has_image)}; it must be true or false')
    if not prompt.has_image and not prompt.text.strip():
        raise WrongLine('"text" is empty; only a prompt with "has_image": true may be')
    return prompt


def _string(row: dict[str, Any], key: str, *, default: str | None = None) -> str:
    value = row.get(key, default)
    if value is None:
        raise WrongLine(f'"{key}" is missing')
    if not isinstance(value, str):
        raise WrongLine(f'"{key}" is {_short(value)}; it must be a string')
    return value


def _category(name: str, key: str, categories: Collection[str]) -> str:
    if name not in categories:
        raise WrongLine(f'"{key}" names {_short(name)}; the categories are {", ".join(categories)}')
    return name


def _also_ok(value: object, categories: Collection[str]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise WrongLine(f'"also_ok" is {_short(value)}; it must be a list of categories')
    return tuple(_category(name, "also_ok", categories) for name in value)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 1] + "…"
