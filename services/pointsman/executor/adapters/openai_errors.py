"""What errors of OpenAI, DeepSeek and Moonshot mean; their rows are tried in order (reference of 2026-11-22)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from pointsman.domain.frozen import frozen
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import errors, shape
from pointsman.executor.adapters.base import HttpResponse, Reply, StatedQuota
from pointsman.executor.adapters.errors import Complaint, Rule
from pointsman.executor.adapters.quota_headers import retry_after_s
from pointsman.executor.adapters.quota_hints import moonshot_limit, moonshot_wait_s, openai_limit, wait_after
from pointsman.executor.quota import next_midnight

_CHINA: Final = timezone(timedelta(hours=8))
"""Moonshot's days are taken to be those of its home; nothing says whose they are."""

_COMMON: Final = (
    Rule(
        outcome=Outcome.BILLING,
        detail="The account has no money left, or its spend limit is reached.",
        words=(
            "insufficient_quota",
            "billing_hard_limit_reached",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "exceeded_current_quota_error",
        ),
    ),
    Rule(outcome=Outcome.BILLING, detail="The account has no money left.", statuses=(402,)),
    Rule(
        outcome=Outcome.CONTEXT_TOO_LONG,
        detail="The prompt is longer than the model reads.",
        words=("context_length_exceeded",),
    ),
    Rule(
        outcome=Outcome.CONTEXT_TOO_LONG,
        detail="The prompt is longer than the model reads.",
        statuses=(400,),
        phrases=(
            "maximum context length",
            "exceeds the context window",
            "input tokens exceed the configured limit",
            "exceeded model token limit",
            "token length too long",
        ),
    ),
    Rule(  # DeepSeek has no status of its own for it (reported by its users, not documented; 2026-11)
        outcome=Outcome.MODEL_NOT_FOUND,
        detail="The provider does not know the model.",
        statuses=(400,),
        phrases=("model not exist",),
    ),
    Rule(
        outcome=Outcome.REQUEST_EXCEEDS_QUOTA,
        detail="This one request is larger than the whole budget of a minute.",
        statuses=(429,),
        opening="request too large",
    ),
    Rule(
        outcome=Outcome.CONTENT_BLOCKED,
        detail="The provider blocked the prompt.",
        words=("content_filter", "content_policy_violation", "invalid_prompt"),
    ),
    Rule(outcome=Outcome.CONTENT_BLOCKED, detail="The provider blocked the prompt.", whole="content exists risk"),
    Rule(
        outcome=Outcome.DAILY_QUOTA,
        detail="The tokens of the day are used up.",
        words=("rate_limit_reached_error",),
        phrases=("tpd",),
    ),
    Rule(
        outcome=Outcome.CONCURRENCY_LIMITED,
        detail="Too many calls are under way at once.",
        words=("rate_limit_reached_error",),
        phrases=("concurrency",),
    ),
    Rule(
        outcome=Outcome.OVERLOADED,
        detail="The provider is overloaded.",
        words=("engine_overloaded_error", "server_is_overloaded", "overloaded"),
    ),
    Rule(
        outcome=Outcome.RATE_LIMITED,
        detail="The traffic rose faster than the provider allows.",
        words=("slow_down",),
        rose_too_fast=True,
    ),
)

_DEEPSEEK: Final = (
    *_COMMON,
    Rule(
        outcome=Outcome.CONCURRENCY_LIMITED,
        detail="Too many calls are under way at once.",
        statuses=(429,),
    ),
)
"""DeepSeek limits calls at once and nothing else, so its 429 needs no words (docs, 2026-11)."""

_MOONSHOT: Final = (
    *_COMMON,
    Rule(outcome=Outcome.BILLING, detail="The account has no money left.", statuses=(403,), phrases=("balance",)),
)
"""Moonshot's help centre names 403 for an empty balance too (2026-11)."""

_STATUS_OF: Final = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limit_reached_error": 429,
    "requests": 429,
    "tokens": 429,
    "service_unavailable_error": 503,
    "invalid_api_key": 401,
    "invalid_authentication_error": 401,
    "incorrect_api_key_error": 401,
    "authentication_error": 401,
    "permission_denied_error": 403,
    "model_not_found": 404,
    "resource_not_found_error": 404,
    "invalid_request_error": 400,
}
"""The status that an error inside a 200 would have had."""


@frozen
class ErrorDialect:
    """How one provider of this wire format complains: its rows, and how its prose names limits and waits."""

    rules: tuple[Rule, ...]
    limits: Callable[[str], tuple[StatedQuota, ...]]
    wait_s: Callable[[str], float | None]


def _openai_wait_s(message: str) -> float | None:
    return wait_after(message, "try again in ")


OPENAI: Final = ErrorDialect(rules=_COMMON, limits=openai_limit, wait_s=_openai_wait_s)
DEEPSEEK: Final = ErrorDialect(rules=_DEEPSEEK, limits=openai_limit, wait_s=_openai_wait_s)
MOONSHOT: Final = ErrorDialect(rules=_MOONSHOT, limits=moonshot_limit, wait_s=moonshot_wait_s)

_NAMES_A_LIMIT: Final = frozenset(
    {Outcome.RATE_LIMITED, Outcome.CONCURRENCY_LIMITED, Outcome.DAILY_QUOTA, Outcome.REQUEST_EXCEEDS_QUOTA}
)


def classify(response: HttpResponse, document: object, now: datetime, dialect: ErrorDialect) -> Reply:
    """Return what an error means. `document` is the body as JSON, None when it is none."""
    complaint = _complaint(response, document)
    reply = errors.reply(errors.judge(complaint, dialect.rules))
    asked = retry_after_s(response.status, response.headers, now), dialect.wait_s(complaint.message)
    daily = reply.outcome is Outcome.DAILY_QUOTA
    return replace(
        reply,
        stated=dialect.limits(complaint.message) if reply.outcome in _NAMES_A_LIMIT else (),
        retry_after_s=errors.wait_s(reply.outcome, *asked),
        out_until=next_midnight(now, _CHINA).astimezone(UTC) if daily else None,
    )


def _complaint(response: HttpResponse, document: object) -> Complaint:
    error = shape.at(document, "error")
    if not isinstance(error, dict):
        said = error if isinstance(error, str) else shape.text(document, "message")
        message = errors.readable(said) or ("" if isinstance(document, dict) else errors.readable_body(response.body))
        return Complaint(status=_status(response, ()), message=message)
    type_, code = shape.text(error, "type").lower(), shape.text(error, "code").lower()
    return Complaint(
        status=_status(response, (code, type_)),
        type=type_,
        code=code,
        message=errors.readable(shape.text(error, "message")),
    )


def _status(response: HttpResponse, words: tuple[str, ...]) -> int:
    if not response.is_success:
        return response.status
    return next((_STATUS_OF[word] for word in words if word in _STATUS_OF), 500)
