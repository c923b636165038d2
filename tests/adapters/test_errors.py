"""Every row of the error tables and every example error of the wire reference, read by the wire that meets it."""

from datetime import UTC, datetime

import orjson
import pytest

from pointsman.domain.answer import Answer, FinishReason
from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Reply, StatedQuota
from pointsman.executor.adapters.errors import by_status
from pointsman.executor.adapters.quota_headers import DAY, MINUTE
from pointsman.executor.attempt import RULES, Next
from tests.adapters.wires import BY_KIND, CASES, KEY, NOW, Kind, WireCase, example, respond

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def read(kind: Kind, status: int, body: bytes, headers: dict[str, str] | None = None) -> Reply:
    case = BY_KIND[kind]
    return case.wire(KEY).read(case.call(), respond(body, status=status, headers=headers), NOW)


@pytest.mark.parametrize(
    "kind, tag, status, outcome",
    [
        ("openai", "openai.429.tpm", 429, Outcome.RATE_LIMITED),
        ("openai", "openai.429.too_large", 429, Outcome.REQUEST_EXCEEDS_QUOTA),
        ("openai", "openai.429.billing", 429, Outcome.BILLING),
        ("openai", "openai.400.context", 400, Outcome.CONTEXT_TOO_LONG),
        ("openai", "openai.503.overloaded", 503, Outcome.OVERLOADED),
        ("anthropic", "anthropic.429.rate", 429, Outcome.RATE_LIMITED),
        ("anthropic", "anthropic.429.spend_cap", 429, Outcome.BILLING),
        ("anthropic", "anthropic.400.context", 400, Outcome.CONTEXT_TOO_LONG),
        ("anthropic", "anthropic.529", 529, Outcome.OVERLOADED),
        ("gemini", "gemini.429.minute", 429, Outcome.RATE_LIMITED),
        ("gemini", "gemini.429.day", 429, Outcome.DAILY_QUOTA),
        ("gemini", "gemini.400.key", 400, Outcome.UNAUTHORIZED),
        ("gemini", "gemini.400.context", 400, Outcome.CONTEXT_TOO_LONG),
        ("gemini", "gemini.503", 503, Outcome.OVERLOADED),
        ("deepseek", "deepseek.402", 402, Outcome.BILLING),
        ("deepseek", "deepseek.400.risk", 400, Outcome.CONTENT_BLOCKED),
        ("moonshot", "moonshot.429.rpm", 429, Outcome.RATE_LIMITED),
        ("moonshot", "moonshot.429.quota", 429, Outcome.BILLING),
        ("moonshot", "moonshot.429.overload", 429, Outcome.OVERLOADED),
        ("moonshot", "moonshot.400.filter", 400, Outcome.CONTENT_BLOCKED),
    ],
)
def test_an_example_error_is_classified(kind: Kind, tag: str, status: int, outcome: Outcome) -> None:
    assert read(kind, status, example(tag)).outcome is outcome


def openai_error(type_: str = "", code: str | None = None, message: str = "") -> bytes:
    return orjson.dumps({"error": {"message": message, "type": type_, "param": None, "code": code}})


OPENAI_ROWS = [
    ("400_null", 400, openai_error("invalid_request_error"), Outcome.INVALID_REQUEST),
    ("400_value", 400, openai_error("invalid_request_error", "unsupported_value"), Outcome.INVALID_REQUEST),
    ("400_tier", 400, openai_error("invalid_request_error", None, "service_tier"), Outcome.INVALID_REQUEST),
    ("400_context", 400, openai_error("invalid_request_error", "context_length_exceeded"), Outcome.CONTEXT_TOO_LONG),
    (
        "400_context_text",
        400,
        openai_error("", None, "This model's maximum context length is 5"),
        Outcome.CONTEXT_TOO_LONG,
    ),
    (
        "400_window_text",
        400,
        openai_error("", None, "Your input exceeds the context window."),
        Outcome.CONTEXT_TOO_LONG,
    ),
    ("400_prompt", 400, openai_error("invalid_request_error", "invalid_prompt"), Outcome.CONTENT_BLOCKED),
    ("400_image", 400, openai_error("invalid_request_error", "content_policy_violation"), Outcome.CONTENT_BLOCKED),
    ("400_filter", 400, openai_error("", "content_filter"), Outcome.CONTENT_BLOCKED),
    ("401", 401, openai_error("invalid_request_error", "invalid_api_key"), Outcome.UNAUTHORIZED),
    (
        "403",
        403,
        openai_error("request_forbidden", "unsupported_country_region_territory"),
        Outcome.FORBIDDEN,
    ),
    ("404", 404, openai_error("invalid_request_error", "model_not_found"), Outcome.MODEL_NOT_FOUND),
    ("405", 405, b"", Outcome.INVALID_REQUEST),
    ("408", 408, openai_error(), Outcome.TIMED_OUT),
    ("409", 409, openai_error(), Outcome.SERVER_ERROR),
    ("413", 413, b"<html>too large</html>", Outcome.CONTEXT_TOO_LONG),
    ("415", 415, b"", Outcome.INVALID_REQUEST),
    ("422", 422, openai_error("invalid_request_error"), Outcome.INVALID_REQUEST),
    ("429_requests", 429, openai_error("requests", "rate_limit_exceeded"), Outcome.RATE_LIMITED),
    ("429_tokens", 429, openai_error("tokens", "rate_limit_exceeded"), Outcome.RATE_LIMITED),
    ("429_error", 429, openai_error("rate_limit_error", "rate_limit_exceeded"), Outcome.RATE_LIMITED),
    ("429_slow_down", 429, openai_error("rate_limit_error", "slow_down"), Outcome.RATE_LIMITED),
    ("429_none", 429, b"", Outcome.RATE_LIMITED),
    (
        "429_too_large",
        429,
        openai_error("tokens", "rate_limit_exceeded", "Request too large for gpt"),
        Outcome.REQUEST_EXCEEDS_QUOTA,
    ),
    ("500", 500, openai_error("server_error", "server_error"), Outcome.SERVER_ERROR),
    ("500_html", 500, b"<html>oops</html>", Outcome.SERVER_ERROR),
    ("502_html", 502, b"<html>bad gateway</html>", Outcome.SERVER_ERROR),
    ("502_empty", 502, b"", Outcome.SERVER_ERROR),
    ("503", 503, openai_error("service_unavailable_error", "server_is_overloaded"), Outcome.OVERLOADED),
    ("504_html", 504, b"<html>timeout</html>", Outcome.TIMED_OUT),
    ("520", 520, b"", Outcome.SERVER_ERROR),
    ("524", 524, b"", Outcome.TIMED_OUT),
    ("529", 529, b"", Outcome.OVERLOADED),
    ("302", 302, b"", Outcome.SERVER_ERROR),
    ("418", 418, b"", Outcome.INVALID_REQUEST),
    ("200_server_error", 200, openai_error("server_error", "server_error"), Outcome.SERVER_ERROR),
    ("200_rate", 200, openai_error("tokens", "rate_limit_exceeded"), Outcome.RATE_LIMITED),
    ("200_billing", 200, openai_error("insufficient_quota", "insufficient_quota"), Outcome.BILLING),
    ("200_overloaded", 200, openai_error("service_unavailable_error", "server_is_overloaded"), Outcome.OVERLOADED),
    ("200_key", 200, openai_error("invalid_request_error", "invalid_api_key"), Outcome.UNAUTHORIZED),
    ("200_word", 200, b'{"error":"it broke"}', Outcome.SERVER_ERROR),
]
BILLING_WORDS = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)


@pytest.mark.parametrize("status, body, outcome", [row[1:] for row in OPENAI_ROWS], ids=[row[0] for row in OPENAI_ROWS])
def test_an_error_of_openai_is_classified(status: int, body: bytes, outcome: Outcome) -> None:
    assert read("openai", status, body).outcome is outcome


@pytest.mark.parametrize("word", BILLING_WORDS)
def test_billing_is_known_by_code_and_by_type(word: str) -> None:
    by_code = read("openai", 429, openai_error("insufficient_quota_or_so", word))
    by_type = read("openai", 429, openai_error(word, None))

    assert by_code.outcome is by_type.outcome is Outcome.BILLING


DEEPSEEK_ROWS = [
    ("400", 400, openai_error("invalid_request_error", "invalid_request_error"), Outcome.INVALID_REQUEST),
    ("401", 401, openai_error("authentication_error"), Outcome.UNAUTHORIZED),
    ("402", 402, b"", Outcome.BILLING),
    ("422", 422, openai_error(), Outcome.INVALID_REQUEST),
    ("model", 400, openai_error("invalid_request_error", None, "Model Not Exist"), Outcome.MODEL_NOT_FOUND),
    ("429", 429, openai_error("unknown_error"), Outcome.CONCURRENCY_LIMITED),
    ("429_empty", 429, b"", Outcome.CONCURRENCY_LIMITED),
    ("500", 500, openai_error(), Outcome.SERVER_ERROR),
    ("503", 503, openai_error(), Outcome.OVERLOADED),
    (
        "context",
        400,
        openai_error("invalid_request_error", None, "This model's maximum context length is 5"),
        Outcome.CONTEXT_TOO_LONG,
    ),
]


@pytest.mark.parametrize(
    "status, body, outcome", [row[1:] for row in DEEPSEEK_ROWS], ids=[row[0] for row in DEEPSEEK_ROWS]
)
def test_an_error_of_deepseek_is_classified(status: int, body: bytes, outcome: Outcome) -> None:
    assert read("deepseek", status, body).outcome is outcome


def moonshot_error(type_: str, message: str = "") -> bytes:
    return orjson.dumps({"error": {"type": type_, "message": message}})


LIMIT_REACHED = "rate_limit_reached_error"
MOONSHOT_ROWS = [
    ("400", 400, moonshot_error("invalid_request_error", "odd"), Outcome.INVALID_REQUEST),
    (
        "400_length",
        400,
        moonshot_error("invalid_request_error", "Input token length too long"),
        Outcome.CONTEXT_TOO_LONG,
    ),
    (
        "400_limit",
        400,
        moonshot_error("invalid_request_error", "Your request exceeded model token limit: 5"),
        Outcome.CONTEXT_TOO_LONG,
    ),
    ("400_filter", 400, moonshot_error("content_filter"), Outcome.CONTENT_BLOCKED),
    ("401", 401, moonshot_error("invalid_authentication_error"), Outcome.UNAUTHORIZED),
    ("401_key", 401, moonshot_error("incorrect_api_key_error"), Outcome.UNAUTHORIZED),
    ("403", 403, moonshot_error("permission_denied_error", "The API is not open"), Outcome.FORBIDDEN),
    ("403_money", 403, moonshot_error("permission_denied_error", "Insufficient balance"), Outcome.BILLING),
    ("404", 404, moonshot_error("resource_not_found_error"), Outcome.MODEL_NOT_FOUND),
    ("429_overload", 429, moonshot_error("engine_overloaded_error"), Outcome.OVERLOADED),
    ("429_money", 429, moonshot_error("exceeded_current_quota_error"), Outcome.BILLING),
    ("429_busy", 429, moonshot_error(LIMIT_REACHED, "max concurrency: 1"), Outcome.CONCURRENCY_LIMITED),
    ("429_rpm", 429, moonshot_error(LIMIT_REACHED, "max RPM: 3"), Outcome.RATE_LIMITED),
    ("429_tpm", 429, moonshot_error(LIMIT_REACHED, "TPM rate limit"), Outcome.RATE_LIMITED),
    ("429_tpd", 429, moonshot_error(LIMIT_REACHED, "TPD rate limit"), Outcome.DAILY_QUOTA),
    ("499", 499, moonshot_error("client_closed_request"), Outcome.NETWORK),
    ("500", 500, moonshot_error("server_error"), Outcome.SERVER_ERROR),
    ("500_output", 500, moonshot_error("unexpected_output"), Outcome.SERVER_ERROR),
]


@pytest.mark.parametrize(
    "status, body, outcome", [row[1:] for row in MOONSHOT_ROWS], ids=[row[0] for row in MOONSHOT_ROWS]
)
def test_an_error_of_moonshot_is_classified(status: int, body: bytes, outcome: Outcome) -> None:
    assert read("moonshot", status, body).outcome is outcome


def anthropic_error(type_: str, message: str = "", error_code: str = "") -> bytes:
    details = {"details": {"error_code": error_code}} if error_code else {}
    error = {"type": type_, "message": message} | details
    return orjson.dumps({"type": "error", "error": error, "request_id": "req_1"})


INVALID = "invalid_request_error"
ANTHROPIC_ROWS = [
    ("400", 400, anthropic_error(INVALID, "max_tokens: Field required"), Outcome.INVALID_REQUEST),
    ("400_context", 400, anthropic_error(INVALID, "prompt is too long: 2 > 1"), Outcome.CONTEXT_TOO_LONG),
    (
        "400_own_limit",
        400,
        anthropic_error(INVALID, "You have reached your specified workspace API usage limits."),
        Outcome.BILLING,
    ),
    (
        "400_credit",
        400,
        anthropic_error(INVALID, "Your credit balance is too low to access the API."),
        Outcome.BILLING,
    ),
    (
        "400_filter",
        400,
        anthropic_error(INVALID, "Output blocked by content filtering policy"),
        Outcome.CONTENT_BLOCKED,
    ),
    ("400_hold", 400, anthropic_error(INVALID, "", "organization_on_hold"), Outcome.FORBIDDEN),
    ("400_image", 400, anthropic_error(INVALID, "", "image_dimensions_too_large"), Outcome.INVALID_REQUEST),
    ("400_cmek", 400, anthropic_error(INVALID, "", "cmek_key_disabled"), Outcome.FORBIDDEN),
    ("400_cmek_network", 400, anthropic_error(INVALID, "", "cmek_key_network_blocked"), Outcome.FORBIDDEN),
    ("400_org_type", 400, anthropic_error(INVALID, "", "organization_type_not_supported"), Outcome.FORBIDDEN),
    ("400_parent", 400, anthropic_error(INVALID, "", "parent_organization_required"), Outcome.FORBIDDEN),
    ("401", 401, anthropic_error("authentication_error"), Outcome.UNAUTHORIZED),
    (
        "402",
        402,
        anthropic_error("billing_error", "", "linked_organization_spend_limit_reached"),
        Outcome.BILLING,
    ),
    ("403", 403, anthropic_error("permission_error"), Outcome.FORBIDDEN),
    ("404", 404, anthropic_error("not_found_error", "model: x"), Outcome.MODEL_NOT_FOUND),
    ("409", 409, anthropic_error("conflict_error"), Outcome.SERVER_ERROR),
    ("413", 413, anthropic_error("request_too_large"), Outcome.CONTEXT_TOO_LONG),
    ("429", 429, anthropic_error("rate_limit_error"), Outcome.RATE_LIMITED),
    ("429_ramp", 429, anthropic_error("rate_limit_error", "", "ramp_limit_exceeded"), Outcome.RATE_LIMITED),
    (
        "429_spend",
        429,
        anthropic_error("rate_limit_error", "", "enforced_spend_limit_reached"),
        Outcome.BILLING,
    ),
    (
        "429_contract",
        429,
        anthropic_error("rate_limit_error", "", "contract_spend_limit_reached"),
        Outcome.BILLING,
    ),
    ("500", 500, anthropic_error("api_error"), Outcome.SERVER_ERROR),
    ("503_cmek", 503, anthropic_error("api_error", "", "cmek_key_unreachable"), Outcome.SERVER_ERROR),
    ("503_context", 503, anthropic_error("api_error", "", "cmek_context_unavailable"), Outcome.SERVER_ERROR),
    ("503", 503, b"", Outcome.OVERLOADED),
    ("504", 504, anthropic_error("timeout_error"), Outcome.TIMED_OUT),
    ("529", 529, anthropic_error("overloaded_error"), Outcome.OVERLOADED),
    ("529_html", 529, b"<html></html>", Outcome.OVERLOADED),
    ("200_overloaded", 200, anthropic_error("overloaded_error"), Outcome.OVERLOADED),
    ("200_rate", 200, anthropic_error("rate_limit_error"), Outcome.RATE_LIMITED),
    ("200_api", 200, anthropic_error("api_error"), Outcome.SERVER_ERROR),
    ("200_unknown", 200, anthropic_error("new_error"), Outcome.SERVER_ERROR),
]


@pytest.mark.parametrize(
    "status, body, outcome", [row[1:] for row in ANTHROPIC_ROWS], ids=[row[0] for row in ANTHROPIC_ROWS]
)
def test_an_error_of_anthropic_is_classified(status: int, body: bytes, outcome: Outcome) -> None:
    assert read("anthropic", status, body).outcome is outcome


def gemini_error(code: int, status: str, message: str = "", *details: dict[str, object]) -> bytes:
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return orjson.dumps({"error": error})


def quota_failure(*violations: tuple[str, str]) -> dict[str, object]:
    listed = [{"quotaId": id_, "quotaValue": value} for id_, value in violations]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": listed}


def retry_info(delay: str) -> dict[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


EXHAUSTED = "RESOURCE_EXHAUSTED"
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
BOTH = quota_failure((PER_MINUTE, "10"), (PER_DAY, "250"))
EXPIRED: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_EXPIRED"}
GEMINI_ROWS = [
    ("400", 400, gemini_error(400, "INVALID_ARGUMENT", "odd"), Outcome.INVALID_REQUEST),
    ("400_expired", 400, gemini_error(400, "INVALID_ARGUMENT", "", EXPIRED), Outcome.UNAUTHORIZED),
    (
        "400_allowed",
        400,
        gemini_error(400, "INVALID_ARGUMENT", "exceeds the maximum number of tokens allowed"),
        Outcome.CONTEXT_TOO_LONG,
    ),
    ("400_billing", 400, gemini_error(400, "FAILED_PRECONDITION", "Please enable billing"), Outcome.BILLING),
    (
        "400_location",
        400,
        gemini_error(400, "FAILED_PRECONDITION", "User location is not supported"),
        Outcome.INVALID_REQUEST,
    ),
    ("401", 401, gemini_error(401, "UNAUTHENTICATED"), Outcome.UNAUTHORIZED),
    ("402", 402, gemini_error(402, EXHAUSTED), Outcome.BILLING),
    ("403", 403, gemini_error(403, "PERMISSION_DENIED"), Outcome.FORBIDDEN),
    ("404", 404, gemini_error(404, "NOT_FOUND"), Outcome.MODEL_NOT_FOUND),
    ("429", 429, gemini_error(429, EXHAUSTED), Outcome.RATE_LIMITED),
    ("429_minute", 429, gemini_error(429, EXHAUSTED, "", quota_failure((PER_MINUTE, "10"))), Outcome.RATE_LIMITED),
    ("429_both", 429, gemini_error(429, EXHAUSTED, "", BOTH), Outcome.DAILY_QUOTA),
    ("429_nothing", 429, gemini_error(429, EXHAUSTED, "", quota_failure((PER_MINUTE, "0"))), Outcome.BILLING),
    ("429_list", 429, b"[" + gemini_error(429, EXHAUSTED, "", BOTH) + b"]", Outcome.DAILY_QUOTA),
    ("499", 499, gemini_error(499, "CANCELLED"), Outcome.NETWORK),
    ("500", 500, gemini_error(500, "INTERNAL"), Outcome.SERVER_ERROR),
    ("503", 503, gemini_error(503, "UNAVAILABLE"), Outcome.OVERLOADED),
    ("504", 504, gemini_error(504, "DEADLINE_EXCEEDED"), Outcome.TIMED_OUT),
    ("502_html", 502, b"<html></html>", Outcome.SERVER_ERROR),
    ("200_code", 200, gemini_error(503, "UNAVAILABLE"), Outcome.OVERLOADED),
    ("200_name", 200, b'{"error":{"status":"RESOURCE_EXHAUSTED"}}', Outcome.RATE_LIMITED),
    ("200_odd", 200, b'{"error":{"code":7}}', Outcome.SERVER_ERROR),
]


@pytest.mark.parametrize("status, body, outcome", [row[1:] for row in GEMINI_ROWS], ids=[row[0] for row in GEMINI_ROWS])
def test_an_error_of_gemini_is_classified(status: int, body: bytes, outcome: Outcome) -> None:
    assert read("gemini", status, body).outcome is outcome


OLLAMA_ROWS = [
    ("400", 400, b'{"error":"model is required"}', Outcome.INVALID_REQUEST),
    ("400_long", 400, b'{"error":"the prompt is longer than the context length"}', Outcome.CONTEXT_TOO_LONG),
    ("401", 401, b'{"error":"unauthorized"}', Outcome.UNAUTHORIZED),
    ("403", 403, b"", Outcome.FORBIDDEN),
    ("404", 404, b'{"error":"model \'x\' not found"}', Outcome.MODEL_NOT_FOUND),
    ("499", 499, b'{"error":"request canceled"}', Outcome.NETWORK),
    ("500", 500, b'{"error":"llama runner process has terminated"}', Outcome.SERVER_ERROR),
    (
        "503",
        503,
        b'{"error":"server busy, please try again.  maximum pending requests exceeded"}',
        Outcome.OVERLOADED,
    ),
    ("200", 200, b'{"error":"unexpected EOF"}', Outcome.SERVER_ERROR),
    ("list", 500, b'["odd"]', Outcome.SERVER_ERROR),
]


@pytest.mark.parametrize("status, body, outcome", [row[1:] for row in OLLAMA_ROWS], ids=[row[0] for row in OLLAMA_ROWS])
def test_an_error_of_ollama_is_classified(status: int, body: bytes, outcome: Outcome) -> None:
    assert read("ollama", status, body).outcome is outcome


@pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
@pytest.mark.parametrize("status", [400, 429, 500])
def test_the_words_of_a_provider_go_no_further(case: WireCase, status: int) -> None:
    reply = case.wire(KEY).read(case.call(), respond(case.error, status=status), NOW)

    assert "canary" not in repr(reply)
    assert reply.detail.endswith(".")


# What is told beside the outcome.


def test_openai_tokens_over_the_limit_name_the_limit_and_the_wait() -> None:
    reply = read("openai", 429, example("openai.429.tpm"))

    assert reply.retry_after_s == 2.0
    assert reply.stated == (StatedQuota(unit=Unit.TOKENS, limit=30_000, period=MINUTE),)


def test_the_longer_of_header_and_prose_is_waited_for() -> None:
    reply = read("openai", 429, example("openai.429.tpm"), {"retry-after-ms": "2500"})

    assert reply.retry_after_s == 2.5


def test_a_request_that_is_too_large_names_the_limit_and_no_wait() -> None:
    reply = read("openai", 429, example("openai.429.too_large"))

    assert reply.retry_after_s is None
    assert reply.stated == (StatedQuota(unit=Unit.TOKENS, limit=30_000, period=MINUTE),)


def test_headers_are_read_with_errors_too() -> None:
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}

    reply = read("openai", 500, b"", headers)

    assert [(quota.unit, quota.remaining) for quota in reply.stated] == [(Unit.REQUESTS, 0)]


@pytest.mark.parametrize(
    "kind, body",
    [
        ("openai", openai_error("rate_limit_error", "slow_down")),
        ("anthropic", anthropic_error("rate_limit_error", "", "ramp_limit_exceeded")),
    ],
)
def test_traffic_that_rose_too_fast_is_said_so(kind: Kind, body: bytes) -> None:
    assert read(kind, 429, body).rose_too_fast


def test_anthropic_rate_limits_without_a_wait_may_be_a_spend_limit() -> None:
    alone = read("anthropic", 429, example("anthropic.429.rate"))
    with_wait = read("anthropic", 429, example("anthropic.429.rate"), {"retry-after": "7"})
    with_code = read("anthropic", 429, anthropic_error("rate_limit_error", "", "ramp_limit_exceeded"))

    assert alone.repeat_means_billing
    assert not with_wait.repeat_means_billing
    assert not with_code.repeat_means_billing
    assert with_wait.retry_after_s == 7.0


def test_anthropic_names_the_limit_that_was_passed() -> None:
    (stated,) = read("anthropic", 429, example("anthropic.429.rate")).stated

    assert (stated.unit, stated.limit) == (Unit.INPUT_TOKENS, 2_000_000)


@pytest.mark.parametrize(
    "status, body, moment",
    [
        pytest.param(429, example("anthropic.429.spend_cap"), DECEMBER, id="named"),
        pytest.param(
            429, anthropic_error("rate_limit_error", "", "contract_spend_limit_reached"), DECEMBER, id="next_month"
        ),
        pytest.param(
            400,
            anthropic_error(
                INVALID,
                "You have reached your specified API usage limits. You will regain access on 2026-11-24 at 06:00 UTC.",
            ),
            datetime(2026, 11, 24, 6, tzinfo=UTC),
            id="own_limit",
        ),
        pytest.param(400, anthropic_error(INVALID, "credit balance is too low"), None, id="credit"),
    ],
)
def test_anthropic_billing_ends_when_it_says(status: int, body: bytes, moment: datetime | None) -> None:
    reply = read("anthropic", status, body)

    assert (reply.outcome, reply.out_until) == (Outcome.BILLING, moment)


def test_gemini_names_the_limit_of_a_minute_and_the_longer_wait() -> None:
    reply = read("gemini", 429, example("gemini.429.minute"))

    assert reply.retry_after_s == pytest.approx(45.81)
    assert reply.stated == (StatedQuota(unit=Unit.INPUT_TOKENS, limit=2_000_000, period=MINUTE),)


def test_gemini_days_end_at_midnight_in_california_and_the_short_wait_is_not_believed() -> None:
    reply = read("gemini", 429, example("gemini.429.day"))

    assert reply.out_until == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert reply.retry_after_s is None
    assert reply.stated == (StatedQuota(unit=Unit.REQUESTS, limit=250, period=DAY),)


@pytest.mark.parametrize(
    "delay, seconds", [("45s", 45.0), ("45.811974541s", 45.811974541), ("0.5s", 0.5), ("45", None), ("45m", None)]
)
def test_a_retry_delay_is_read(delay: str, seconds: float | None) -> None:
    reply = read("gemini", 429, gemini_error(429, EXHAUSTED, "", retry_info(delay)))

    assert reply.retry_after_s == seconds


def test_moonshot_waits_for_the_spacing_of_its_rpm() -> None:
    reply = read("moonshot", 429, example("moonshot.429.rpm"))

    assert reply.retry_after_s == 20.0
    assert reply.stated == (StatedQuota(unit=Unit.REQUESTS, limit=3, period=MINUTE),)


def test_moonshot_days_end_at_midnight_in_china() -> None:
    reply = read("moonshot", 429, moonshot_error(LIMIT_REACHED, "TPD rate limit, current: 5, limit: 4"))

    assert reply.out_until == datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert reply.stated == (StatedQuota(unit=Unit.TOKENS, limit=4, period=DAY),)


@pytest.mark.parametrize("kind, status, body", [("openai", 400, openai_error("", "invalid_prompt"))])
def test_a_blocked_prompt_is_answered_with_its_finish_reason(kind: Kind, status: int, body: bytes) -> None:
    assert read(kind, status, body).answer == Answer(text="", finish_reason=FinishReason.CONTENT_BLOCKED)


@pytest.mark.parametrize("kind", ["openai", "deepseek", "moonshot", "anthropic", "gemini", "ollama"])
def test_a_wait_with_a_server_error_is_taken(kind: Kind) -> None:
    reply = read(kind, 503, b"", {"retry-after": "3"})

    assert (reply.outcome, reply.retry_after_s) == (Outcome.OVERLOADED, 3.0)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
def test_a_wait_with_an_error_that_waiting_does_not_end_is_dropped(kind: Kind) -> None:
    assert read(kind, 401, b"", {"retry-after": "3"}).retry_after_s is None


@pytest.mark.parametrize("kind", ["openai", "deepseek", "moonshot", "anthropic", "gemini", "ollama"])
def test_a_proxy_that_wants_credentials_is_a_fault_on_the_way_and_not_the_callers(kind: Kind) -> None:
    reply = read(kind, 407, b"<html>Proxy Authentication Required</html>")

    assert reply.outcome is Outcome.NETWORK
    assert RULES[reply.outcome].next is Next.CANDIDATE


@pytest.mark.parametrize("status", range(100, 600, 7))
def test_every_status_means_something(status: int) -> None:
    assert by_status(status).detail
