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
            ("requests", REQUESTS, self.requests),
            ("attempts", ATTEMPTS, self.attempts),
            ("skips", SKIPS, self.skips),
            ("labels", LABELS, self.labels),
        )
        return ((_insert(table, columns), records) for table, columns, records in tables if records)


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
        lost_usd = sum((each.cost_usd or Decimal(0) for each in row.lost), Decimal(0))
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
            int(any(each.simulated for each in attempts)),
            _duration(row.duration_s),
            _duration((first - row.at).total_seconds()) if first else None,
            _duration(row.first_token_s),
            len(attempts),
            sum(each.wasted for each in attempts),
            sum(RULES[each.outcome].unproductive for each in attempts),
            len(row.trail.steps) - len(attempts),
            *_tokens(row.trail.usage),
            money.as_text(row.known_cost_usd),
            money.as_text(lost_usd),
            sum(each.usage is not None and each.cost_usd is None for each in attempts),
            sequential.attempts,
            money.as_text(sequential.cost_usd),
            _clean(row.prompt) or None,
            _clean(row.answer) or None,
        )


def instant(at: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


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
    return (
        min(usage.input_tokens, _MOST_TOKENS),
        min(usage.cached_input_tokens, _MOST_TOKENS),
        min(usage.cache_write_tokens, _MOST_TOKENS),
        min(usage.output_tokens, _MOST_TOKENS),
        min(usage.reasoning_tokens, _MOST_TOKENS),
        int(usage.estimated),
    )


def _duration(seconds: float | None) -> int | None:
    return None if seconds is None else round(min(max(seconds, 0.0), 1e9) * 1e6)


def _clean(text: str) -> str:
    """Return the text without NUL, which PostgreSQL has no place for."""
    return text.replace("\0", "")


def _insert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" * len(columns))
    # Names are the constants above; values are passed apart.
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608
