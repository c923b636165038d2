"""The CLIENT span of one attempt, in the words of the GenAI conventions: what was asked, and what became of it."""

from decimal import Decimal

from pointsman.domain.answer import Usage
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, Reply
from pointsman.executor.attempt import RULES
from pointsman.telemetry import names
from pointsman.telemetry.spans import Span


def announce(span: Span, call: Call, *, is_fallback: bool, is_streamed: bool) -> None:
    """Say on the span what is known of an attempt before it leaves."""
    if not span.is_recording:
        return
    candidate = call.candidate
    span.set(names.GEN_AI_OPERATION_NAME, names.OPERATION_CHAT)
    span.set(names.GEN_AI_PROVIDER_NAME, names.PROVIDERS.get(candidate.provider, candidate.provider))
    span.set(names.GEN_AI_REQUEST_MODEL, candidate.model.id)
    span.set(names.GEN_AI_REQUEST_MAX_TOKENS, call.max_output_tokens)
    span.set(names.GEN_AI_REQUEST_STREAM, is_streamed)
    span.set(names.CANDIDATE, candidate.id)
    span.set(names.FALLBACK, is_fallback)
    span.set(names.GEN_AI_CONVERSATION_ID, call.request.session_id or None)


def describe(span: Span, reply: Reply, *, first_token_s: float | None, cost_usd: Decimal | None) -> None:
    """Say on the span what became of the attempt. Anything but an answer fails it."""
    if not span.is_recording:
        return
    span.set(names.OUTCOME, reply.outcome)
    span.set(names.WASTED, RULES[reply.outcome].wasted)
    span.set(names.SIMULATED, reply.simulated)
    span.set(names.HTTP_STATUS_CODE, reply.http_status or None)
    span.set(names.GEN_AI_RESPONSE_MODEL, reply.model or None)
    span.set(names.GEN_AI_RESPONSE_ID, reply.provider_request_id or None)
    if reply.answer:
        span.set(names.GEN_AI_RESPONSE_FINISH_REASONS, (reply.answer.finish_reason,))
    for name, duration_s in reply.durations_s:
        span.set(name, duration_s)
    _count(span, reply.usage, first_token_s, cost_usd)
    if reply.outcome is not Outcome.ANSWERED:
        span.fail(reply.outcome)


def describe_given_up(span: Span, usage: Usage | None, first_token_s: float | None, cost_usd: Decimal | None) -> None:
    """Say on the span what an attempt had used when its caller left. Leaving is no failure of the provider's."""
    span.set(names.OUTCOME, Outcome.CANCELLED)
    span.set(names.WASTED, RULES[Outcome.CANCELLED].wasted)
    _count(span, usage, first_token_s, cost_usd)


def _count(span: Span, usage: Usage | None, first_token_s: float | None, cost_usd: Decimal | None) -> None:
    span.set(names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, first_token_s)
    span.set(names.COST_USD, None if cost_usd is None else float(cost_usd))
    if usage is None:
        return
    span.set(names.GEN_AI_USAGE_INPUT_TOKENS, usage.input_tokens)
    span.set(names.GEN_AI_USAGE_OUTPUT_TOKENS, usage.output_tokens)
    # Not every provider tells these apart, and zero would say that there were none.
    span.set(names.GEN_AI_USAGE_CACHE_READ_TOKENS, usage.cached_input_tokens or None)
    span.set(names.GEN_AI_USAGE_CACHE_WRITE_TOKENS, usage.cache_write_tokens or None)
    span.set(names.GEN_AI_USAGE_REASONING_TOKENS, usage.reasoning_tokens or None)
    span.set(names.USAGE_ESTIMATED, usage.estimated or None)
