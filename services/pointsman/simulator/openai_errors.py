"""How OpenAI words its errors: status, type, code, and messages that name the limit (docs, 2026-11)."""

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.problem import Problem
from pointsman.simulator.scenario import LimitProfile

ORGANIZATION = "org-simulated"

_BAD = "invalid_request_error"
_ERRORS: dict[Outcome, tuple[int, str, str | None, str]] = {
    Outcome.UNAUTHORIZED: (401, _BAD, "invalid_api_key", "Incorrect API key provided: sk-simulated."),
    Outcome.FORBIDDEN: (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    Outcome.CONCURRENCY_LIMITED: (429, "rate_limit_error", "slow_down", "Too many requests at once; slow down."),
    Outcome.BILLING: (
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        "Your organization has no prepaid credits left.",
    ),
    Outcome.OVERLOADED: (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The model is at capacity, please try again later.",
    ),
    Outcome.CONTENT_BLOCKED: (400, _BAD, "invalid_prompt", "The prompt was flagged as against the usage policy."),
}
_SERVER_ERROR = (500, "server_error", "server_error", "The server had an error while processing your request.")


def error_of(problem: Problem) -> tuple[int, str, str | None, str]:
    """Return status, type, code and message."""
    match problem.outcome:
        case Outcome.UNAUTHORIZED if problem.code == "missing":
            return 401, _BAD, None, "You didn't provide an API key."
        case Outcome.MODEL_NOT_FOUND:
            message = f"The model `{problem.model}` does not exist or you do not have access to it."
            return 404, _BAD, "model_not_found", message
        case Outcome.RATE_LIMITED | Outcome.DAILY_QUOTA:
            return 429, _counted(problem), "rate_limit_exceeded", _limit_message(problem)
        case Outcome.REQUEST_EXCEEDS_QUOTA:
            return 429, "tokens", "rate_limit_exceeded", _too_large_message(problem)
        case Outcome.CONTEXT_TOO_LONG:
            limit = f"Input tokens exceed the configured limit of {problem.used} tokens."
            message = f"{limit} Your messages resulted in {problem.requested} tokens."
            return 400, _BAD, "context_length_exceeded", message
        case Outcome.INVALID_REQUEST:
            return problem.status, _BAD, problem.code, problem.message
        case _:
            return _ERRORS.get(problem.outcome, _SERVER_ERROR)


def _counted(problem: Problem) -> str:
    return "requests" if problem.limit is None or problem.limit.unit is Unit.REQUESTS else "tokens"


def _limit_message(problem: Problem) -> str:
    hint = "" if problem.wait_s is None else f" Please try again in {duration(problem.wait_s)}."
    if problem.limit is None:
        return f"Rate limit reached for {problem.model} in organization {ORGANIZATION}.{hint}"
    numbers = f"Limit {problem.limit.amount}, Used {problem.used}, Requested {problem.requested}."
    where = f"{problem.model} in organization {ORGANIZATION} on {_limit_name(problem.limit)}"
    return f"Rate limit reached for {where}: {numbers}{hint}"


def _too_large_message(problem: Problem) -> str:
    limit = problem.limit.amount if problem.limit else 0
    where = f"{problem.model} in organization {ORGANIZATION} on {_limit_name(problem.limit)}"
    numbers = f"Limit {limit}, Requested {problem.requested}"
    return f"Request too large for {where}: {numbers}. The input or output tokens must be reduced."


def duration(seconds: float) -> str:
    """Return seconds as Go prints them: 20ms, 7.66s, 6m0s, 1h2m3s."""
    milliseconds = max(0, round(seconds * 1_000))
    if milliseconds == 0:
        return "0s"
    seconds, _ = divmod(milliseconds, 1_000)
    if seconds == 0:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest / 1_000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail


def _limit_name(limit: LimitProfile | None) -> str:
    """Return what OpenAI calls a limit, such as "tokens per min (TPM)"."""
    counted = "requests" if limit is None or limit.unit is Unit.REQUESTS else "tokens"
    period, letter = ("day", "D") if limit and limit.is_daily else ("min", "M")
    return f"{counted} per {period} ({counted[0].upper()}P{letter})"
