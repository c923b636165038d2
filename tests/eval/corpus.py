"""The project's own labelled prompts: one file a sitting, some of them held out from training."""

from pathlib import Path

from pointsman.cli.labelled import Labelled as Row
from pointsman.cli.labelled import read_labelled
from pointsman.domain.category import CATEGORIES

__all__ = ["FOLDER", "HELD_OUT", "Row", "held_out", "read", "training"]

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
        "75-novelists",
        "89-ko-backend",
        "122-en-think-or-know",
        "134-ko-elders",
    },
)
"""Sittings that training never reads. From 25 on one of each writer was drawn by lot, before anything was measured."""


def training() -> list[Row]:
    """Return the rows to learn from, in a fixed order."""
    return [row for path in _files() if path.stem not in HELD_OUT for row in read(path)]


def held_out() -> list[Row]:
    """Return the rows that training never saw."""
    return [row for path in _files() if path.stem in HELD_OUT for row in read(path)]


def read(path: Path) -> list[Row]:
    """Return the rows of a JSONL file, as `pointsman eval` reads it. Raises Misuse, with the line."""
    return list(read_labelled(path, CATEGORIES))


def _files() -> list[Path]:
    return sorted(FOLDER.glob("*.jsonl"))
