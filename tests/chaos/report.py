"""What a run came to, for people as tables and for scripts as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from tests.chaos import accounts, answers, capacity, upkeep
from tests.chaos.course import Evidence
from tests.chaos.finding import Finding
from tests.chaos.outage import Outage
from tests.chaos.schedule import SERVICES
from tests.chaos.world import settings


def judge(seen: Evidence) -> list[Finding]:
    """Hold every invariant against the evidence."""
    known = settings()
    models = {name: candidate.model for name, candidate in known.candidates.items()}
    grace_s = {
        "router": known.router.grace_s,
        "classifier": known.classifier.grace_s,
        "executor": known.executor.grace_s + known.journal.grace_s,
        "second": known.executor.grace_s + known.journal.grace_s,
    }
    of_candidates = [call for call in seen.calls if call.model in set(models.values())]
    lost = accounts.endangered(seen.records, seen.outages, dropped=seen.dropped)
    return [
        answers.one_ending(seen.records),
        answers.in_time(seen.records, seen.stalls),
        answers.typed(seen.records, seen.outages, seen.stalls),
        capacity.refusals(seen.calls, seen.outages),
        capacity.windows(seen.uses, seen.outages),
        accounts.sums(of_candidates, seen.attempts, models, lost=lost),
        accounts.same_calls(seen.calls, seen.attempts),
        upkeep.memory(seen.samples, SERVICES),
        upkeep.descriptors(seen.samples, SERVICES),
        upkeep.spans_ended(seen.spans, seen.records, seen.outages),
        upkeep.orderly_ends(seen.lives, grace_s),
        upkeep.no_cries(seen.cries, seen.lines),
        upkeep.healed(seen.whole_s, seen.why_not_whole),
    ]


def reproduction(seen: Evidence) -> str:
    """Return the command that runs the same again."""
    plan = seen.plan
    only = "".join(f" --only {fault}" for fault in plan.only)
    return f'make chaos ARGS="--seed {plan.seed} --minutes {plan.seconds / 60:g}{only}"'


def show(seen: Evidence, findings: Sequence[Finding], console: Console) -> None:
    """Print the tables, and what is broken with examples."""
    for part in (_faults(seen.outages), _endings(seen), _invariants(findings)):
        console.print(part)
    for finding in findings:
        if not finding.holds:
            console.print(f"broken: {finding.name}", style="bold red", highlight=False)
            for example in finding.examples or ("nothing was looked at",):
                console.print(f"  {example}", highlight=False, soft_wrap=True, markup=False)
    said = "every invariant holds" if all(each.holds for each in findings) else "an invariant is broken"
    console.print(f"{said}; the same again: {reproduction(seen)}", highlight=False, soft_wrap=True)


def document(seen: Evidence, findings: Sequence[Finding]) -> dict[str, object]:
    """Return the same for a script."""
    return {
        "ok": all(finding.holds for finding in findings),
        "seed": seen.plan.seed,
        "minutes": round(seen.plan.seconds / 60, 3),
        "reproduce": reproduction(seen),
        "faults": _counts(outage.fault for outage in seen.outages),
        "requests": len(seen.records),
        "endings": _counts(_ending(record.code, record.reason) for record in seen.records),
        "calls": len(seen.calls),
        "invariants": [
            {
                "name": each.name,
                "holds": each.holds,
                "checked": each.checked,
                "broken": each.broken,
                "excused": each.excused,
                "worst": each.worst,
                "bound": each.bound,
                "examples": each.examples,
            }
            for each in findings
        ],
    }


def _invariants(findings: Iterable[Finding]) -> RenderableType:
    table = Table("invariant", "", title="What must hold, whatever breaks")
    for heading in ("checked", "broken", "excused"):
        table.add_column(heading, justify="right")
    table.add_column("worst")
    table.add_column("bound")
    for each in findings:
        table.add_row(
            each.name,
            "holds" if each.holds else "BROKEN",
            f"{each.checked:,}",
            f"{each.broken:,}",
            f"{each.excused:,}",
            each.worst,
            each.bound,
            style="" if each.holds else "red",
        )
    return table


def _faults(outages: Sequence[Outage]) -> RenderableType:
    table = Table("fault", title="What was broken")
    table.add_column("times", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("where")
    for fault in sorted({outage.fault for outage in outages}):
        own = [outage for outage in outages if outage.fault is fault]
        where = _counts(outage.target for outage in own)
        seconds = sum(outage.ended - outage.began for outage in own)
        table.add_row(fault, str(len(own)), f"{seconds:.0f}", ", ".join(f"{name} {n}" for name, n in where.items()))
    return table


def _endings(seen: Evidence) -> RenderableType:
    table = Table("ending", title=f"{len(seen.records):,} requests, {len(seen.calls):,} calls of providers")
    table.add_column("requests", justify="right")
    for name, count in _counts(_ending(record.code, record.reason) for record in seen.records).items():
        table.add_row(name, f"{count:,}")
    partial = sum(record.is_partial for record in seen.records)
    degraded = sum(record.is_degraded for record in seen.records)
    table.add_row("of them partial", f"{partial:,}")
    table.add_row("of them degraded", f"{degraded:,}")
    return table


def _ending(code: str, reason: str) -> str:
    return f"{code} {reason}".strip()


def _counts(names: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(str(name) for name in names).most_common())
