"""The project's own labelled prompts: one file a sitting, some of them held out from training."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
HELD_OUT = frozenset(
    {
        "07-held-out-people",
        "08-held-out-work",
        "23-held-out-terse",
        "24-held-out-borders",
        "26-devops-night",
        "40-ko-review",
        "53-es",
        "64-ko-en-teams",
    },
)
"""Sittings that training never reads. Of 25 to 65 one of each writer was drawn by lot, before anything was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt. `also_ok` are other categories that a careful reader would accept."""

    id: str
    text: str
    label: str
    lang: str
    has_image: bool = False
    also_ok: tuple[str, ...] = ()
    context: str = ""


def training() -> list[Row]:
    """Return the rows to learn from, in a fixed order."""
    return [row for path in _files() if path.stem not in HELD_OUT for row in read(path)]


def held_out() -> list[Row]:
    """Return the rows that training never saw."""
    return [row for path in _files() if path.stem in HELD_OUT for row in read(path)]


def read(path: Path) -> list[Row]:
    """Return the rows of a JSONL file; keys that are not ours are passed over."""
    return list(_rows(path))


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            raw = json.loads(line)
            yield Row(
                id=str(raw.get("id", f"{path.stem}-{number}")),
                text=raw["text"],
                label=raw["label"],
                lang=raw.get("lang", ""),
                has_image=raw.get("has_image", False),
                also_ok=tuple(raw.get("also_ok", ())),
                context=raw.get("context", ""),
            )


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.jsonl"))
