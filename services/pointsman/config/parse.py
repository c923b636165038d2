"""Turn a TOML table into a tree of frozen dataclasses, by their type hints. Knows no key by name."""

import dataclasses
import difflib
import json
import re
import sys
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from pointsman.config.settings import Range
from pointsman.domain.errors import SettingsError

Table = dict[str, Any]
T = TypeVar("T")


def parse(kind: type[T], table: object, path: str = "") -> T:
    """Return a `kind` made of `table`.

    Raises SettingsError, naming the dotted path, for an unknown key, a missing key, a wrong type and a number out of
    range.
    """
    if not isinstance(table, dict):
        raise _wrong(path, table, "a table")
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # kind is a settings dataclass
    for key in table:
        if key not in fields:
            raise _unknown(join(path, key), key, list(fields))
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _value(hints[name], table[name], join(path, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            here = join(path, name)
            raise SettingsError(f"{here} is missing", path=here)
    return kind(**values)


def _value(hint: Any, raw: object, path: str) -> object:  # noqa: ANN401 - a type hint can be anything
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _within(_value(arguments[0], raw, path), arguments[1], path)
    if origin in {Union, types.UnionType}:
        return _value(next(a for a in arguments if a is not type(None)), raw, path)
    if origin is Literal:
        if raw not in arguments:
            raise _wrong(path, raw, f"one of {', '.join(map(repr, arguments))}")
        return raw
    if origin is dict:
        if not isinstance(raw, dict):
            raise _wrong(path, raw, "a table")
        return {key: _value(arguments[1], below, join(path, key)) for key, below in raw.items()}
    if origin is tuple:
        if not isinstance(raw, list):
            raise _wrong(path, raw, "a list")
        return tuple(_value(arguments[0], below, f"{path}[{index}]") for index, below in enumerate(raw))
    if dataclasses.is_dataclass(hint):
        return parse(hint, raw, path)  # type: ignore[arg-type]  # a hint is a type, never an instance
    return SCALARS[hint](raw, path)


def _text(raw: object, path: str) -> str:
    if not isinstance(raw, str):
        raise _wrong(path, raw, "text in quotes")
    return raw


def _flag(raw: object, path: str) -> bool:
    if not isinstance(raw, bool):
        raise _wrong(path, raw, "true or false")
    return raw


def _whole(raw: object, path: str) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise _wrong(path, raw, "a whole number")
    return raw


def _number(raw: object, path: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _wrong(path, raw, "a number")
    # Not isfinite: it raises for whole numbers that no float can hold.
    if not -sys.float_info.max <= raw <= sys.float_info.max:
        raise _wrong(path, raw, "a finite number")
    return float(raw)


SCALARS: dict[object, Callable[[object, str], object]] = {str: _text, bool: _flag, int: _whole, float: _number}


def _within(value: object, bounds: Range, path: str) -> object:
    if isinstance(value, int | float) and not bounds.low <= value <= bounds.high:
        raise _wrong(path, value, f"from {bounds.low:g} to {bounds.high:g}")
    return value


def _wrong(path: str, raw: object, wanted: str) -> SettingsError:
    return SettingsError(f"{path or 'settings'} = {raw!r}: must be {wanted}", path=path, value=str(raw))


def _unknown(path: str, key: str, known: list[str]) -> SettingsError:
    near = difflib.get_close_matches(key, known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return SettingsError(f"{path} is not a setting; {advice}", path=path)


def join(path: str, name: str) -> str:
    """Return the dotted path of what is called `name` below a path."""
    return f"{path}.{quoted(name)}" if path else quoted(name)


def quoted(key: str) -> str:
    """Return a key as a dotted path writes it: in quotes unless it is bare."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'


def refuse(path: str, value: object, advice: str) -> NoReturn:
    """Raise SettingsError for a value that is of the right type and still cannot be."""
    message = f"{path} = {json.dumps(value, ensure_ascii=False)}: {advice}"
    raise SettingsError(message, path=path, value=str(value))
