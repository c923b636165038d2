"""Invariants of what callers get: one ending each, in time, with a reason or a status that a fault explains. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from tests.chaos.finding import Finding, few
from tests.chaos.outage import Fault, Outage, touched
from tests.chaos.record import Record
from tests.chaos.watch import Stall

LATE_S: Final = 1.0
RECONNECT_S: Final = 3.0
"""How long a caller's channel may still fail fast after its server is back: it tries anew once a second or so."""

ENDED: Final = frozenset({Fault.KILL, Fault.TERM})
EXPLAINED: Final = {
    "UNAVAILABLE": ENDED,
    "CANCELLED": frozenset({Fault.TERM}),
    "DEADLINE_EXCEEDED": ENDED | {Fault.STOP},
}
"""Statuses that gRPC itself makes, and which faults of the server that was called they come of.

Nothing repeats a caller's Route, and nothing may: when its connection breaks, nobody knows whether a provider was paid.
"""


def one_ending(records: Sequence[Record]) -> Finding:
    """Every call ends once: an answer has one start and one end, an error comes behind no end, nothing comes behind."""
    broken = [record for record in records if not _ends_once(record)]
    worst = max((record.ends + record.after_end for record in records), default=0)
    return Finding(
        name="one answer or one error",
        checked=len(records),
        broken=len(broken),
        worst=f"{worst} endings of one call",
        bound="1",
        examples=few(broken),
    )


def in_time(records: Sequence[Record], stalls: Sequence[Stall] = ()) -> Finding:
    """Every call ends before its deadline and a second more, the time apart in which the caller itself stood still."""
    late = [record for record in records if record.late_s > LATE_S]
    broken = [record for record in late if record.late_s - _stood_still_s(record, stalls) > LATE_S]
    worst = max((record.late_s for record in records), default=0.0)
    return Finding(
        name="ends before its deadline + 1 s",
        checked=len(records),
        broken=len(broken),
        worst=f"{worst:+.2f} s",
        bound=f"+{LATE_S:g} s",
        excused=len(late) - len(broken),
        examples=few(broken),
    )


def typed(records: Sequence[Record], outages: Iterable[Outage], stalls: Sequence[Stall] = ()) -> Finding:
    """Every error says a reason of ours that is no bug, or comes of a fault of the very server that was called.

    Or the machine itself was late by more than the time that is kept for the way back: then gRPC's clock is first.
    """
    known = tuple(outages)
    failed = [record for record in records if not record.is_answered and not _left(record)]
    bare = [record for record in failed if not record.reason or record.reason == "INTERNAL"]
    broken = [each for each in bare if not is_explained(each, known) and not _is_late_machine(each, stalls)]
    return Finding(
        name="errors are typed",
        checked=len(records),
        broken=len(broken),
        worst=f"{len(failed)} errors, {len(bare)} bare",
        bound="0 unexplained",
        excused=len(bare) - len(broken),
        examples=few(broken),
    )


def is_explained(record: Record, outages: Iterable[Outage]) -> bool:
    """Return whether the status comes of what was done to the server that was called."""
    server = "router" if record.kind.by_router else "second"
    faults = EXPLAINED.get(record.code, frozenset()) if not record.reason else frozenset()
    near = touched(outages, record.began, record.ended, after_s=RECONNECT_S)
    return any(outage.target == server and outage.fault in faults for outage in near)


def _stood_still_s(record: Record, stalls: Iterable[Stall]) -> float:
    """Return for how long, behind the deadline, the process of the caller got no processor to notice it."""
    since = record.began + record.deadline_s
    overlaps = (min(record.ended, stall.at + stall.lasted_s) - max(since, stall.at) for stall in stalls)
    return sum(max(0.0, overlap) for overlap in overlaps)


def _is_late_machine(record: Record, stalls: Iterable[Stall]) -> bool:
    if record.code != "DEADLINE_EXCEEDED":
        return False
    return any(stall.at <= record.ended and stall.at + stall.lasted_s >= record.began for stall in stalls)


def _ends_once(record: Record) -> bool:
    if record.is_answered:
        return (record.starts, record.ends, record.after_end) == (1, 1, 0)
    return record.ends == 0 or _left(record)


def _left(record: Record) -> bool:
    """Return whether the caller had left: then nobody is there to be told."""
    return record.is_given_up and record.code == "CANCELLED"
