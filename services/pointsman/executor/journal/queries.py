"""The sums of a report in SQL that SQLite and PostgreSQL read alike. No row of a request ever comes into memory.

Texts that are put into statements are constants of this file; values are passed apart.
"""
# ruff: noqa: S608 - as said

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.domain.verdict import DecidedBy
from pointsman.executor.journal import money
from pointsman.executor.journal.records import EPOCH, instant, instant_of
from pointsman.executor.journal.row import Ending
from pointsman.executor.journal.sums import (
    CONFIDENCE_STEPS,
    Calls,
    Details,
    Hop,
    HopTimes,
    Question,
    Report,
    ReportBy,
    Skips,
    Sums,
    Verdicts,
)

Select = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]
"""Runs a statement with `?` for each value, and returns all of its lines."""

NOT_NAMED: Final = "(not named)"
CANCELLED: Final = "(nobody: the caller left)"
BROKEN: Final = "(nobody: the stream broke)"
UNANSWERED: Final = "(nobody: it failed)"

_DAY_US: Final = 86_400_000_000

_ANSWERED_BY: Final = f"""
CASE WHEN answered_by <> '' THEN answered_by WHEN ending = '{Ending.CANCELLED}' THEN '{CANCELLED}'
WHEN ending = '{Ending.PARTIAL}' THEN '{BROKEN}' ELSE '{UNANSWERED}' END
"""

_KEYS: Final = {
    ReportBy.ALL: "''",
    ReportBy.CATEGORY: "category",
    ReportBy.CANDIDATE: _ANSWERED_BY,
    ReportBy.CALLER: f"CASE WHEN caller <> '' THEN caller ELSE '{NOT_NAMED}' END",
    ReportBy.DAY: f"CAST(started_us / {_DAY_US} AS BIGINT)",
    ReportBy.LABEL: "labels.name || '=' || labels.value",
}

_SUMMED: Final = ", ".join(
    (
        "COUNT(*)",
        "SUM(CASE WHEN answered_by <> '' THEN 1 ELSE 0 END)",
        "SUM(is_fallback)",
        f"SUM(CASE WHEN ending = '{Ending.CANCELLED}' THEN 1 ELSE 0 END)",
        f"SUM(CASE WHEN ending = '{Ending.PARTIAL}' THEN 1 ELSE 0 END)",
        "SUM(attempts)",
        "SUM(wasted)",
        "SUM(unproductive)",
        "SUM(skips)",
        "SUM(input_tokens)",
        "SUM(cached_input_tokens)",
        "SUM(cache_write_tokens)",
        "SUM(output_tokens)",
        "SUM(reasoning_tokens)",
        "MAX(is_estimated)",
        "SUM(attempts_without_price)",
        "SUM(sequential_attempts)",
        "SUM(duration_us)",
        money.sums_of("cost_usd"),
        money.sums_of("unproductive_cost_usd"),
        money.sums_of("sequential_cost_usd"),
        "SUM(is_simulated)",
        money.sums_of("simulated_cost_usd"),
    )
)

_SIMULATED_COST: Final = f"CASE WHEN is_simulated = 1 THEN cost_usd ELSE '{money.NOTHING}' END"

_HOPS: Final = {
    Hop.CLASSIFY: ("requests", "classify_us"),
    Hop.SMALL_MODEL: ("requests", "small_model_us"),
    Hop.EXECUTE: ("requests", "duration_us"),
    Hop.QUEUE: ("requests", "queue_us"),
    Hop.PROVIDER: ("attempts JOIN requests ON requests.id = attempts.request", "attempts.duration_us"),
}

_CLASSIFIED: Final = ", ".join(f"'{each}'" for each in (DecidedBy.EMBEDDED, DecidedBy.MODEL, DecidedBy.FUSION))


def report(select: Select, question: Question) -> Report:
    """Return what a question asks for."""
    since_us = instant(question.since) if question.since else 0
    (total,) = _grouped(select, ReportBy.ALL, since_us) or (Sums(),)
    groups = _grouped(select, question.group_by, since_us) if question.group_by is not ReportBy.ALL else ()
    details = _details(select, since_us) if question.with_details else Details()
    first_us = first(select)
    first_at = None if first_us is None else instant_of(first_us)
    return Report(total=total, groups=tuple(groups), first_at=first_at, details=details)


def first(select: Select) -> int | None:
    """Return when the oldest request began, in microseconds; None without requests."""
    ((first_us,),) = select("SELECT MIN(started_us) FROM requests", ())
    return None if first_us is None else int(first_us)


def _grouped(select: Select, by: ReportBy, since_us: int) -> list[Sums]:
    """Return the sums of each group, the largest first; no group where there is no request."""
    key, tables = _KEYS[by], "requests"
    if by is ReportBy.LABEL:
        tables = "requests JOIN labels ON labels.request = requests.id"
    lines = select(
        f"SELECT keyed, {_SUMMED} FROM "
        f"(SELECT requests.*, {_SIMULATED_COST} AS simulated_cost_usd, {key} AS keyed "
        f"FROM {tables} WHERE started_us >= ?) AS chosen "
        "GROUP BY keyed ORDER BY COUNT(*) DESC, keyed",
        (since_us,),
    )
    p95_us = dict(_p95(select, tables, key, "duration_us", since_us))
    return [_named(_sums(line, p95_us[line[0]]), by) for line in lines]


def _p95(select: Select, tables: str, key: str, column: str, since_us: int) -> Iterable[tuple[Any, int]]:
    """Return, by key, the value that 95 of 100 do not exceed: one that was measured."""
    ranked = (
        f"SELECT {key} AS keyed, {column} AS measured, "
        f"ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {column}) AS place, "
        f"COUNT(*) OVER (PARTITION BY {key}) AS many "
        f"FROM {tables} WHERE requests.started_us >= ? AND {column} IS NOT NULL"
    )
    lines = select(
        f"SELECT keyed, MIN(measured) FROM ({ranked}) AS ranked WHERE place * 100 >= many * 95 GROUP BY keyed",
        (since_us,),
    )
    return ((line[0], int(line[1])) for line in lines)


def _sums(line: Sequence[Any], p95_us: int) -> Sums:
    key, *numbers = line
    counts = [int(number) for number in numbers]
    requests, answered, by_fallback, cancelled, partial, attempts, wasted, unproductive, skips = counts[:9]
    tokens, estimated = counts[9:14], counts[14]
    without_price, sequential_attempts, duration_us = counts[15:18]
    cost, lost, sequential_cost = (money.from_sums(*counts[place : place + 2]) for place in (18, 20, 22))
    simulated_requests, simulated_cost = counts[24], money.from_sums(*counts[25:27])
    return Sums(
        key=str(key),
        requests=requests,
        answered=answered,
        answered_by_fallback=by_fallback,
        cancelled=cancelled,
        partial=partial,
        attempts=attempts,
        wasted=wasted,
        unproductive=unproductive,
        skips=skips,
        usage=Usage(
            input_tokens=tokens[0],
            cached_input_tokens=tokens[1],
            cache_write_tokens=tokens[2],
            output_tokens=tokens[3],
            reasoning_tokens=tokens[4],
            estimated=bool(estimated),
        ),
        cost_usd=cost,
        unproductive_cost_usd=lost,
        attempts_without_price=without_price,
        mean_s=duration_us / requests / 1e6,
        p95_s=p95_us / 1e6,
        sequential_attempts=sequential_attempts,
        sequential_cost_usd=sequential_cost,
        simulated_requests=simulated_requests,
        simulated_cost_usd=simulated_cost,
    )


def _named(sums: Sums, by: ReportBy) -> Sums:
    if by is not ReportBy.DAY:
        return sums
    day: date = EPOCH.date() + timedelta(days=int(sums.key))
    return replace(sums, key=day.isoformat())


def _details(select: Select, since_us: int) -> Details:
    return Details(
        hops=tuple(_hops(select, since_us)),
        calls=tuple(_calls(select, since_us)),
        skips=tuple(_skips(select, since_us)),
        verdicts=tuple(_verdicts(select, since_us)),
        confidence=_confidence(select, since_us),
    )


def _hops(select: Select, since_us: int) -> Iterable[HopTimes]:
    for hop, (tables, column) in _HOPS.items():
        ((count, total_us, longest_us),) = select(
            f"SELECT COUNT({column}), SUM({column}), MAX({column}) FROM {tables} WHERE requests.started_us >= ?",
            (since_us,),
        )
        if not count:
            continue
        ((_, p95_us),) = _p95(select, tables, "0", column, since_us)
        yield HopTimes(
            hop=hop,
            count=int(count),
            mean_s=int(total_us) / int(count) / 1e6,
            p95_s=p95_us / 1e6,
            longest_s=int(longest_us) / 1e6,
        )


def _calls(select: Select, since_us: int) -> Iterable[Calls]:
    lines = select(
        f"SELECT candidate, outcome, COUNT(*), {money.sums_of('attempts.cost_usd')} "
        "FROM attempts JOIN requests ON requests.id = attempts.request "
        "WHERE requests.started_us >= ? GROUP BY candidate, outcome ORDER BY candidate, COUNT(*) DESC, outcome",
        (since_us,),
    )
    for candidate, outcome, count, whole, rest in lines:
        yield Calls(
            candidate=candidate, outcome=Outcome(outcome), count=int(count), cost_usd=money.from_sums(whole, rest)
        )


def _skips(select: Select, since_us: int) -> Iterable[Skips]:
    lines = select(
        "SELECT candidate, skips.reason, COUNT(*) FROM skips JOIN requests ON requests.id = skips.request "
        "WHERE requests.started_us >= ? "
        "GROUP BY candidate, skips.reason ORDER BY candidate, COUNT(*) DESC, skips.reason",
        (since_us,),
    )
    return (Skips(candidate=line[0], reason=SkipReason(line[1]), count=int(line[2])) for line in lines)


def _verdicts(select: Select, since_us: int) -> Iterable[Verdicts]:
    lines = select(
        "SELECT category, decided_by, COUNT(*) FROM requests WHERE started_us >= ? "
        "GROUP BY category, decided_by ORDER BY category, COUNT(*) DESC, decided_by",
        (since_us,),
    )
    return (Verdicts(category=line[0], decided_by=line[1], count=int(line[2])) for line in lines)


def _confidence(select: Select, since_us: int) -> tuple[int, ...]:
    at_least = ", ".join(
        f"COALESCE(SUM(CASE WHEN confidence >= {step / CONFIDENCE_STEPS} THEN 1 ELSE 0 END), 0)"
        for step in range(CONFIDENCE_STEPS)
    )
    (line,) = select(
        f"SELECT {at_least} FROM requests WHERE started_us >= ? AND decided_by IN ({_CLASSIFIED})", (since_us,)
    )
    reached = [*map(int, line), 0]
    return tuple(lower - higher for lower, higher in pairwise(reached))
