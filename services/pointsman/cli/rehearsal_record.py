"""What people hand a rehearsal: a mix in words, and a record of requests as JSON lines. Wrong input is named."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pointsman.cli.failure import Misuse
from pointsman.cli.json_lines import WrongLine, read_json_lines
from pointsman.cli.rehearsal_traffic import BYTES_PER_TOKEN, IMAGE_TOKENS, TURN_TOKENS, Asked, Recorded, sized
from pointsman.simulator.traffic import DAY_S, OFFICE_DAY

MOST_TOKENS: Final = 10_000_000
LONGEST_S: Final = 366 * DAY_S
REQUIRED: Final = ("at", "category", "input_tokens", "output_tokens")
KEYS: Final = (*REQUIRED, "image", "max_output_tokens")
EXAMPLE: Final = '{"at": "2026-11-23T09:00:00Z", "category": "quick", "input_tokens": 120, "output_tokens": 60}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, and the midnight (UTC) at which it begins; None where its times are seconds."""

    traffic: Recorded
    start: datetime | None


@dataclass(frozen=True, slots=True)
class _Size:
    """What was asked, without when."""

    category: str
    input_tokens: int
    output_tokens: int
    image: bool
    max_output_tokens: int | None


def read_mix(text: str, categories: Collection[str]) -> dict[str, float]:
    """Return shares by category; without any text, those of an office for the categories there are. Raises Misuse."""
    if not text:
        known = {name: kind.share for name, kind in OFFICE_DAY.mix.items() if name in categories}
        return known or dict.fromkeys(categories, 1.0)
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        if name not in categories:
            raise Misuse(f"--mix {text}: there is no pool {name!r}; there are: {', '.join(categories)}")
        weight = _share(share)
        if weight is None or name in mix:
            raise Misuse(f"--mix {text}: {part.strip()!r} is no share; write it as --mix quick=50,coding=30")
        mix[name] = weight
    if not sum(mix.values()):
        raise Misuse(f"--mix {text}: all shares are 0")
    return mix


def read_record(path: Path, categories: Collection[str], *, days: int | None) -> Record:
    """Return the requests of a file. With `days` it is cut, or begun again, to that length. Raises Misuse."""
    rows = _rows(path, categories)
    first = min(at for at, _ in rows)
    start = (
        datetime.fromtimestamp(first, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if first > LONGEST_S
        else None
    )
    begun = start.timestamp() if start else 0.0
    made = {size: _asked(size) for size in {size for _, size in rows}}
    coming = sorted(((at - begun, made[size]) for at, size in rows), key=lambda each: each[0])
    if coming[-1][0] > LONGEST_S:
        raise Misuse(f"{path} spans more than a year; give a shorter stretch")
    recorded_days = math.floor(coming[-1][0] / DAY_S) + 1
    return Record(
        traffic=Recorded(rows=tuple(coming), period_s=recorded_days * DAY_S, days=days or recorded_days), start=start
    )


def _rows(path: Path, categories: Collection[str]) -> Sequence[tuple[float, _Size]]:
    """Return the rows with their instants: seconds since 1970, or since the start where they are so written."""
    is_dated: bool | None = None

    def read(row: dict[str, Any], _: int) -> tuple[float, _Size]:
        nonlocal is_dated
        _check_keys(row)
        made = _at(row["at"], is_dated=is_dated), _size(row, categories)
        is_dated = isinstance(row["at"], str)
        return made

    return read_json_lines(path, read, noun="request", example=EXAMPLE)


def _check_keys(row: Collection[str]) -> None:
    for key in REQUIRED:
        if key not in row:
            raise WrongLine(f'"{key}" is missing')
    for key in row:
        if key not in KEYS:
            raise WrongLine(f'"{key}" is not known here; the keys are {", ".join(KEYS)}')


def _size(row: dict[str, Any], categories: Collection[str]) -> _Size:
    if row["category"] not in categories:
        raise WrongLine(f'"category" is {row["category"]!r}; there are pools for {", ".join(categories)}')
    if not isinstance(row.get("image", False), bool):
        raise WrongLine(f'"image" is {row["image"]!r}; it must be true or false')
    return _Size(
        category=row["category"],
        input_tokens=_tokens(row, "input_tokens", least=1),
        output_tokens=_tokens(row, "output_tokens", least=0),
        image=row.get("image", False),
        max_output_tokens=_tokens(row, "max_output_tokens", least=1) if row.get("max_output_tokens") else None,
    )


def _tokens(row: dict[str, Any], key: str, *, least: int) -> int:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_TOKENS:
        raise WrongLine(f'"{key}" is {value!r}; it must be a whole number from {least} to {MOST_TOKENS:,}')
    return value


def _at(value: object, *, is_dated: bool | None) -> float:
    """Return an instant; `is_dated` says how those before were written, None where there are none."""
    found = _instant(value)
    if is_dated is not None and isinstance(value, str) is not is_dated:
        raise WrongLine('"at" is an instant in some lines and seconds in others; choose one')
    return found


def _instant(value: object) -> float:
    """Return seconds since 1970 of a date, and seconds as they are."""
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError as error:
            raise WrongLine(f'"at" is {value!r}; write an instant such as 2026-11-23T09:00:00Z, or seconds') from error
        aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
        if aware.timestamp() <= LONGEST_S:
            raise WrongLine(f'"at" is {value!r}; it must be after 1971')
        return aware.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
        raise WrongLine(
            f'"at" is {value!r}; write an instant such as 2026-11-23T09:00:00Z, or seconds from 0 to a year'
        )
    return float(value)


def _asked(size: _Size) -> Asked:
    """Return the request; its text has as many bytes as its tokens take in English."""
    text_tokens = max(1, size.input_tokens - TURN_TOKENS - size.image * IMAGE_TOKENS)
    return sized(
        size.category,
        text_bytes=round(text_tokens * BYTES_PER_TOKEN),
        has_image=size.image,
        input_tokens=size.input_tokens,
        output_tokens=size.output_tokens,
        max_output_tokens=size.max_output_tokens,
    )


def _share(text: str) -> float | None:
    """Return a number ≥ 0 that is finite; None when it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
