"""The memory of each service over time as a picture, with the line whose slope is judged."""

from collections.abc import Sequence
from typing import Final

from pointsman.cli.svg import Point, document, line, rectangle, text
from tests.soak.course import Look, Soak
from tests.soak.verdict import HOUR_S, MIB, Kept, Verdict

WIDTH, LEFT, RIGHT, HEIGHT, STEP = 640.0, 60.0, 20.0, 130.0, 190.0
STYLE: Final = "text{font-family:system-ui,sans-serif;font-size:13px;fill:#1d252c}.head{font-size:15px;font-weight:600}"
MEMORY, TREND, GRID = "#0072b2", "#b3261e", "#e3e7eb"


def picture(seen: Soak, verdict: Verdict) -> str:
    """Return the picture as SVG."""
    drawn = [
        part
        for number, kept in enumerate(verdict.kept)
        for part in _plot(kept, [look for look in seen.looks if look.service == kept.service], 40 + number * STEP)
    ]
    height = 40 + STEP * len(verdict.kept)
    words = "; ".join(f"{kept.service}: {_said(kept)}" for kept in verdict.kept)
    ground = rectangle((0, 0), WIDTH, height, fill="#ffffff")
    return document(WIDTH, height, ground, *drawn, title="Memory under steady load", description=words, style=STYLE)


def _plot(kept: Kept, looks: Sequence[Look], top: float) -> list[str]:
    """Return one service: its memory, and over the second half the fitted line."""
    sizes = [look.rss_bytes / MIB for look in looks]
    low, high, last_s = min(sizes) - 1, max(sizes) + 1, max(looks[-1].at_s, 1e-9)

    def at(seconds: float, size: float) -> Point:
        across = (WIDTH - LEFT - RIGHT) * seconds / last_s
        return LEFT + across, top + HEIGHT * (high - size) / (high - low)

    parts = [
        text((LEFT, top - 8), f"{kept.service}: {_said(kept)}", class_="head"),
        *(line([at(0, size), at(last_s, size)], stroke=GRID) for size in (low + 1, high - 1)),
        *(text((4, at(0, size)[1] + 4), f"{size:.1f} MiB") for size in {low + 1, high - 1}),
        line([at(look.at_s, look.rss_bytes / MIB) for look in looks], stroke=MEMORY, stroke_width=1.5),
        text((WIDTH - RIGHT, top + HEIGHT + 18), f"{last_s / 60:.1f} min", text_anchor="end"),
    ]
    if fit := kept.memory:
        ends = (looks[len(looks) // 2].at_s, last_s)
        through = [at(second, fit.start + fit.slope * second / HOUR_S) for second in ends]
        parts.append(line(through, stroke=TREND, stroke_width=2))
    return parts


def _said(kept: Kept) -> str:
    if kept.memory is None:
        return "too short to say"
    return f"{kept.memory.slope:+.1f} MiB an hour, 95 % from {kept.memory.low:+.1f} to {kept.memory.high:+.1f}"
