"""Invariants of the journal: it says what the providers' own books say, but for what was lost and is counted. Pure.

Let a book hold every call that came in, and the journal every attempt that was made. Per candidate must hold:

    attempts with a status ≤ calls ≤ attempts + lost,   lost = EACH × requests in danger + rows dropped

A request is in danger when its Executor was killed while it was under way or not yet written down. And call by call,
where the answer had the provider's own id: it stands in the journal once at most, the book knows it, and what was
answered has the same tokens and the same dollars in both, to the last digit. Where the clock of an Executor
was set wrong, the dollars are those of the hour that it had.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from pointsman.domain.trail import Outcome
from pointsman.executor import prices
from tests.chaos.book import Called
from tests.chaos.finding import Finding, few
from tests.chaos.journal import Noted
from tests.chaos.outage import Fault, Outage
from tests.chaos.record import Record

_TARIFFS: Final = prices.load({}).tariffs

EACH: Final = 5
"""Calls that one request makes at most: `executor.max_attempts` and the fallback."""

WRITTEN_S: Final = 2.0
"""After which a request that ended is written down, while the journal can be."""


def sums(calls: Iterable[Called], attempts: Iterable[Noted], models: Mapping[str, str], *, lost: int) -> Finding:
    """Per candidate, the journal holds as many attempts as the provider saw calls, but for what was lost.

    `models` has the provider's own name of each candidate's model.
    """
    seen, noted = Counter(call.model for call in calls), Counter[str]()
    answered = Counter[str]()
    for attempt in attempts:
        noted[models[attempt.candidate]] += 1
        answered[models[attempt.candidate]] += attempt.http_status > 0
    broken = list[str]()
    missing = {model: seen[model] - noted[model] for model in models.values()}
    for model in models.values():
        if answered[model] > seen[model]:
            broken.append(f"{model}: {answered[model]} attempts had an answer, the provider saw {seen[model]} calls")
        if missing[model] > lost:
            broken.append(f"{model}: {missing[model]} calls are in no journal, at most {lost} may be")
    worst = max(missing.values(), default=0)
    return Finding(
        name="journal sums are the providers'",
        checked=seen.total(),
        broken=len(broken),
        worst=f"{max(0, worst)} of {seen.total()} not written down",
        bound=f"{lost} lost",
        excused=sum(max(0, number) for number in missing.values()),
        examples=few(broken),
    )


def same_calls(calls: Iterable[Called], attempts: Iterable[Noted]) -> Finding:
    """What has the provider's own id stands once in the journal, with the tokens and the dollars of the book."""
    book = {call.id: call for call in calls if call.id}
    named = [attempt for attempt in attempts if attempt.id]
    times = Counter(attempt.id for attempt in named)
    broken = [f"{id} stands {count} times in the journal" for id, count in times.items() if count > 1]
    pairs = [(attempt, book.get(attempt.id)) for attempt in named]
    worst = Decimal(0)
    for attempt, call in pairs:
        if call is None:
            broken.append(f"{attempt.id} ({attempt.candidate}) is in no book")
        elif attempt.outcome == Outcome.ANSWERED and call.outcome is Outcome.ANSWERED:
            worst = max(worst, abs((attempt.cost_usd or Decimal(0)) - _asked_usd(attempt, call)))
            broken += _differences(attempt, call)
    return Finding(
        name="tokens and dollars call by call",
        checked=len(pairs),
        broken=len(broken),
        worst=f"${worst:f} apart",
        bound="$0",
        examples=few(broken),
    )


def endangered(records: Iterable[Record], outages: Iterable[Outage], *, dropped: int) -> int:
    """Return how many calls may be in no journal: of requests that a killed Executor had not written down."""
    known, all_records = tuple(outages), tuple(records)
    kills = [each for each in known if each.fault is Fault.KILL and each.target in {"executor", "second"}]
    in_danger = {record.number for kill in kills for record in all_records if _is_in_danger(record, kill, known)}
    return EACH * (len(in_danger) + dropped)


def _is_in_danger(record: Record, kill: Outage, outages: Sequence[Outage]) -> bool:
    if record.kind.by_router != (kill.target == "executor"):
        return False
    since = kill.began - WRITTEN_S
    for outage in outages:  # what a full disk kept from being written waits, and longer than the disk is full
        if outage.fault is Fault.DISK and outage.touches(since, kill.began, after_s=2 * WRITTEN_S):
            since = min(since, outage.began - WRITTEN_S)
    return record.began <= kill.began and record.ended >= since


def _differences(attempt: Noted, call: Called) -> Iterable[str]:
    told = (
        ("input tokens", attempt.input_tokens, call.input_tokens),
        ("output tokens", attempt.output_tokens, call.output_tokens),
        ("dollars", attempt.cost_usd, _asked_usd(attempt, call)),
    )
    return (
        f"{call.id} ({call.model}): {here} {what} here, {there} there" for what, here, there in told if here != there
    )


def _asked_usd(attempt: Noted, call: Called) -> Decimal:
    """Return what was asked for a call, at the hour of the Executor's clock, which chaos may have set wrong."""
    tariff = _TARIFFS.get((call.kind, call.model))
    if tariff is None or tariff.off_peak is None:
        return call.cost_usd
    asked, told = (
        tariff.at(at, call.input_tokens) for at in (datetime.fromtimestamp(call.began, UTC), attempt.started_at)
    )
    return call.cost_usd * told.output / asked.output
