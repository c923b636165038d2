"""`pointsman simulate` with --days, --rps, --mix or --traffic: the user's pools and limits on a clock that jumps."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from pointsman.cli.comparison import BOUNDS
from pointsman.cli.failure import Failure, Misuse
from pointsman.cli.progress import bar
from pointsman.cli.rehearsal_parts import parts, rehearse_all, work_s
from pointsman.cli.rehearsal_picture import picture
from pointsman.cli.rehearsal_record import read_mix, read_record
from pointsman.cli.rehearsal_table import binding, name_of, show
from pointsman.cli.rehearsal_tally import Tally
from pointsman.cli.rehearsal_traffic import Invented, Traffic
from pointsman.cli.rehearsal_world import unlimited
from pointsman.cli.terminal import print_json, printable, say, screen
from pointsman.config import Settings, load

START: Final = datetime(2026, 11, 23, tzinfo=UTC)
"""A Monday; prices and the ends of provider days depend on the date."""

RPS: Final = 1.0

REHEARSED: Final = (
    "Rehearsed: the providers are SIMULATED and enforce the limits of your settings; no provider was called, nothing "
    "was spent. Pools, limits and prices are yours; speeds and lengths of answers are invented."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be rehearsed. None and empty mean: not said."""

    traffic: Path | None = None
    rps: float | None = None
    mix: str = ""
    days: int | None = None
    picture: Path | None = None
    seed: int = 1

    @property
    def is_wanted(self) -> bool:
        """True when anything of a rehearsal was asked for."""
        asked = (self.traffic, self.rps, self.mix or None, self.days, self.picture)
        return any(each is not None for each in asked)


def rehearse(config: Path | None, wanted: Wanted, *, as_json: bool) -> None:
    """Print what the traffic comes to under these settings, and draw it when a file is named for that.

    Raises SettingsError, Misuse for traffic that is none, and Failure when requests are lost or too many calls wasted.
    """
    settings, picture_file = load(config), wanted.picture
    traffic, start = traffic_of(settings, wanted)
    if picture_file is not None and not picture_file.parent.is_dir():
        raise Misuse(f"--picture {picture_file}: there is no folder {picture_file.parent}")
    work = parts(settings, traffic, start=start, seed=wanted.seed)
    with bar("rehearsing", work_s(work)) as tell:
        tally = rehearse_all(work, tell)
    short = falls_short(tally)
    if picture_file is not None:
        _draw(picture_file, tally)
    if as_json:
        print_json({"ok": not short, "simulated": True, "figures": figures(tally), "falls_short": short})
    else:
        _print(screen(), settings, tally, picture_file)
    if short:
        raise Failure("the rehearsal fell short: " + "; ".join(short))


def traffic_of(settings: Settings, wanted: Wanted) -> tuple[Traffic, datetime]:
    """Return the traffic and the midnight at which it begins. Raises Misuse."""
    if wanted.traffic is not None:
        if wanted.rps is not None or wanted.mix:
            raise Misuse("--traffic has its own rate and mix; leave out --rps and --mix, or --traffic")
        record = read_record(wanted.traffic, tuple(settings.pools), days=wanted.days)
        return record.traffic, record.start or START
    rps = RPS if wanted.rps is None else wanted.rps
    mix = read_mix(wanted.mix, tuple(settings.pools))
    return Invented(rps=rps, mix=mix, days=wanted.days or 1, seed=wanted.seed), START


def figures(tally: Tally) -> dict[str, object]:
    """Return what scripts read: the totals, and one object for each candidate and for each limit that bound."""
    return {
        **tally.figures(),
        "candidates": [
            {
                "candidate": name,
                "answered": line.answered,
                "share": round(line.answered / max(1, tally.requests), 5),
                "calls": line.calls,
                "wasted": line.wasted,
                "cost_usd": round(line.cost_usd, 4),
                "skipped": dict(line.skipped),
            }
            for name, line in tally.lines.items()
        ],
        "limits": [
            {
                "scope": bound.scope,
                "unit": bound.unit,
                "period_s": bound.period_s or None,
                "limit": bound.amount,
                "minutes_a_day": round(tally.minutes_a_day(bound), 1),
            }
            for bound in binding(tally)
        ],
    }


def falls_short(tally: Tally) -> list[str]:
    """Return a sentence for each thing that a person would not want to happen in earnest."""
    totals = tally.figures()
    rows = (
        (tally.lost > BOUNDS["lost"], f"{tally.lost:,} of {tally.requests:,} requests found nobody to answer them"),
        (
            totals["calls_per_request"] > BOUNDS["calls_per_request"],
            f"{totals['calls_per_request']} calls a request, promised {BOUNDS['calls_per_request']}",
        ),
        (
            totals["wasted_share"] > BOUNDS["wasted_share"],
            f"{totals['wasted_share']:.2%} of the calls are wasted, promised {BOUNDS['wasted_share']:.1%}",
        ),
    )
    return [sentence for is_short, sentence in rows if is_short]


def notes(settings: Settings, tally: Tally) -> tuple[str, ...]:
    """Return what a reader must know before believing the numbers."""
    free = unlimited(settings)
    rows = (
        (bool(free), f"No limit of your settings holds for {', '.join(free)}: nothing can bind there."),
        (bool(tally.without_price), f"{tally.without_price:,} calls have no known price and are not in the cost."),
        (True, "Hours are UTC; a provider's day ends at midnight in California. Keys are taken to be there."),
    )
    return tuple(printable(note) for applies, note in rows if applies)


def _print(out: Console, settings: Settings, tally: Tally, picture_file: Path | None) -> None:
    say(out, REHEARSED, style="bold")
    out.print()
    show(out, tally)
    out.print()
    if tally.bound_at:
        worst = binding(tally)[0]
        say(out, f"What binds most is {printable(name_of(worst))}, {tally.minutes_a_day(worst):,.0f} minutes a day.")
    for note in notes(settings, tally):
        say(out, note, style="dim")
    if picture_file is not None:
        say(out, f"The day is drawn in {picture_file}.")


def _draw(file: Path, tally: Tally) -> None:
    try:
        file.write_text(picture(tally), encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from error
