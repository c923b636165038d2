"""The numbers of one arm in one cell, counted at the provider's door; what was promised; and the table side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rich.table import Table

from pointsman.simulator.tally import Tallies
from tests.waste.peers.cells import ANSWER_S, CELLS, PREFERRED, Cell
from tests.waste.peers.work import End

Figures = dict[str, float]

Results = dict[str, dict[str, Figures]]
"""Figures by the name of the cell, then by the title of the arm."""

KNOWN_BOUND, LEARNED_BOUND = 0.001, 0.01
"""The share of its calls that Pointsman may waste where it is told the limit, and where it must find it out."""


MOST_BUSY = 0.5
"""Where more of the machine was busy, arms waited for each other, and latencies are left out of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One gateway with one set of settings. `module` is its process, `name` what its job calls the settings."""

    title: str
    module: str
    name: str

    @property
    def is_peer(self) -> bool:
        """True where it runs in the virtual environment of the peers."""
        return self.module.endswith("litellm_arm")


CONFIGURED, NOT_CONFIGURED = "Pointsman, limit written down", "Pointsman, nothing written"

ARMS = (
    *(
        Arm(title=f"LiteLLM, {name}", module="tests.waste.peers.litellm_arm", name=name)
        for name in ("default", "num_retries=0", "cooldown", "cooldown + rpm")
    ),
    Arm(title=NOT_CONFIGURED, module="tests.waste.peers.pointsman_arm", name="not configured"),
    Arm(title=CONFIGURED, module="tests.waste.peers.pointsman_arm", name="configured"),
)


def figures_of(ends: Sequence[End], tallies: Tallies, *, requests: int, allowed: int) -> Figures:
    """Return the numbers; `requests` were sent, and the preferred model's limit had room for `allowed` of them."""
    total, preferred = tallies.total, tallies.model(PREFERRED)
    added_s = [end.took_s - ANSWER_S for end in ends if end.answered]
    return {
        "requests": requests,
        "calls": total.calls,
        "wasted": total.wasted,
        "lost": requests - len(added_s),
        "preferred": preferred.answered,
        "allowed": allowed,
        "added_s": round(sum(added_s), 3),
    } | _shares(total.calls, total.wasted, requests, sum(added_s), len(added_s), preferred.answered, allowed)


def together(many: Sequence[Figures]) -> Figures:
    """Return the numbers of many cells as if they were one."""
    sums = {
        name: sum(each[name] for each in many)
        for name in ("requests", "calls", "wasted", "lost", "preferred", "allowed", "added_s")
    }
    answered = sums["requests"] - sums["lost"]
    return sums | _shares(
        sums["calls"], sums["wasted"], sums["requests"], sums["added_s"], answered, sums["preferred"], sums["allowed"]
    )


def falls_short(cell: Cell, by_arm: Mapping[str, Figures]) -> Iterator[str]:
    """Yield a sentence for each promise that Pointsman does not hold in a cell."""
    for title in (NOT_CONFIGURED, CONFIGURED):
        figures, is_known = by_arm[title], title == CONFIGURED or cell.is_stated
        bound = KNOWN_BOUND if is_known else LEARNED_BOUND
        if figures["wasted_share"] > bound:
            yield (
                f"{title}: {cell.name}: wasted {figures['wasted_share']:.2%} of its calls "
                f"({figures['wasted']:.0f} of {figures['calls']:.0f}), promised {bound:.1%}"
            )
        if figures["lost"]:
            yield f"{title}: {cell.name}: lost {figures['lost']:.0f} requests"


def table_of(results: Results, *, busy_share: float) -> Table:
    """Return the arms side by side: a row for each cell, and one for all together.

    `busy_share` is how much of the machine was busy meanwhile.
    """
    entry = partial(_entry, is_timed=busy_share <= MOST_BUSY)
    table = Table("", *(arm.title for arm in ARMS), show_lines=True)
    for cell in CELLS:
        if cell.name in results:
            table.add_row(cell.name, *(entry(results[cell.name][arm.title]) for arm in ARMS))
    table.add_row("all cells", *(entry(figures) for figures in totals(results).values()))
    return table


def totals(results: Results) -> dict[str, Figures]:
    """Return the numbers of each arm over all cells."""
    return {arm.title: together([by_arm[arm.title] for by_arm in results.values()]) for arm in ARMS}


def _entry(figures: Figures, *, is_timed: bool) -> str:
    return "\n".join(
        (
            f"{figures['wasted_share']:.1%} wasted",
            f"{figures['calls_per_request']:.2f} calls",
            f"{figures['lost']:.0f} lost",
            f"+{figures['added_mean_s']:.2f} s" if is_timed else "(not timed)",
            f"{figures['preferred_share']:.0%} preferred",
        )
    )


def _shares(
    calls: float, wasted: float, requests: float, added_s: float, answered: float, preferred: float, allowed: float
) -> Figures:
    return {
        "calls_per_request": round(calls / max(1, requests), 4),
        "wasted_share": round(wasted / max(1, calls), 5),
        "added_mean_s": round(added_s / max(1, answered), 4),
        "preferred_share": round(preferred / max(1, allowed), 4),
    }
