"""Invariants of the processes: memory, descriptors, ends in good order, spans, cries in the log, healing. Pure."""

import signal
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from tests.chaos.finding import Finding, few
from tests.chaos.member import Life
from tests.chaos.outage import Fault, Outage, touched
from tests.chaos.record import Record
from tests.chaos.spans import Seen
from tests.chaos.watch import Sample

MIB: Final = 1 << 20
GROWTH_BYTES: Final = 96 * MIB
"""How much larger than when it began to serve a service may become, with a hundred calls at once."""

MOST_DESCRIPTORS: Final = 512
LEFT_OVER: Final = 48
"""Descriptors that may be open more than at the start when all is calm: pools keep some connections."""

EXPORTED_S: Final = 8.0
"""After which an ended span has been sent, or its process would have been killed first."""

LONGEST_S: Final = 12.0
"""How long a call may take with everything: the longest deadline and its grace."""

STOP_S: Final = 8.0
"""What a stop may take beyond the grace: spans and metrics are flushed for up to 2 s and 5 s, then the interpreter."""

HEALED_S: Final = 60.0


def memory(samples: Sequence[Sample], services: Iterable[str]) -> Finding:
    """No process of a service grows by more than a bound."""
    grown = {pid: max(each.rss_bytes for each in lot) - lot[0].rss_bytes for pid, lot in _by_process(samples, services)}
    broken = [f"process {pid} grew by {size / MIB:.0f} MiB" for pid, size in grown.items() if size > GROWTH_BYTES]
    largest = max((each.rss_bytes for each in samples), default=0)
    return Finding(
        name="memory is bounded",
        checked=len(grown),
        broken=len(broken),
        worst=f"+{max(grown.values(), default=0) / MIB:.1f} MiB, largest {largest / MIB:.0f} MiB",
        bound=f"+{GROWTH_BYTES / MIB:.0f} MiB",
        examples=few(broken),
    )


def descriptors(samples: Sequence[Sample], services: Iterable[str]) -> Finding:
    """No process of a service has more descriptors than a bound, and few more in the end than in the beginning."""
    lots = [*_by_process(samples, services)]
    most = {pid: max(each.descriptors for each in lot) for pid, lot in lots}
    left = {pid: lot[-1].descriptors - lot[0].descriptors for pid, lot in lots if lot[-1].at == samples[-1].at}
    broken = [f"process {pid} had {count}" for pid, count in most.items() if count > MOST_DESCRIPTORS]
    broken += [f"process {pid} has {count} more than at first" for pid, count in left.items() if count > LEFT_OVER]
    return Finding(
        name="descriptors are bounded",
        checked=len(most),
        broken=len(broken),
        worst=f"{max(most.values(), default=0)}, {max(left.values(), default=0):+d} when calm",
        bound=f"{MOST_DESCRIPTORS}, +{LEFT_OVER}",
        examples=few(broken),
    )


def orderly_ends(lives: Sequence[tuple[str, Life]], grace_s: Mapping[str, float]) -> Finding:
    """No service ends by itself, and one that is asked to end does so with code 0 within its grace."""
    asked = [(name, life) for name, life in lives if life.asked is not signal.SIGKILL]
    broken = [
        f"{name}: code {life.code} after {life.took_s:.1f} s, {'by itself' if life.asked is None else 'asked'}"
        for name, life in asked
        if life.asked is None or life.code != 0 or life.took_s > grace_s[name] + STOP_S
    ]
    return Finding(
        name="ends in good order",
        checked=len(asked),
        broken=len(broken),
        worst=f"{max((life.took_s for _, life in asked), default=0.0):.1f} s",
        bound=f"its grace + {STOP_S:g} s, code 0",
        examples=few(broken),
    )


def spans_ended(spans: Sequence[Seen], records: Iterable[Record], outages: Iterable[Outage]) -> Finding:
    """Every span whose child came has come itself, and so has the root of every answer, but for killed processes."""
    known, ids, traces = tuple(outages), {span.id for span in spans}, {span.trace for span in spans if not span.parent}
    orphans = [span for span in spans if span.parent and span.parent not in ids]
    rootless = [each for each in records if each.is_answered and each.trace_id and each.trace_id not in traces]
    broken: list[object] = [
        span for span in orphans if not _was_killed(span.owner_of_parent, span.began, span.began + LONGEST_S, known)
    ]
    broken += [each for each in rootless if not _was_killed("pointsman-router", each.began, each.ended, known)]
    return Finding(
        name="every span begun has ended",
        checked=len(spans),
        broken=len(broken),
        worst=f"{len(orphans)} without parent, {len(rootless)} answers without root",
        bound="0 of living processes",
        excused=len(orphans) + len(rootless) - len(broken),
        examples=few(broken),
    )


def no_cries(cries: Sequence[str], lines: int) -> Finding:
    """No service logs an exception that nobody expected, nor loose text."""
    return Finding(
        name="no unexpected exception",
        checked=lines,
        broken=len(cries),
        worst=f"{len(cries)} lines",
        bound="0",
        examples=few(cries),
    )


def healed(whole_s: float | None, why_not: str) -> Finding:
    """Once nothing is broken any more, everything works again by itself within a minute."""
    is_whole = whole_s is not None and whole_s <= HEALED_S
    return Finding(
        name="heals by itself",
        checked=1,
        broken=not is_whole,
        worst="never" if whole_s is None else f"{whole_s:.1f} s",
        bound=f"{HEALED_S:g} s",
        examples=() if is_whole else (why_not or "too late",),
    )


def _was_killed(service: str, since: float, until: float, outages: Iterable[Outage]) -> bool:
    """Return whether a process of the service was killed before it can have sent what ended in that span of time."""
    name = service.removeprefix("pointsman-")
    names = {"executor", "second"} if name == "executor" else {name}
    near = touched(outages, since, until + EXPORTED_S)
    return any(outage.fault is Fault.KILL and outage.target in names for outage in near)


def _by_process(samples: Sequence[Sample], services: Iterable[str]) -> Iterable[tuple[int, list[Sample]]]:
    """Yield what was seen of each process of these, in order."""
    names = frozenset(services)
    chosen = sorted((each for each in samples if each.member in names), key=lambda each: (each.pid, each.at))
    for pid, lot in groupby(chosen, key=lambda each: each.pid):
        yield pid, list(lot)
