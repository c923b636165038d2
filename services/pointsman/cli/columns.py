"""Tables that fit where they are printed: columns that matter less are left out, names are never broken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.table import Table

GAP: Final = 2
"""Screen columns between two columns of a table."""

JOINT: Final = " · "
"""Where a cell may be broken: the parts between stay whole as long as they fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: a heading, and a cell for each row.

    `rank` 0 is always shown; the others are added from 1 on as long as there is room. `least` is how narrow the column
    can become whose cells go over several lines, one column a table; None: cells stay on one line.
    """

    heading: str
    cells: tuple[str, ...]
    rank: int = 0
    least: int | None = None
    justify: Literal["left", "right"] = "left"

    @property
    def widest(self) -> int:
        """Screen columns of the widest cell."""
        return max(map(cell_len, (self.heading, *self.cells)))

    @property
    def needed(self) -> int:
        """Screen columns without which the column is not shown."""
        return self.widest if self.least is None else min(self.widest, self.least)


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit into `width`, in their order. Those of rank 0 are among them whatever the width."""
    chosen = {index for index, column in enumerate(columns) if not column.rank}
    free = width + GAP - sum(columns[index].needed + GAP for index in chosen)
    for index in sorted(range(len(columns)), key=lambda index: columns[index].rank):
        cost = columns[index].needed + GAP
        if index not in chosen and cost <= free:
            chosen.add(index)
            free -= cost
    return [column for index, column in enumerate(columns) if index in chosen]


def table_of(columns: Sequence[Column], width: int, styles: Sequence[str | None] = ()) -> Table:
    """Return a table of what fits into `width`; `styles` has one entry a row, or none at all."""
    shown = fitting(columns, width)
    room = width - sum(column.needed + GAP for column in shown if column.least is None)
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0), collapse_padding=True)
    for column in shown:
        is_whole = column.least is None
        made.add_column(
            column.heading,
            justify=column.justify,
            no_wrap=is_whole,
            min_width=column.needed if is_whole else None,
            overflow="fold",
        )
    rows = zip(*(column.cells for column in shown), strict=True)
    for index, row in enumerate(rows):
        cells = (cell if each.least is None else folded(cell, room) for each, cell in zip(shown, row, strict=True))
        made.add_row(*cells, style=styles[index] if styles else None)
    return made


def folded(cell: str, width: int) -> str:
    """Return the cell with line ends where its parts no longer fit side by side."""
    lines = [""]
    for part in cell.split(JOINT):
        longer = f"{lines[-1]}{JOINT}{part}" if lines[-1] else part
        if lines[-1] and cell_len(longer) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return "\n".join(lines)
