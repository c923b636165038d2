"""What errors of Gemini mean; the rows are tried in order (reference of 2026-11-22)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import errors, shape
from pointsman.executor.adapters.base import HttpResponse, Reply, StatedQuota
from pointsman.executor.adapters.errors import Complaint, Rule
from pointsman.executor.adapters.quota_headers import DAY, MINUTE, duration_s, retry_after_s, whole
from pointsman.executor.adapters.quota_hints import next_pacific_day, wait_after

_PER_DAY: Final = "a quota per day"
_NOTHING: Final = "a quota of nothing"
"""Words that stand for what `details` say, so that rows can ask for them."""

RULES: Final = (
    Rule(
        outcome=Outcome.UNAUTHORIZED,
        detail="The provider does not accept the API key.",
        words=("api_key_invalid", "api_key_expired"),
    ),
    Rule(outcome=Outcome.BILLING, detail="The prepaid credit is used up.", statuses=(402,)),
    Rule(
        outcome=Outcome.DAILY_QUOTA,
        detail="The quota of the day is used up.",
        statuses=(429,),
        words=(_PER_DAY,),
    ),
    Rule(
        outcome=Outcome.BILLING,
        detail="The account's tier has no quota for this model.",
        statuses=(429,),
        words=(_NOTHING,),
    ),
    Rule(outcome=Outcome.RATE_LIMITED, detail="A limit of the provider is reached.", statuses=(429,)),
    Rule(
        outcome=Outcome.CONTEXT_TOO_LONG,
        detail="The prompt is longer than the model reads.",
        statuses=(400,),
        phrases=("input token count", "number of tokens allowed"),
    ),
    Rule(
        outcome=Outcome.BILLING,
        detail="The project has no billing account.",
        statuses=(400,),
        words=("failed_precondition",),
        phrases=("billing",),
    ),
    Rule(outcome=Outcome.OVERLOADED, detail="The model is overloaded.", statuses=(503,)),
    Rule(outcome=Outcome.TIMED_OUT, detail="The provider ran out of time.", statuses=(504,)),
)

_STATUS_OF: Final = {
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "cancelled": 499,
    "internal": 500,
    "unavailable": 503,
    "deadline_exceeded": 504,
}
"""The status that an error inside a 200 would have had, where its own `code` does not say."""

_FAILURES: Final = range(400, 600)


@frozen
class _Details:
    """What stands in `error.details`, by kind."""

    reason: str
    violations: tuple[dict[str, Any], ...]
    retry_delay: str


def classify(response: HttpResponse, document: object, now: datetime) -> Reply:
    """Return what an error means. `document` is the unwrapped body, None when it is no JSON."""
    details = _details(document)
    complaint = _complaint(response, document, details)
    reply = errors.reply(errors.judge(complaint, RULES))
    stated = tuple(quota for violation in details.violations if (quota := _quota(violation)))
    asked = (
        retry_after_s(response.status, response.headers, now),
        _delay_s(details.retry_delay),
        wait_after(complaint.message, "retry in "),
    )
    daily = reply.outcome is Outcome.DAILY_QUOTA  # the retry delay is short here too, and wrong (reports, 2026)
    return replace(
        reply,
        stated=stated if daily or reply.outcome is Outcome.RATE_LIMITED else (),
        retry_after_s=errors.wait_s(reply.outcome, *asked),
        out_until=next_pacific_day(now) if daily else None,
    )


def _complaint(response: HttpResponse, document: object, details: _Details) -> Complaint:
    status_name = shape.text(document, "error", "status").lower()
    code = details.reason
    if any("perday" in shape.text(violation, "quotaId").lower() for violation in details.violations):
        code = _PER_DAY
    elif any(shape.text(violation, "quotaValue") == "0" for violation in details.violations):
        code = _NOTHING
    message = errors.readable(shape.text(document, "error", "message"))
    return Complaint(
        status=_status(response, document, status_name),
        type=status_name,
        code=code,
        message=message if isinstance(document, dict) else errors.readable_body(response.body),
    )


def _status(response: HttpResponse, document: object, status_name: str) -> int:
    if not response.is_success:
        return response.status
    own = shape.count(document, "error", "code")
    return own if own in _FAILURES else _STATUS_OF.get(status_name, 500)


def _details(document: object) -> _Details:
    entries = shape.objects(document, "error", "details")
    reasons = (shape.text(entry, "reason").lower() for entry in entries if _is(entry, "ErrorInfo"))
    failures = (shape.objects(entry, "violations") for entry in entries if _is(entry, "QuotaFailure"))
    delays = (shape.text(entry, "retryDelay") for entry in entries if _is(entry, "RetryInfo"))
    return _Details(
        reason=next(reasons, ""),
        violations=tuple(violation for failure in failures for violation in failure),
        retry_delay=next(delays, ""),
    )


def _is(entry: dict[str, Any], kind: str) -> bool:
    return shape.text(entry, "@type").endswith(f"google.rpc.{kind}")


def _delay_s(text: str) -> float | None:
    """Return seconds of a protobuf duration, which must end in "s"."""
    return duration_s(text) if text.endswith("s") and text[:-1].replace(".", "", 1).isdecimal() else None


def _quota(violation: dict[str, Any]) -> StatedQuota | None:
    """Return the true limit that a violation names."""
    name = shape.text(violation, "quotaId").lower()
    limit = whole(shape.text(violation, "quotaValue"))
    period: timedelta | None = DAY if "perday" in name else MINUTE if "perminute" in name else None
    if not limit or period is None:
        return None
    unit = Unit.INPUT_TOKENS if "inputtoken" in name else Unit.TOKENS if "token" in name else Unit.REQUESTS
    return StatedQuota(unit=unit, limit=limit, period=period)
