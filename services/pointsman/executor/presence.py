"""Look after candidates that are out: is the local model there yet, does the key work again? Asks only what is free."""

import asyncio
from collections.abc import Container, Iterable, Mapping

import structlog

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Adapter
from pointsman.executor.ledger.port import Ledger
from pointsman.telemetry import names

LOCAL_EVERY_S = 5.0
"""Between looks at local models: a person who has just started Ollama is waiting."""

GONE = frozenset({Outcome.NETWORK, Outcome.MODEL_NOT_FOUND})
"""What a local model that is not there answers to a probe. One that is busy or broken is none of these."""

REMOTE_EVERY_S = {
    Outcome.UNAUTHORIZED: 60.0,
    Outcome.FORBIDDEN: 900.0,
    Outcome.MODEL_NOT_FOUND: 900.0,
    Outcome.BILLING: 900.0,
}
"""Between free probes of a provider that is out; a spend limit is looked at every 15 minutes (docs, 2026-11)."""

PROBE_TIMEOUT_S = 5.0


async def look_after(
    candidates: Iterable[Candidate],
    *,
    adapters: Mapping[str, Adapter],
    credentials: Container[str],
    ledger: Ledger,
    clock: Clock,
) -> None:
    """Look after the candidates until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for candidate in candidates:
            if candidate.local:
                tasks.create_task(_look_after_local(candidate, adapters[candidate.provider], ledger, clock))
            else:  # one without a key is not called, so it is never out; its file may hold one later
                tasks.create_task(
                    _look_after_remote(candidate, adapters[candidate.provider], credentials, ledger, clock)
                )


async def _look_after_local(candidate: Candidate, adapter: Adapter, ledger: Ledger, clock: Clock) -> None:
    while True:
        outcome = await _probe(candidate, adapter)
        was_out = ledger.is_out(candidate)
        if outcome is Outcome.ANSWERED and was_out:
            ledger.revive(candidate)
            structlog.get_logger().info(names.EVENT_CANDIDATE_REVIVED, candidate=candidate.id)
        elif outcome in GONE and outcome is not was_out:
            ledger.take_out(candidate, outcome)
            structlog.get_logger().warning(names.EVENT_CANDIDATE_OUT, candidate=candidate.id, outcome=outcome)
        await clock.sleep(LOCAL_EVERY_S)


async def _look_after_remote(
    candidate: Candidate, adapter: Adapter, credentials: Container[str], ledger: Ledger, clock: Clock
) -> None:
    while True:
        cause = ledger.is_out(candidate)
        await clock.sleep(REMOTE_EVERY_S[cause or Outcome.UNAUTHORIZED])
        # Only one that was out before the sleep is probed: each outage lasts as long as its kind asks for.
        is_due = cause and ledger.is_out(candidate) is cause and candidate.provider in credentials
        if is_due and await _probe(candidate, adapter) is Outcome.ANSWERED:
            ledger.revive(candidate)
            structlog.get_logger().info(names.EVENT_CANDIDATE_REVIVED, candidate=candidate.id)


async def _probe(candidate: Candidate, adapter: Adapter) -> Outcome:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return (await adapter.probe(candidate.model.id)).outcome
    except TimeoutError:
        return Outcome.TIMED_OUT
