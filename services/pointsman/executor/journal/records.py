"""A row as the tables take it: one record of each table's columns, in the order of the statements here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import orjson

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Attempt, Skip
from pointsman.domain.verdict import Verdict
from pointsman.executor.attempt import RULES
from pointsman.executor.journal import money
from pointsman.executor.journal.row import Row
from pointsman.executor.journal.sequential import SequentialFallback
from pointsman.executor.journal.store import Numbered

Value = str | int | float | None
Record = Sequence[Value]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

_DAY_S: Final = 86_400
_NOTHING: Final = Decimal(0)
_LONGEST_S: Final = 1e9
"""A clock's slip must cost a false number and not the batch."""

_MOST_TOKENS: Final = 10**12
"""A provider's slip must cost a false number and not the batch: the columns hold 64 bits, and so do their sums."""

REQUESTS: Final = (
    "id", "started_us", "request_id", "session_id", "trace_id", "caller", "category", "decided_by", "confidence",
    "probabilities", "classifier_version", "model_hop", "classify_us", "small_model_us", "policy", "settings_hash",
    "ending", "reason", "degraded", "answered_by", "is_fallback", "is_simulated", "duration_us", "queue_us",
    "first_token_us", "attempts", "wasted", "unproductive", "skips", "input_tokens", "cached_input_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens", "is_estimated", "cost_usd", "unproductive_cost_usd",
    "attempts_without_price", "sequential_attempts", "sequential_cost_usd", "prompt", "answer",
)  # fmt: skip
ATTEMPTS: Final = (
    "request", "step", "candidate", "outcome", "started_us", "duration_us", "first_token_us", "input_tokens",
    "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "is_estimated", "cost_usd",
    "price_version", "is_wasted", "is_local", "is_fallback", "is_simulated", "http_status", "provider_request_id",
    "retry_after_us", "detail",
)  # fmt: skip
SKIPS: Final = ("request", "step", "candidate", "reason", "ready_us", "detail")
LABELS: Final = ("request", "name", "value")


def _insert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" * len(columns))
    # Names are the constants above; values are passed apart.
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608


_INSERT_REQUESTS: Final = _insert("requests", REQUESTS)
_INSERT_ATTEMPTS: Final = _insert("attempts", ATTEMPTS)
_INSERT_SKIPS: Final = _insert("skips", SKIPS)
_INSERT_LABELS: Final = _insert("labels", LABELS)


@dataclass(slots=True)
class Records:
    """What a batch of rows comes to, table by table; requests first, because the others point to them."""

    requests: list[Record] = field(default_factory=list)
    attempts: list[Record] = field(default_factory=list)
    skips: list[Record] = field(default_factory=list)
    labels: list[Record] = field(default_factory=list)

    @property
    def inserts(self) -> Iterable[tuple[str, list[Record]]]:
        """The statement of each table with its records; what is there already is left alone."""
        tables = (
            (_INSERT_REQUESTS, self.requests),
            (_INSERT_ATTEMPTS, self.attempts),
            (_INSERT_SKIPS, self.skips),
            (_INSERT_LABELS, self.labels),
        )
        return ((statement, records) for statement, records in tables if records)


@dataclass(slots=True)
class _Sums:
    """What the attempts of one request come to: `known_usd` of all, `lost_usd` of those that gave no answer."""

    simulated: bool = False
    wasted: int = 0
    unproductive: int = 0
    without_price: int = 0
    known_usd: Decimal = _NOTHING
    lost_usd: Decimal = _NOTHING

    def add(self, attempt: Attempt) -> None:
        """Count one attempt more."""
        rule, cost_usd = RULES[attempt.outcome], attempt.cost_usd
        self.simulated = self.simulated or attempt.simulated
        self.wasted += attempt.wasted
        self.unproductive += rule.unproductive
        if cost_usd is not None:
            self.known_usd += cost_usd
            if rule.wasted or rule.unproductive:
                self.lost_usd += cost_usd
        elif attempt.usage is not None:
            self.without_price += 1


class Recorder:
    """Makes records of rows. What sequential fallback would have done is said by the settings in force."""

    def __init__(self, sequential: SequentialFallback) -> None:
        """Keep what every row needs beside itself."""
        self.sequential = sequential

    def records(self, rows: Iterable[Numbered]) -> Records:
        """Return the records of a batch."""
        made = Records()
        for numbered in rows:
            row, id_ = numbered.row, numbered.id
            made.requests.append(self._request(id_, row))
            for step, each in enumerate(row.trail.steps):
                if isinstance(each, Skip):
                    made.skips.append(_skip(id_, step, each))
                else:
                    made.attempts.append(_attempt(id_, step, each))
            made.labels.extend((id_, _clean(name), _clean(value)) for name, value in row.labels)
        return made

    def _request(self, id_: str, row: Row) -> Record:
        verdict, answered_by, attempts = row.ruling.verdict, row.answered_by, row.attempts
        sequential = self.sequential.of(row)
        first = attempts[0].started_at if attempts else None
        sums = _Sums()
        for each in attempts:
            sums.add(each)
        return (
            id_,
            instant(row.at),
            _clean(row.request_id),
            _clean(row.session_id),
            row.trace_id,
            _clean(row.caller),
            row.category,
            *_ruled(verdict),
            _duration(row.ruling.waited_s),
            _duration(verdict.model_duration_s) if verdict else None,
            row.policy,
            row.settings_hash,
            row.ending.value,
            row.reason,
            ",".join(reason.value for reason in row.degraded),
            answered_by.candidate if answered_by else "",
            int(answered_by is not None and answered_by.fallback),
            int(sums.simulated),
            _duration(row.duration_s),
            _duration((first - row.at).total_seconds()) if first else None,
            _duration(row.first_token_s),
            len(attempts),
            sums.wasted,
            sums.unproductive,
            len(row.trail.steps) - len(attempts),
            *_tokens(row.trail.usage),
            money.as_text(sums.known_usd),
            money.as_text(sums.lost_usd),
            sums.without_price,
            sequential.attempts,
            money.as_text(sequential.cost_usd),
            _clean(row.prompt) or None,
            _clean(row.answer) or None,
        )


def instant(at: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    since = at - EPOCH
    # In integers, which is exact, and takes a third of what a division by a timedelta takes.
    return (since.days * _DAY_S + since.seconds) * 1_000_000 + since.microseconds


def instant_of(microseconds: int) -> datetime:
    """Return the instant that so many microseconds since 1970 are."""
    return EPOCH + int(microseconds) * MICROSECOND


def _ruled(verdict: Verdict | None) -> Record:
    if verdict is None:
        return ("", None, "{}", "", "")
    probabilities = {category: round(probability, 6) for category, probability in verdict.probabilities}
    return (
        verdict.decided_by.value,
        verdict.confidence,
        orjson.dumps(probabilities).decode(),
        verdict.classifier_version,
        verdict.model_hop.value,
    )


def _attempt(id_: str, step: int, attempt: Attempt) -> Record:
    return (
        id_,
        step,
        attempt.candidate,
        attempt.outcome.value,
        instant(attempt.started_at),
        _duration(attempt.duration_s),
        _duration(attempt.time_to_first_token_s),
        *(_tokens(attempt.usage) if attempt.usage else (None, None, None, None, None, 0)),
        None if attempt.cost_usd is None else money.as_text(attempt.cost_usd),
        attempt.price_version,
        int(attempt.wasted),
        int(attempt.local),
        int(attempt.fallback),
        int(attempt.simulated),
        attempt.http_status,
        _clean(attempt.provider_request_id),
        _duration(attempt.retry_after_s),
        _clean(attempt.detail),
    )


def _skip(id_: str, step: int, skip: Skip) -> Record:
    ready_us = instant(skip.ready_at) if skip.ready_at else None
    return (id_, step, skip.candidate, skip.reason.value, ready_us, _clean(skip.detail))


def _tokens(usage: Usage) -> Record:
    counts: tuple[int, ...] = (
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )
    if max(counts) > _MOST_TOKENS:
        counts = tuple([min(count, _MOST_TOKENS) for count in counts])
    return (*counts, int(usage.estimated))


def _duration(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not 0.0 <= seconds <= _LONGEST_S:
        seconds = min(max(seconds, 0.0), _LONGEST_S)
    return round(seconds * 1e6)


def _clean(text: str) -> str:
    """Return the text without NUL, which PostgreSQL has no place for."""
    return text.replace("\0", "")
