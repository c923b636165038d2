"""What the metrics tell of the Executor: requests that ended, from their trails, and the state of the candidates."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from pointsman.domain.answer import Usage
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Attempt, Outcome, Skip
from pointsman.executor.journal.row import Row
from pointsman.executor.ledger.port import WindowState
from pointsman.executor.states import CandidateState
from pointsman.telemetry import instruments, names
from pointsman.telemetry.metrics import REGISTER, Reading, one_hot

PLACES: Final = ("memory", "redis", "redis-away")
"""Where the ledger is kept, and what callers use."""

STATES: Final = ("ready", "waiting", "out")

LONGEST_MINUTE_S: Final = 120.0
"""A window up to here is called a minute, a longer one a day: what providers state is no more exact than that."""


@frozen
class Counts:
    """Counts what happened to candidates of the settings, by id."""

    candidates: Mapping[str, Candidate]

    def begin(self) -> None:
        """Show the figures that matter most before they are anything but 0: a rise from nothing is no rise."""
        for candidate_id in self.candidates:
            instruments.WASTED.add(0, candidate_id)
            for outcome in (Outcome.ANSWERED, Outcome.RATE_LIMITED):
                instruments.ATTEMPTS.add(0, candidate_id, outcome)

    def count(self, row: Row) -> None:
        """Count a request that ended, its skips and its attempts; nothing while nobody looks at metrics."""
        if not REGISTER.is_on:
            return
        last = row.answered_by
        local, fallback = _word(last is not None and last.local), _word(last is not None and last.fallback)
        instruments.REQUESTS.add(1, row.category, row.ending, local, fallback)
        instruments.REQUEST_DURATION.record(row.duration_s, row.category, row.ending)
        for step in row.trail.steps:
            if isinstance(step, Skip):
                instruments.SKIPS.add(1, step.candidate, step.reason)
            else:
                self._count_attempt(step)

    def _count_attempt(self, attempt: Attempt) -> None:
        candidate = self.candidates[attempt.candidate]
        model = (names.OPERATION_CHAT, candidate.provider, candidate.model.id)
        instruments.ATTEMPTS.add(1, candidate.id, attempt.outcome)
        if attempt.wasted:
            instruments.WASTED.add(1, candidate.id)
        error_type = "" if attempt.outcome is Outcome.ANSWERED else attempt.outcome.value
        instruments.MODEL_DURATION.record(attempt.duration_s, *model, error_type)
        if attempt.time_to_first_token_s is not None:
            instruments.TIME_TO_FIRST_CHUNK.record(attempt.time_to_first_token_s, *model)
        if attempt.usage is None:
            return
        for kind, tokens in _tokens(attempt.usage):
            instruments.TOKENS.add(tokens, candidate.id, kind)
        instruments.TOKEN_USAGE.record(attempt.usage.input_tokens, *model, "input")
        instruments.TOKEN_USAGE.record(attempt.usage.output_tokens, *model, "output")
        if attempt.cost_usd is None:
            instruments.UNPRICED.add(1, candidate.id)
        else:
            instruments.COST.add(float(attempt.cost_usd), candidate.id)


def readings(
    states: Iterable[CandidateState], *, ledger: str, allowances: str, waiting: int, now: datetime
) -> Iterator[Reading]:
    """Yield what is known of the candidates at this moment; `waiting` are the requests before the local fallback.

    `ledger` and `allowances` are names of PLACES.
    """
    yield from one_hot(instruments.LEDGER_STATE, PLACES, ledger)
    yield from one_hot(instruments.ALLOWANCES_STATE, PLACES, allowances)
    yield instruments.FALLBACK_WAITING.at(waiting)
    for state in states:
        yield from _candidate_readings(state, now)


def _candidate_readings(state: CandidateState, now: datetime) -> Iterator[Reading]:
    name, blocked = state.candidate.id, state.blocked
    word = "ready" if blocked is None else "waiting" if blocked.waits else "out"
    ready_in_s = (blocked.ready_at - now).total_seconds() if blocked and blocked.ready_at else 0.0
    yield from one_hot(instruments.CANDIDATE_STATE, STATES, word, name)
    yield instruments.CANDIDATE_READY_IN.at(max(0.0, ready_in_s), name)
    yield instruments.CANDIDATE_IN_FLIGHT.at(state.in_flight, name)
    for window in state.windows:
        labels = (name, window.scope, window.unit.value, _period(window))
        yield instruments.QUOTA_LIMIT.at(window.limit, *labels)
        yield instruments.QUOTA_REMAINING.at(window.remaining, *labels)
        yield instruments.QUOTA_HEADROOM.at(window.remaining / window.limit if window.limit else 0.0, *labels)


def _period(window: WindowState) -> str:
    if window.period_s is None:
        return "at_once"
    return "minute" if window.period_s <= LONGEST_MINUTE_S else "day"


def _tokens(usage: Usage) -> Iterator[tuple[str, int]]:
    """Yield kinds of tokens; input holds the cached ones and the cache writes, output the reasoning."""
    yield "input", usage.input_tokens
    yield "output", usage.output_tokens
    for kind, tokens in (
        ("cached_input", usage.cached_input_tokens),
        ("cache_write", usage.cache_write_tokens),
        ("reasoning", usage.reasoning_tokens),
    ):
        if tokens:
            yield kind, tokens


def _word(claim: bool) -> str:  # noqa: FBT001 - the claim is all there is to say
    return "true" if claim else "false"
