from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.domain.pool import Unit
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.adapters.quota_headers import (
    DAY,
    LONGEST,
    MINUTE,
    anthropic_quota,
    duration_s,
    instant,
    openai_quota,
    retry_after_s,
)

NOW = datetime(2026, 11, 22, 11, 30, 30, tzinfo=UTC)
HOSTILE = st.text(max_size=80) | st.text(alphabet="0123456789.msdh-+eEinfNaT:Z, ", max_size=80)


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("20ms", 0.020),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("23h59m59s", 86_399.0),
        ("120", 120.0),
        ("1h0m0s", 3_600.0),
        ("7.66s", 7.66),
        ("1m30.5s", 90.5),
        ("0s", 0.0),
        ("1d2h", 93_600.0),
        (" 1s ", 1.0),
        ("", None),
        ("later", None),
        ("-1", None),
        ("1s!", None),
        ("s", None),
        ("nan", None),
        ("inf", None),
        ("1x", None),
        ("99999d", LONGEST.total_seconds()),
        ("9" * 60 + "d", LONGEST.total_seconds()),
        ("1s" * 100, None),
    ],
)
def test_a_duration_is_read(text: str, seconds: float | None) -> None:
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "status, headers, seconds",
    [
        pytest.param(429, {"retry-after-ms": "1500", "retry-after": "9"}, 1.5, id="milliseconds_come_first"),
        pytest.param(429, {"retry-after": "2.5"}, 2.5, id="decimals"),
        pytest.param(429, {"retry-after": "Sun, 22 Nov 2026 11:31:00 GMT"}, 30.0, id="http_date"),
        pytest.param(429, {"retry-after": "Sun, 22 Nov 2026 11:30:00 GMT"}, 0.0, id="http_date_in_the_past"),
        pytest.param(429, {"retry-after": "soon"}, None, id="a_word"),
        pytest.param(200, {"retry-after": "25"}, None, id="success_is_never_asked"),
        pytest.param(400, {"retry-after": "25"}, None, id="a_bad_request_is_never_asked"),
        pytest.param(503, {"retry-after": "25"}, 25.0, id="server_errors_are_asked"),
        pytest.param(529, {"retry-after": "25"}, 25.0, id="overload_is_asked"),
        pytest.param(429, {"retry-after-ms": "nan", "retry-after": "9"}, 9.0, id="nan_is_no_number"),
        pytest.param(429, {"retry-after": "-3"}, None, id="negative"),
        pytest.param(429, {"retry-after": "inf"}, None, id="infinite"),
        pytest.param(429, {"retry-after": "1e300"}, LONGEST.total_seconds(), id="absurd_is_capped"),
        pytest.param(429, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST.total_seconds(), id="far_date"),
        pytest.param(429, {}, None, id="nothing_said"),
    ],
)
def test_the_wait_is_read(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(status, headers, NOW) == seconds


def openai(unit: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{unit}": limit,
        f"x-ratelimit-remaining-{unit}": remaining,
        f"x-ratelimit-reset-{unit}": reset,
    }


def test_openai_states_requests_and_tokens() -> None:
    headers = openai("requests", "60", "59", "1s") | openai("tokens", "150000", "149984", "6ms")

    assert openai_quota(headers, NOW) == (
        StatedQuota(
            unit=Unit.REQUESTS,
            limit=60,
            remaining=59,
            full_at=NOW + timedelta(seconds=1),
            period=MINUTE,
            refills=True,
        ),
        StatedQuota(
            unit=Unit.TOKENS,
            limit=150_000,
            remaining=149_984,
            full_at=NOW + timedelta(milliseconds=6),
            period=MINUTE,
            refills=True,
        ),
    )


@pytest.mark.parametrize(
    "limit, remaining, reset, kind",
    [
        pytest.param("60", "59", "1s", (MINUTE, True), id="a_minute_that_refills"),
        pytest.param("60", "59", "59.9s", (MINUTE, False), id="a_minute_that_ends"),
        pytest.param("10000", "9999", "8.64s", (DAY, True), id="a_day_that_refills"),
        pytest.param("10000", "9000", "2h24m0s", (DAY, True), id="a_day_that_refills_long"),
        pytest.param("200", "10", "30m0s", (DAY, False), id="a_day_that_ends"),
        pytest.param("10", "8", "7.2s", (MINUTE, True), id="a_minute_that_refills_and_is_rounded_down"),
        pytest.param("60", "30", "5s", (MINUTE, False), id="a_minute_that_ends_soon"),
        pytest.param("60", "0", "59.8s", (MINUTE, True), id="an_empty_one_is_taken_for_a_bucket"),
        pytest.param("60", "60", "0s", (None, False), id="a_full_one_does_not_tell"),
    ],
)
def test_openai_request_windows_give_their_period_away(
    limit: str, remaining: str, reset: str, kind: tuple[timedelta | None, bool]
) -> None:
    (stated,) = openai_quota(openai("requests", limit, remaining, reset), NOW)

    assert (stated.period, stated.refills) == kind


@pytest.mark.parametrize("limit", ["-1", "0", "", "many", "1e9", "9" * 40])
def test_openai_limits_that_are_none_state_nothing(limit: str) -> None:
    assert openai_quota(openai("requests", limit, "-1", "0s"), NOW) == ()


def test_an_unknown_remainder_states_the_limit_alone() -> None:
    (stated,) = openai_quota(openai("tokens", "1000", "-1", "1s"), NOW)

    assert (stated.limit, stated.remaining) == (1_000, None)


def test_more_left_than_the_limit_is_the_limit() -> None:
    (stated,) = openai_quota(openai("tokens", "1000", "5000", "1s"), NOW)

    assert stated.remaining == 1_000


def test_openai_states_the_tokens_of_a_project_too() -> None:
    (stated,) = openai_quota(openai("project-tokens", "1000", "500", "30s"), NOW)

    assert (stated.unit, stated.limit) == (Unit.TOKENS, 1_000)


def anthropic(bucket: str, limit: int, remaining: int, reset: str) -> dict[str, str]:
    name = f"anthropic-ratelimit-{bucket}"
    return {f"{name}-limit": str(limit), f"{name}-remaining": str(remaining), f"{name}-reset": reset}


def test_anthropic_states_its_buckets() -> None:
    headers = (
        anthropic("requests", 1_000, 999, "2026-11-22T11:31:00Z")
        | anthropic("input-tokens", 2_000_000, 1_999_000, "2026-11-22T11:30:31Z")
        | anthropic("output-tokens", 400_000, 400_000, "2026-11-22T11:30:30Z")
    )

    stated = anthropic_quota(headers, NOW)

    assert stated == (
        StatedQuota(
            unit=Unit.REQUESTS,
            limit=1_000,
            remaining=999,
            full_at=datetime(2026, 11, 22, 11, 31, tzinfo=UTC),
            period=MINUTE,
            refills=True,
        ),
        StatedQuota(
            unit=Unit.INPUT_TOKENS,
            limit=2_000_000,
            remaining=1_999_000,
            full_at=NOW + timedelta(seconds=1),
            period=MINUTE,
            refills=True,
        ),
        StatedQuota(
            unit=Unit.OUTPUT_TOKENS, limit=400_000, remaining=400_000, full_at=NOW, period=MINUTE, refills=True
        ),
    )


def test_anthropic_tokens_that_repeat_another_bucket_are_left_out() -> None:
    reset = "2026-11-22T11:31:00Z"
    headers = anthropic("input-tokens", 2_000, 1_000, reset) | anthropic("tokens", 2_000, 1_000, reset)

    assert [quota.unit for quota in anthropic_quota(headers, NOW)] == [Unit.INPUT_TOKENS]


def test_anthropic_tokens_that_say_something_else_are_stated() -> None:
    headers = anthropic("tokens", 50_000, 40_000, "2026-11-22T11:31:00Z")

    assert [(quota.unit, quota.remaining) for quota in anthropic_quota(headers, NOW)] == [(Unit.TOKENS, 40_000)]


def test_a_reset_in_the_past_means_full_now() -> None:
    (stated,) = anthropic_quota(anthropic("requests", 10, 3, "2026-11-22T11:30:00Z"), NOW)

    assert (stated.remaining, stated.full_at) == (10, NOW)


@pytest.mark.parametrize("reset", ["9999-12-31T23:59:59-23:59", "2027-11-22T00:00:00Z", "tomorrow", ""])
def test_a_reset_that_cannot_be_is_unsaid(reset: str) -> None:
    (stated,) = anthropic_quota(anthropic("requests", 10, 3, reset), NOW)

    assert (stated.remaining, stated.full_at) == (3, None)


def test_priority_and_fast_buckets_are_not_ours() -> None:
    headers = {"anthropic-priority-input-tokens-limit": "10", "anthropic-fast-input-tokens-limit": "10"}

    assert anthropic_quota(headers, NOW) == ()


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2026-11-22T11:31:00Z", datetime(2026, 11, 22, 11, 31, tzinfo=UTC)),
        ("2026-11-22T20:31:00+09:00", datetime(2026, 11, 22, 11, 31, tzinfo=UTC)),
        ("2026-11-22T11:31:00", datetime(2026, 11, 22, 11, 31, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:59", None),
        ("11:31", None),
    ],
)
def test_an_instant_is_read(text: str, moment: datetime | None) -> None:
    assert instant(text) == moment


@given(HOSTILE, HOSTILE, HOSTILE)
def test_headers_never_break_the_reader(first: str, second: str, third: str) -> None:
    headers = {"retry-after": first, "retry-after-ms": second}
    for unit in ("requests", "tokens", "project-tokens"):
        headers |= openai(unit, first, second, third)
    for bucket in ("requests", "tokens", "input-tokens"):
        name = f"anthropic-ratelimit-{bucket}"
        headers |= {f"{name}-limit": first, f"{name}-remaining": second, f"{name}-reset": third}

    stated = openai_quota(headers, NOW) + anthropic_quota(headers, NOW)
    wait_s = retry_after_s(429, headers, NOW)

    assert all(quota.limit > 0 and (quota.remaining or 0) <= quota.limit for quota in stated)
    assert all(quota.full_at is None or NOW <= quota.full_at <= NOW + LONGEST for quota in stated)
    assert wait_s is None or 0 <= wait_s <= LONGEST.total_seconds()
