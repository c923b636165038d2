"""The figures of an evaluation for people: totals, categories, languages, and what was taken for what."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from pointsman.cli.columns import JOINT, Column, table_of
from pointsman.cli.evaluation_figures import Figures
from pointsman.cli.terminal import printable, say

NO_LANGUAGE: Final = "not said"
"""What stands for the language of prompts whose lines name none."""

_ZERO: Final = "·"
"""What stands for a 0 in the confusion, so that the numbers stand out."""


def show(out: Console, found: Figures) -> None:
    """Print it all; a pipe gets lines with tabs between the parts."""
    if not out.is_terminal:
        for line in plain(found):
            say(out, line)
        return
    for columns in (totals(found), categories(found), languages(found), confusion(found)):
        out.print(table_of(columns, out.width))
        out.print()


def totals(found: Figures) -> tuple[Column, ...]:
    """Return one figure a row, with its interval where it has one."""
    rows = rows_of(found)
    return (
        Column(heading="figure", cells=tuple(name for name, _, _ in rows)),
        Column(heading="measured", cells=tuple(value for _, value, _ in rows), justify="right"),
        Column(heading="95 % within", cells=tuple(interval for _, _, interval in rows), rank=1),
    )


def categories(found: Figures) -> tuple[Column, ...]:
    """Return one row a category."""
    rows: list[Figures] = found["categories"]
    return (
        Column(heading="category", cells=tuple(printable(row["category"]) for row in rows)),
        _numbers("prompts", [f"{row['prompts']:,}" for row in rows], 3),
        _numbers("F1", [_number(row["f1"]) for row in rows], 0),
        _numbers("found", [_number(row["recall"]) for row in rows], 1),
        _numbers("95 % within", [interval_of(row, "recall") for row in rows], 4),
        _numbers("lenient", [_number(row["recall_lenient"]) for row in rows], 5),
        _numbers("ruled rightly", [_number(row["precision"]) for row in rows], 2),
    )


def languages(found: Figures) -> tuple[Column, ...]:
    """Return one row a language."""
    rows: list[Figures] = found["languages"]
    return (
        Column(heading="language", cells=tuple(printable(row["lang"]) or NO_LANGUAGE for row in rows)),
        _numbers("prompts", [f"{row['prompts']:,}" for row in rows], 1),
        _numbers("accuracy", [_number(row["accuracy"]) for row in rows], 0),
        _numbers("95 % within", [interval_of(row, "accuracy") for row in rows], 2),
        _numbers("lenient", [_number(row["accuracy_lenient"]) for row in rows], 4),
        _numbers("macro-F1", [_number(row["macro_f1"]) for row in rows], 3),
        _numbers("ECE", [_number(row["ece"]) for row in rows], 5),
    )


def confusion(found: Figures) -> tuple[Column, ...]:
    """Return one row a label, one column a ruling."""
    counts: dict[str, dict[str, int]] = found["confusion"]
    return (
        Column(heading="labelled ↓  ruled →", cells=tuple(map(printable, counts))),
        *(
            _numbers(printable(ruled), [f"{row[ruled]:,}" if row[ruled] else _ZERO for row in counts.values()], 0)
            for ruled in counts
        ),
    )


def plain(found: Figures) -> list[str]:
    """Return everything as lines with tabs between their parts, for grep."""
    said = ["\t".join(filter(None, row)) for row in rows_of(found)]
    said += [_line("category", columns) for columns in _rows(categories(found))]
    said += [_line("language", columns) for columns in _rows(languages(found))]
    for label, row in found["confusion"].items():
        taken = ", ".join(f"{count:,} as {printable(ruled)}" for ruled, count in row.items() if count)
        said += [f"ruled\t{printable(label)}\t{taken}"] if taken else []
    return said


def rows_of(found: Figures) -> list[tuple[str, str, str]]:
    """Return name, value and interval of each figure on the whole set."""
    accept = found["accept_confidence"]
    rows = [
        ("prompts", f"{found['prompts']:,}", ""),
        ("accuracy", _number(found["accuracy"]), interval_of(found, "accuracy")),
        ("accuracy, lenient", _number(found["accuracy_lenient"]), interval_of(found, "accuracy_lenient")),
        ("macro-F1", _number(found["macro_f1"]), ""),
        ("worst F1", _number(found["worst_f1"]), ""),
        ("calibration error (ECE)", _number(found["ece"]), ""),
        ("Brier score", _number(found["brier"]), ""),
        (f"accepted at {accept:g}", f"{found['accepted_share']:.1%}", ""),
        ("accuracy of the accepted", _number(found["accepted_accuracy"]), interval_of(found, "accepted_accuracy")),
        ("verdict, p50 / p99", f"{_milliseconds(found['p50_ms'])} / {_milliseconds(found['p99_ms'])}", ""),
    ]
    texts = found["without_image"]
    if texts is not None:
        rows.append(("accuracy without an image", _number(texts["accuracy"]), interval_of(texts, "accuracy")))
    if found["mode"] != "embedded":
        hop = JOINT.join(f"{state.replace('_', ' ')} {count:,}" for state, count in found["hop"].items())
        rows += [("went to the small model", f"{found['hop_share']:.1%}", ""), ("small model", hop, "")]
    flips = found["flips"]
    if flips is not None:
        name = f"turned with the order, of {flips['asked_twice']:,}"
        rows.append((name, f"{flips['share']:.1%}", interval_of(flips, "share")))
    return rows


def interval_of(found: Figures, name: str) -> str:
    """Return the interval of a figure, as ".742 to .803"; empty where it has none."""
    interval = found.get(f"{name}_interval")
    return f"{_number(interval[0])} to {_number(interval[1])}" if interval else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _milliseconds(duration_ms: float) -> str:
    return f"{duration_ms:.2f} ms" if duration_ms < 10 else f"{duration_ms:,.0f} ms"  # noqa: PLR2004 - two digits


def _numbers(heading: str, cells: Sequence[str], rank: int) -> Column:
    return Column(heading=heading, cells=tuple(cells), rank=rank, justify="right")


def _rows(columns: Sequence[Column]) -> list[list[tuple[str, str]]]:
    headed: Any = [[(column.heading, cell) for cell in column.cells] for column in columns]
    return [list(row) for row in zip(*headed, strict=True)]


def _line(kind: str, row: Sequence[tuple[str, str]]) -> str:
    """Return one row as a line of which each part says what it is."""
    return "\t".join((kind, row[0][1], *(f"{heading} {cell}" for heading, cell in row[1:])))
