"""The idea's table: a month of mixed traffic through one list with no memory, and through Pointsman; same seeds."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from os import cpu_count
from random import Random

from rich.table import Table

from pointsman.cli.comparison import Arm, Figures, Tally, pointsman, run, sequential
from pointsman.config import load
from pointsman.simulator import scenarios, traffic

MONTH = tuple(datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 31))
"""November 2026: 21 working days and 9 of weekend, at the prices of those days."""

SATURDAY = 5
WEEKEND = 0.15
"""What is left of the office's traffic on Saturday and Sunday; invented."""

ARMS: Mapping[str, Arm] = {"before": sequential, "after": pointsman}

BOUNDS: Mapping[str, float] = {
    "lost": 0.0,
    "calls_per_request": 1.01,
    "wasted_share": 0.001,
    "cost_of_before": 0.5,
    "mean_of_before": 0.5,
}
"""What the issue promises of "after"; the last two are shares of "before"."""

_OFFICE = traffic.OFFICE_DAY

MIX = (
    f"November 2026: {_OFFICE.singles_per_minute:g} single requests a minute and {_OFFICE.bursts_per_hour:g} bursts of "
    f"{_OFFICE.burst_size} an hour on working days, by the hours of an office; {WEEKEND:.0%} of it at weekends; "
    + ", ".join(f"{name} {kind.share:.0%}" for name, kind in _OFFICE.mix.items())
    + "; accounts, limits and speeds of the simulated busy hour; prices of models.json"
)

ROWS = (
    ("requests", "requests", "{:,.0f}"),
    ("lost", "lost", "{:,.0f}"),
    ("calls per request", "calls_per_request", "{:.3f}"),
    ("wasted calls", "wasted_share", "{:.2%}"),
    ("unproductive calls", "unproductive", "{:,.0f}"),
    ("answered on this machine", "local_share", "{:.2%}"),
    ("mean response", "mean_s", "{:.2f} s"),
    ("95 of 100 within", "p95_s", "{:.2f} s"),
    ("cost of the month", "cost_usd", "${:,.0f}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day to run through one arm; it stands for `weight` days of the month."""

    date: datetime
    arm: str
    weight: float
    seed: int
    seconds: float = traffic.DAY_S


def days(*, whole: bool, seed: int) -> list[Day]:
    """Return the days to run: all of the month, or one working day and one of weekend that stand for the others."""
    working = [date for date in MONTH if date.weekday() < SATURDAY]
    weekend = [date for date in MONTH if date.weekday() >= SATURDAY]
    chosen = [(date, 1.0) for date in MONTH]
    if not whole:
        chosen = [(working[0], float(len(working))), (weekend[1], float(len(weekend)))]
    return [Day(date=date, arm=arm, weight=weight, seed=seed) for date, weight in chosen for arm in ARMS]


def run_day(day: Day) -> Tally:
    """Return what one arm did on one day. Both arms see the same requests and the same chance."""
    chance = Random(f"{day.seed}/{day.date:%F}")
    factor = WEEKEND if day.date.weekday() >= SATURDAY else 1.0
    office = traffic.OFFICE_DAY
    profile = replace(
        office,
        singles_per_minute=office.singles_per_minute * factor,
        bursts_per_hour=office.bursts_per_hour * factor,
    )
    arrivals = [*traffic.arrivals(profile, seconds=day.seconds, chance=chance)]
    return run(load(environ={}), scenarios.BUSY_HOUR, arrivals, ARMS[day.arm], seed=day.seed, start=day.date)


def measure(chosen: Sequence[Day], *, tell: Callable[[str], None]) -> dict[str, Figures]:
    """Return the figures of both arms for the month; `tell` is told of each day that is done."""
    tallies: dict[str, list[tuple[Day, Tally]]] = {arm: [] for arm in ARMS}
    with ProcessPoolExecutor(max_workers=cpu_count(), mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(run_day, day): day for day in chosen}
        for number, done in enumerate(as_completed(pending), start=1):
            day = pending[done]
            tallies[day.arm].append((day, done.result()))
            tell(f"[{number}/{len(chosen)}] {day.date:%F} {day.arm}: {tallies[day.arm][-1][1].requests} requests")
    before, after = (figures_of(tallies[arm]) for arm in ARMS)
    after["cost_of_before"] = round(after["cost_usd"] / before["cost_usd"], 4)
    after["mean_of_before"] = round(after["mean_s"] / before["mean_s"], 4)
    return {"before": before, "after": after}


def figures_of(tallies: Sequence[tuple[Day, Tally]]) -> Figures:
    """Return the numbers of one arm for the month, each day counted as many times as it stands for."""

    def total(count: Callable[[Tally], int]) -> float:
        return sum(count(tally) * day.weight for day, tally in tallies)

    durations = sorted((duration, day.weight) for day, tally in tallies for duration in tally.durations_s)
    requests, calls = total(lambda tally: tally.requests), total(lambda tally: tally.attempts)
    cost = sum((tally.cost_usd * Decimal(day.weight) for day, tally in tallies), Decimal(0))
    return {
        "requests": requests,
        "lost": requests - total(lambda tally: tally.answered),
        "calls_per_request": round(calls / requests, 4),
        "wasted_share": round(total(lambda tally: tally.wasted) / calls, 6),
        "unproductive": total(lambda tally: tally.unproductive),
        "local_share": round(total(lambda tally: tally.answered_locally) / requests, 5),
        "mean_s": round(sum(duration * weight for duration, weight in durations) / requests, 3),
        "p95_s": round(_reached(durations, 0.95 * requests), 3),
        "cost_usd": round(float(cost), 2),
    }


def falls_short(after: Figures) -> list[str]:
    """Return a sentence for each figure that is above its bound."""
    return [
        f"the month: {name} is {after[name]}, promised {bound}" for name, bound in BOUNDS.items() if after[name] > bound
    ]


def table_of(figures: Mapping[str, Figures]) -> Table:
    """Return the idea's table."""
    table = Table("a month", "one list, tried from the top", "Pointsman", "share")
    for title, name, form in ROWS:
        before, after = figures["before"][name], figures["after"][name]
        table.add_row(title, form.format(before), form.format(after), f"{after / before:.0%}" if before else "")
    return table


def _reached(durations: Sequence[tuple[float, float]], count: float) -> float:
    """Return the duration up to which `count` of these lie."""
    seen = 0.0
    for duration, weight in durations:
        seen += weight
        if seen >= count:
            return duration
    return durations[-1][0]
