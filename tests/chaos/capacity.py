"""Invariants of the ledger: no call is refused that it could have known of, no window holds too much. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from pointsman.domain.trail import Outcome
from tests.chaos.book import Called
from tests.chaos.finding import Finding, few
from tests.chaos.outage import Fault, Outage, touched
from tests.chaos.watch import WindowUse

REFUSED: Final = frozenset({Outcome.RATE_LIMITED, Outcome.CONCURRENCY_LIMITED, Outcome.DAILY_QUOTA})

FELT_S: Final = 75.0
"""How long after it lost memory or a late call can be felt: a window, its margin, and a long call."""

MARGIN_S: Final = 1.0
"""`executor.window_margin_s`: a call that arrives later than that after it left may fall into another minute."""

AWAY_S: Final = 6.0
"""How long an Executor may go by its share after its way to Redis is open again."""

TIMEOUT_S: Final = 0.3
"""A delay of half of `ledger.timeout_s` each way is felt."""

EXECUTORS: Final = ("executor", "second")
HANGING: Final = frozenset({Fault.DRIP, Fault.HALF_OPEN, Fault.SILENT})


def refusals(calls: Iterable[Called], outages: Iterable[Outage]) -> Finding:
    """No provider refuses a call for a limit, unless a fault hid from the ledger what it would have needed to know."""
    known, all_calls = tuple(outages), tuple(calls)
    refused = [call for call in all_calls if call.outcome in REFUSED and not call.is_scripted]
    broken = [call for call in refused if not why_unknown(call, known, all_calls)]
    share = len(refused) / max(1, len(all_calls))
    return Finding(
        name="no 429 that was knowable",
        checked=len(all_calls),
        broken=len(broken),
        worst=f"{len(refused)} refused, {share:.2%}",
        bound="0 knowable",
        excused=len(refused) - len(broken),
        examples=few(broken),
    )


def why_unknown(call: Called, outages: Sequence[Outage], calls: Sequence[Called]) -> str:
    """Return what kept the ledger from knowing that this call would be refused; empty when nothing did."""
    near = touched(outages, call.began, call.began, after_s=FELT_S)
    if why := _forgotten(near, outages):
        return why
    way = f"executors-{call.kind}"
    if any(outage.fault in HANGING and outage.target == way for outage in near):
        return "calls hung on their way there"
    if any(outage.fault is Fault.LATE and outage.target == way and outage.strength >= MARGIN_S for outage in near):
        return "calls were later than the margin"
    if any(outage.fault is Fault.STOP and outage.target in {call.kind, *EXECUTORS} for outage in near):
        return "calls arrived when a process went on"
    if call.outcome is Outcome.CONCURRENCY_LIMITED and _was_leaving(call, calls):
        return "a call that was given up still held its place over there"
    return ""


def _forgotten(near: Iterable[Outage], outages: Sequence[Outage]) -> str:
    """Return whether what was used is remembered by nobody: a wiped Redis, a wrong clock, a share that was killed."""
    for outage in near:
        if outage.fault is Fault.WIPE:
            return "Redis forgot everything"
        if outage.fault is Fault.CLOCK and outage.target in EXECUTORS:
            return "the clock of an Executor was wrong"
        if _cuts_off_alone(outage):
            return "an Executor used its share beside the other, which had all that is left"
        ended = outage.fault in {Fault.KILL, Fault.TERM} and outage.target in EXECUTORS
        if ended and any(
            _cuts_off(other, outage.target) for other in touched(outages, outage.began, outage.ended, after_s=AWAY_S)
        ):
            return "an Executor ended while it kept its share by itself"
    return ""


def _cuts_off_alone(outage: Outage) -> bool:
    """Return whether one Executor was kept from Redis while the other could ask it.

    Shares keep a limit only where all go by them: who has Redis does not leave out what a lost one may use.
    """
    is_felt = outage.fault is not Fault.LATE or outage.strength >= TIMEOUT_S
    return is_felt and outage.target in {f"{name}-redis" for name in EXECUTORS}


def _cuts_off(outage: Outage, executor: str) -> bool:
    """Return whether the outage keeps an Executor from its ledger."""
    return outage.target in {"redis", f"{executor}-redis"}


def _was_leaving(call: Called, calls: Iterable[Called]) -> bool:
    """Return whether the provider noticed only then that the caller of another call had gone."""
    return any(other.model == call.model and other.outcome is None and _ends_near(other, call.began) for other in calls)


def _ends_near(call: Called, at: float) -> bool:
    return call.ended is None or at - MARGIN_S <= call.ended <= at + MARGIN_S


def windows(uses: Sequence[WindowUse], outages: Iterable[Outage]) -> Finding:
    """No window that Redis holds is fuller than its limit, unless a share that nobody remembers was used beside it."""
    known = tuple(outages)
    over = [use for use in uses if use.used > use.limit]
    broken = [use for use in over if not _forgotten(touched(known, use.at, use.at, after_s=FELT_S), known)]
    worst = max(uses, key=lambda use: use.used / use.limit, default=None)
    said = f"{worst.used:g} of {worst.limit:g} ({worst.scope} {worst.window})" if worst else "none seen"
    return Finding(
        name="no window over its limit",
        checked=len(uses),
        broken=len(broken),
        worst=said,
        bound="the limit",
        excused=len(over) - len(broken),
        examples=few(broken),
    )
