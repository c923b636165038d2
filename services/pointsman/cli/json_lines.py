"""Files of JSON objects, one a line, that people hand a command; what is wrong is told with its line."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pointsman.cli.failure import Misuse
from pointsman.cli.terminal import printable

T = TypeVar("T")


class WrongLine(ValueError):
    """A line that cannot be used; the message says why."""


def read_json_lines(path: Path, read: Callable[[dict[str, Any], int], T], *, noun: str, example: str) -> tuple[T, ...]:
    """Return what `read` makes of the object and the number of each line that is not empty, at least one.

    `noun` is what a line holds, `example` one that is right. Raises Misuse, also for a WrongLine that `read` raises.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            made = tuple(_made(path, lines, read, example))
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misuse(f"{path} is no text in UTF-8: {error.reason}; convert it first, for example with iconv") from error
    if not made:
        raise Misuse(f"{path} holds no {noun}; a line looks like {example}")
    return made


def _made(path: Path, lines: Iterable[str], read: Callable[[dict[str, Any], int], T], example: str) -> Iterable[T]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield read(_object(line), number)
        except WrongLine as wrong:
            raise Misuse(f"{path}, line {number}: {printable(str(wrong))}; a line looks like {example}") from wrong


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise WrongLine(f"this is no JSON ({error})") from error
    except RecursionError as error:
        raise WrongLine("this is nested too deep") from error
    if not isinstance(row, dict):
        raise WrongLine("this is no JSON object")
    return row
