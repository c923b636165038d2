"""What errors of Anthropic mean; the rows are tried in order (reference of 2026-11-22)."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import errors, shape
from pointsman.executor.adapters.base import HttpResponse, Reply
from pointsman.executor.adapters.errors import Complaint, Rule
from pointsman.executor.adapters.quota_headers import retry_after_s
from pointsman.executor.adapters.quota_hints import anthropic_limit, next_month, regained_at

_SPEND_CAPS: Final = ("enforced_spend_limit_reached", "contract_spend_limit_reached")

RULES: Final = (
    Rule(
        outcome=Outcome.BILLING,
        detail="The monthly spend limit of the account is reached.",
        statuses=(429,),
        words=_SPEND_CAPS,
    ),
    Rule(outcome=Outcome.BILLING, detail="The account cannot be billed.", statuses=(402,)),
    Rule(
        outcome=Outcome.BILLING,
        detail="A spend limit that you set yourself is reached.",
        statuses=(400,),
        opening="you have reached your specified",
    ),
    Rule(
        outcome=Outcome.BILLING,
        detail="The account has too little credit.",
        statuses=(400,),
        phrases=("credit balance is too low",),
    ),
    Rule(
        outcome=Outcome.CONTEXT_TOO_LONG,
        detail="The prompt is longer than the model reads.",
        statuses=(400,),
        phrases=("prompt is too long",),
    ),
    Rule(
        outcome=Outcome.CONTENT_BLOCKED,
        detail="The provider blocked the prompt.",
        statuses=(400,),
        phrases=("content filtering policy",),
    ),
    Rule(
        outcome=Outcome.FORBIDDEN,
        detail="The account is not set up for this; the provider's console says more.",
        statuses=(400,),
        words=(
            "organization_on_hold",
            "cmek_key_disabled",
            "cmek_key_network_blocked",
            "organization_type_not_supported",
            "parent_organization_required",
        ),
    ),
    Rule(
        outcome=Outcome.SERVER_ERROR,
        detail="The provider cannot reach the account's own encryption key.",
        statuses=(503,),
        words=("cmek_key_unreachable", "cmek_context_unavailable"),
    ),
    Rule(
        outcome=Outcome.RATE_LIMITED,
        detail="The traffic rose faster than the provider allows.",
        statuses=(429,),
        words=("ramp_limit_exceeded",),
        rose_too_fast=True,
    ),
    Rule(outcome=Outcome.OVERLOADED, detail="The provider is overloaded.", words=("overloaded_error",)),
)

_STATUS_OF: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that an error inside a 200 would have had."""


def classify(response: HttpResponse, document: object, now: datetime) -> Reply:
    """Return what an error means. `document` is the body as JSON, None when it is none."""
    complaint = _complaint(response, document)
    reply = errors.reply(errors.judge(complaint, RULES))
    wait_s = retry_after_s(response.status, response.headers, now)
    match reply.outcome:
        case Outcome.BILLING:
            capped = complaint.code in _SPEND_CAPS
            return replace(reply, out_until=regained_at(complaint.message) or (next_month(now) if capped else None))
        case Outcome.RATE_LIMITED:
            return replace(
                reply,
                retry_after_s=wait_s,
                stated=anthropic_limit(complaint.message),
                # The body of a spend limit is told from a rate limit by details that older versions may leave out.
                repeat_means_billing=wait_s is None and not complaint.code and not response.is_success,
            )
        case _:
            return replace(reply, retry_after_s=errors.wait_s(reply.outcome, wait_s))


def _complaint(response: HttpResponse, document: object) -> Complaint:
    type_ = shape.text(document, "error", "type").lower()
    message = errors.readable(shape.text(document, "error", "message"))
    return Complaint(
        status=_STATUS_OF.get(type_, 500) if response.is_success else response.status,
        type=type_,
        code=shape.text(document, "error", "details", "error_code").lower(),
        message=message if isinstance(document, dict) else errors.readable_body(response.body),
    )
