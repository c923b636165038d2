"""What people and scripts read: colours only where somebody looks, and nothing that could steer the terminal."""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH: Final = 200
"""Columns of a table that goes into a file or a pipe, where nothing needs to fit on a screen."""

_MINUTE_S: Final = 60
_MINUTES_AN_HOUR: Final = 60
_GIGABYTE: Final = 1_000_000_000
_LARGE: Final = 10_000
_MILLION: Final = 1_000_000
_KEPT_CONTROLS: Final = frozenset("\n\t")


def screen(*, stderr: bool = False) -> "Console":
    """Return where to print for people. Rich leaves colours out under NO_COLOR and where no terminal is."""
    from rich.console import Console  # noqa: PLC0415 - 6 MB, which a command that prints for scripts is spared

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def say(out: "Console", text: str, *, lead: str = "", style: str = "", lead_style: str = "") -> None:
    """Print a paragraph that begins with `lead`; further lines begin below its text. A pipe gets one line, for grep."""
    if not out.is_terminal:
        print(f"{lead}{text}", file=out.file, flush=True)  # rich would turn tabs into spaces
        return
    from rich.text import Text  # noqa: PLC0415 - as in `screen`, which was called before

    paragraph, first = Text(text, style=style), Text(lead, style=lead_style or style)
    for index, line in enumerate(paragraph.wrap(out, max(out.width - len(lead), 1))):
        line.rstrip()
        out.print((Text(" " * len(lead)) if index else first) + line, soft_wrap=True)


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object on one line of standard output, for scripts."""
    # Where letters would become Python's escapes, JSON's own keep it JSON.
    is_utf_8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not is_utf_8), flush=True)


def printable(text: str) -> str:
    """Return the text without control characters other than line ends and tabs.

    An answer of a model must not move the cursor, hide what stands above it, or name windows.
    """
    return "".join(char for char in text if char in _KEPT_CONTROLS or not _is_control(char))


def _is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char <= "\x9f"


def dollars(amount_usd: float | None) -> str:
    """Return an amount for people: cents from a dollar on, else two digits that say something; None is unknown."""
    if amount_usd is None:
        return "unknown cost"
    if amount_usd >= 1:
        return f"${amount_usd:,.2f}"
    return f"${Decimal(f'{amount_usd:.2g}'):f}"  # never as 3e-05


def seconds(duration_s: float) -> str:
    """Return a duration for people: "840 ms", "2.1 s", "3 min 5 s", "2 h 10 min"."""
    if duration_s < 1:
        return f"{duration_s * 1_000:.0f} ms"
    if duration_s < _MINUTE_S:
        return f"{duration_s:.1f} s"
    minutes, rest_s = divmod(round(duration_s), _MINUTE_S)
    hours, minutes = divmod(minutes, _MINUTES_AN_HOUR)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest_s} s" if rest_s else f"{minutes} min"


def gigabytes(size_bytes: int) -> str:
    """Return a size for people, in the decimal units that model libraries use."""
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= _GIGABYTE else f"{size_bytes / 1e6:.0f} MB"


def count(number: int) -> str:
    """Return a number for people: all digits of a small one, four of a large one, such as 1.999M."""
    if number < _LARGE:
        return f"{number:,}"
    return f"{number / 1e3:.4g}k" if number < _MILLION else f"{number / 1e6:.4g}M"


def ratio(part: int, whole: int) -> str:
    """Return how many of a part there are to one of the whole; a dash where there is no whole."""
    return f"{part / whole:.2f}" if whole else "–"


def share(part: int, whole: int) -> str:
    """Return a part in per cent; a dash where there is no whole."""
    return f"{part / whole:.1%}" if whole else "–"
