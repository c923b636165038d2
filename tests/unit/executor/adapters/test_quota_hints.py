from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.domain.pool import Unit
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.adapters.quota_headers import DAY, MINUTE
from pointsman.executor.adapters.quota_hints import (
    anthropic_limit,
    moonshot_limit,
    moonshot_wait_s,
    next_month,
    next_pacific_day,
    number_after,
    openai_limit,
    regained_at,
    wait_after,
)

REACHED = "rate limit reached for gpt-6.2-sol in organization org-x on"


@pytest.mark.parametrize(
    "message, number",
    [
        ("limit 30000, used 2", 30_000),
        ("limit: 2,000,000 tokens", 2_000_000),
        ("limit=5", 5),
        ("limit", None),
        ("limit none", None),
        ("no such word", None),
        ("limit " + "9" * 100, None),
    ],
)
def test_a_number_is_found_behind_its_word(message: str, number: int | None) -> None:
    assert number_after(message, "limit") == number


@pytest.mark.parametrize(
    "message, seconds",
    [
        ("please try again in 2s.", 2.0),
        ("please try again in 7m12s. visit", 432.0),
        ("please try again in 20ms", 0.02),
        ("please try again in a while", None),
        ("please try again in ", None),
        ("please try later", None),
    ],
)
def test_a_wait_is_found_behind_its_words(message: str, seconds: float | None) -> None:
    assert wait_after(message, "try again in ") == seconds


@pytest.mark.parametrize(
    "message, stated",
    [
        pytest.param(
            f"{REACHED} tokens per min (tpm): limit 30000, used 29000, requested 2000.",
            StatedQuota(unit=Unit.TOKENS, limit=30_000, period=MINUTE),
            id="tpm",
        ),
        pytest.param(
            f"{REACHED} requests per min (rpm): limit 3, used 3, requested 1.",
            StatedQuota(unit=Unit.REQUESTS, limit=3, period=MINUTE),
            id="rpm",
        ),
        pytest.param(
            f"{REACHED} requests per day (rpd): limit 200, used 200, requested 1.",
            StatedQuota(unit=Unit.REQUESTS, limit=200, period=DAY),
            id="rpd",
        ),
        pytest.param(
            f"{REACHED} tokens per day (tpd): limit 100,000, used 1.",
            StatedQuota(unit=Unit.TOKENS, limit=100_000, period=DAY),
            id="tpd",
        ),
    ],
)
def test_openai_names_its_window(message: str, stated: StatedQuota) -> None:
    assert openai_limit(message) == (stated,)


@pytest.mark.parametrize("message", ["", ": limit 5", "on tokens per min (tpm)", "(tpm): limit 0"])
def test_a_window_that_is_not_named_is_not_stated(message: str) -> None:
    assert openai_limit(message) == ()


def test_anthropic_names_its_window() -> None:
    message = "this request would exceed your organization's rate limit of 2,000,000 input tokens per minute."

    (stated,) = anthropic_limit(message)

    assert (stated.unit, stated.limit, stated.period) == (Unit.INPUT_TOKENS, 2_000_000, MINUTE)


@pytest.mark.parametrize(
    "message, stated",
    [
        pytest.param(
            "request reached organization max rpm: 3, please try again after 1 seconds",
            StatedQuota(unit=Unit.REQUESTS, limit=3, period=MINUTE),
            id="rpm",
        ),
        pytest.param(
            "request reached max concurrency: 50, please try again after 1 seconds",
            StatedQuota(unit=Unit.CONCURRENCY, limit=50),
            id="concurrency",
        ),
        pytest.param(
            "request reached tpm rate limit, current:33000, limit:32000",
            StatedQuota(unit=Unit.TOKENS, limit=32_000, period=MINUTE),
            id="tpm",
        ),
        pytest.param(
            "request reached tpd rate limit, current:1600000, limit:1500000",
            StatedQuota(unit=Unit.TOKENS, limit=1_500_000, period=DAY),
            id="tpd",
        ),
    ],
)
def test_moonshot_names_its_window(message: str, stated: StatedQuota) -> None:
    assert moonshot_limit(message) == (stated,)


@pytest.mark.parametrize(
    "message, seconds",
    [
        pytest.param("max rpm: 3, please try again after 1 seconds", 20.0, id="spacing_is_longer"),
        pytest.param("max rpm: 600, please try again after 5 seconds", 5.0, id="asked_wait_is_longer"),
        pytest.param("max concurrency: 1, please try again after 2 seconds", 2.0, id="asked_wait_alone"),
        pytest.param("max rpm: 6", 10.0, id="spacing_alone"),
        pytest.param("overloaded", None, id="neither"),
    ],
)
def test_moonshot_waits_as_long_as_its_rpm_needs(message: str, seconds: float | None) -> None:
    assert moonshot_wait_s(message) == seconds


@pytest.mark.parametrize(
    "message, moment",
    [
        ("you will regain access on 2026-12-01 at 00:00 utc.", datetime(2026, 12, 1, tzinfo=UTC)),
        ("you will regain access on 2026-12-01 at 06:30 utc.", datetime(2026, 12, 1, 6, 30, tzinfo=UTC)),
        ("you will regain access on 2026-12-01.", datetime(2026, 12, 1, tzinfo=UTC)),
        ("you will regain access on tuesday", None),
        ("you will regain access on ", None),
        ("nothing of it", None),
    ],
)
def test_the_return_of_access_is_read(message: str, moment: datetime | None) -> None:
    assert regained_at(message) == moment


@pytest.mark.parametrize(
    "now, moment",
    [
        (datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_spend_limits_renew_with_the_month(now: datetime, moment: datetime) -> None:
    assert next_month(now) == moment


@pytest.mark.parametrize(
    "now, moment",
    [
        pytest.param(datetime(2026, 11, 22, 7, 59, tzinfo=UTC), datetime(2026, 11, 22, 8, tzinfo=UTC), id="winter"),
        pytest.param(datetime(2026, 7, 1, 7, 30, tzinfo=UTC), datetime(2026, 7, 2, 7, tzinfo=UTC), id="summer"),
        pytest.param(datetime(2026, 3, 8, 20, 0, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC), id="spring_forward"),
        pytest.param(datetime(2026, 11, 1, 20, 0, tzinfo=UTC), datetime(2026, 11, 2, 8, tzinfo=UTC), id="fall_back"),
    ],
)
def test_days_of_gemini_end_at_midnight_in_california(now: datetime, moment: datetime) -> None:
    assert next_pacific_day(now) == moment


@given(st.text(max_size=300) | st.text(alphabet="limt raegnodsupcfkx(:)0123456789.,-", max_size=300))
def test_prose_never_breaks_the_reader(message: str) -> None:
    prefix = "limit regain access on try again after max rpm tpm rate limit rate limit of (tpm) "
    text = prefix + message

    for read in (openai_limit, anthropic_limit, moonshot_limit, moonshot_wait_s, regained_at):
        read(text)
