"""Make one call for which quota is set aside, and say what became of it: span, time limit, price, habits."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Outcome
from pointsman.executor.adapters.base import Adapter, Call, Reply
from pointsman.executor.attempt import RULES
from pointsman.executor.estimate import Estimator, output_limit
from pointsman.executor.prices import PriceTable
from pointsman.telemetry import names
from pointsman.telemetry.spans import Span, SpanKind, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Everything that one call needs. `adapters` has one entry a provider."""

    adapters: Mapping[str, Adapter]
    prices: PriceTable
    estimator: Estimator
    clock: Clock
    suspects: dict[str, float] = field(default_factory=dict)
    """Candidates whose last rate limit looked like a spend limit, and since when; a later one is taken for it."""

    async def call(
        self, candidate: Candidate, request: Request, *, time_limit_s: float, is_fallback: bool = False
    ) -> tuple[Attempt, Reply]:
        """Call the candidate and return what became of it. Raises nothing but CancelledError."""
        started_at, started = self.clock.now(), self.clock.monotonic()
        limit = output_limit(candidate, request)
        call = Call(candidate=candidate, request=request, max_output_tokens=limit, timeout_s=time_limit_s)
        name = f"{names.OPERATION_CHAT} {candidate.model.id}"
        with span(name, kind=SpanKind.CLIENT, attributes=_asked(call, is_fallback=is_fallback)) as attempt_span:
            reply = self._second_look(candidate, await self._reply(call), started)
            _describe(attempt_span, reply)
        duration_s = self.clock.monotonic() - started
        if reply.outcome is Outcome.ANSWERED and reply.usage:
            self.estimator.learn(candidate, request, reply.usage, duration_s)
        cost = self.prices.cost(candidate, reply.usage, started_at) if reply.usage else None
        attempt = Attempt(
            candidate=candidate.id,
            outcome=reply.outcome,
            started_at=started_at,
            duration_s=duration_s,
            usage=reply.usage,
            cost_usd=cost,
            wasted=RULES[reply.outcome].wasted,
            local=candidate.local,
            fallback=is_fallback,
            simulated=reply.simulated,
            provider_request_id=reply.provider_request_id,
            http_status=reply.http_status,
            detail=reply.detail,
            retry_after_s=reply.retry_after_s,
            price_version=self.prices.version if cost is not None else "",
            ignored_options=reply.ignored_options,
        )
        return attempt, reply

    async def _reply(self, call: Call) -> Reply:
        candidate = call.candidate
        try:
            async with asyncio.timeout(call.timeout_s):
                reply = await self.adapters[candidate.provider].call(call)
        except TimeoutError:
            return Reply(outcome=Outcome.TIMED_OUT, detail=f"no answer within {call.timeout_s:.2f} s")
        except Exception as error:
            # A bug of an adapter must not lose the request: it is named, logged once, and the next candidate serves.
            log = structlog.get_logger()
            log.exception(names.EVENT_ADAPTER_BROKEN, candidate=candidate.id, error_type=type(error).__name__)
            return Reply(outcome=Outcome.SERVER_ERROR, detail=f"the adapter failed with {type(error).__name__}")
        if reply.answer is None and reply.outcome in {Outcome.ANSWERED, Outcome.CONTENT_BLOCKED}:
            return replace(reply, outcome=Outcome.SERVER_ERROR, detail="the provider's answer held none")
        return reply

    def _second_look(self, candidate: Candidate, reply: Reply, started: float) -> Reply:
        """Take a rate limit that names no wait, twice in a row, for the spend limit that it looks like.

        Calls that were under way together are not in a row: a burst meets one limit many times (docs, 2026-11).
        """
        if not reply.repeat_means_billing:
            self.suspects.pop(candidate.id, None)
            return reply
        if started > self.suspects.setdefault(candidate.id, self.clock.monotonic()):
            return replace(reply, outcome=Outcome.BILLING)
        return reply


def _asked(call: Call, *, is_fallback: bool) -> dict[str, str | int | bool]:
    return {
        names.GEN_AI_OPERATION_NAME: names.OPERATION_CHAT,
        names.GEN_AI_PROVIDER_NAME: call.candidate.provider,
        names.GEN_AI_REQUEST_MODEL: call.candidate.model.id,
        names.GEN_AI_REQUEST_MAX_TOKENS: call.max_output_tokens,
        names.CANDIDATE: call.candidate.id,
        names.FALLBACK: is_fallback,
    }


def _describe(attempt_span: Span, reply: Reply) -> None:
    attempt_span.set(names.OUTCOME, reply.outcome)
    attempt_span.set(names.WASTED, RULES[reply.outcome].wasted)
    attempt_span.set(names.SIMULATED, reply.simulated)
    attempt_span.set(names.HTTP_STATUS_CODE, reply.http_status or None)
    attempt_span.set(names.GEN_AI_RESPONSE_MODEL, reply.model or None)
    attempt_span.set(names.GEN_AI_RESPONSE_ID, reply.provider_request_id or None)
    if reply.usage:
        attempt_span.set(names.GEN_AI_USAGE_INPUT_TOKENS, reply.usage.input_tokens)
        attempt_span.set(names.GEN_AI_USAGE_OUTPUT_TOKENS, reply.usage.output_tokens)
    if reply.answer:
        attempt_span.set(names.GEN_AI_RESPONSE_FINISH_REASONS, (reply.answer.finish_reason,))
    for name, duration_s in reply.durations_s:
        attempt_span.set(name, duration_s)
    if reply.outcome is not Outcome.ANSWERED:
        attempt_span.fail(reply.outcome)
