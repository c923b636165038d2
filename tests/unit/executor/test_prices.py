"""Golden costs: each provider's shape of usage at the prices of models.json (2026-11-22)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from pointsman.domain.answer import Usage
from pointsman.executor.adapters import anthropic_answer, gemini_answer, openai_answer
from pointsman.executor.prices import PriceTable, load
from pointsman.executor.quota import Estimate
from pointsman.simulator import scenarios
from tests.unit.executor.making import MODEL, candidate

WIRES = ("anthropic", "gemini", "openai", "deepseek", "moonshot", "ollama")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return load({wire: wire for wire in WIRES})


def used(input_: int, output: int, cached: int = 0, written: int = 0, reasoning: int = 0) -> Usage:
    return Usage(
        input_tokens=input_,
        output_tokens=output,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


GOLDEN = [
    # candidate, usage, instant, dollars
    pytest.param("anthropic/claude-opus-5-5", used(1_000, 500), SUNDAY, "0.014", id="anthropic"),
    pytest.param(
        "anthropic/claude-sonnet-5-5",
        used(10_000, 100, cached=6_000, written=3_000),
        SUNDAY,
        "0.0111",  # 1 000 x $2 + 6 000 x $0.1 + 3 000 x $2.5 + 100 x $10
        id="anthropic-cache-reads-and-writes",
    ),
    pytest.param("anthropic/claude-haiku-5-5", used(100_000, 1_000), SUNDAY, "0.0105", id="tier-not-yet"),
    pytest.param("anthropic/claude-haiku-5-5", used(100_001, 1_000), SUNDAY, "0.0525005", id="tier-whole-request"),
    pytest.param(
        "anthropic/claude-haiku-5-5",
        used(200_000, 0, written=200_000),
        SUNDAY,
        "0.125",  # a tier that names no price for cache writes keeps their ratio: 0.125 / 0.1 x $0.5
        id="tier-cache-write",
    ),
    pytest.param("gemini/gemini-4-argon", used(1_000, 1_000), at("2026-11-30T23:59:59"), "0.012", id="before-december"),
    pytest.param("gemini/gemini-4-argon", used(1_000, 1_000), at("2026-12-01T00:00:00"), "0.024", id="december"),
    pytest.param(
        "gemini/gemini-4-argon", used(1_000, 0, cached=1_000), at("2026-12-01T00:00:00"), "0.0002", id="december-cached"
    ),
    pytest.param("gemini/gemini-3.8-flash", used(86, 63, reasoning=61), SUNDAY, "0.00030075", id="gemini-reasoning"),
    pytest.param("gemini/gemini-4-neon", used(1_000, 0, cached=1_000), SUNDAY, "0.003", id="cached-price-unknown"),
    pytest.param("openai/gpt-6.2-sol", used(24, 75, reasoning=64), SUNDAY, "0.000798", id="openai-reasoning-is-output"),
    pytest.param("openai/gpt-6.2-sol", used(272_001, 0), SUNDAY, "1.088004", id="openai-tier"),
    pytest.param("openai/gpt-6.2-sol", used(2_000, 0, cached=1_000), SUNDAY, "0.0021", id="openai-cached"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), SUNDAY, "0.00264", id="deepseek-weekend"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-23T00:59:59"), "0.00264", id="before-1"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-23T01:00:00"), "0.00528", id="from-1"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-23T03:59:59"), "0.00528", id="until-4"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-23T04:00:00"), "0.00264", id="at-4"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-23T06:00:00"), "0.00528", id="from-6"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-23T10:00:00"), "0.00264", id="at-10"),
    pytest.param("deepseek/deepseek-v4-pro", used(1_000, 1_000), at("2026-11-28T02:00:00"), "0.00264", id="saturday"),
    pytest.param("moonshot/kimi-k3.1-pro", used(1_000, 100, cached=500, written=500), SUNDAY, "0.0021", id="moonshot"),
    pytest.param("openai/gpt-6.2-sol", used(0, 0), SUNDAY, "0", id="nothing-used"),
]


@pytest.mark.parametrize("name, usage, instant, dollars", GOLDEN)
def test_what_a_call_costs(table: PriceTable, name: str, usage: Usage, instant: datetime, dollars: str) -> None:
    cost = table.cost(candidate(name), usage, instant)

    assert isinstance(cost, Decimal)
    assert cost == Decimal(dollars)


BODIES = [
    # candidate, what reads its usage, what the provider says, dollars by hand
    pytest.param(
        "anthropic/claude-sonnet-5-5",
        anthropic_answer.usage,
        {"usage": {"input_tokens": 1_000, "cache_read_input_tokens": 6_000, "cache_creation_input_tokens": 3_000,
                   "output_tokens": 100}},
        "0.0111",  # 1 000 x $2 + 6 000 x $0.1 + 3 000 x $2.5 + 100 x $10: cached tokens are counted apart there
        id="anthropic",
    ),
    pytest.param(
        "gemini/gemini-3.8-flash",
        gemini_answer.usage,
        {"usageMetadata": {"promptTokenCount": 86, "candidatesTokenCount": 2, "thoughtsTokenCount": 61,
                           "totalTokenCount": 149}},
        "0.00030075",  # thoughts are counted apart there, and cost like output
        id="gemini",
    ),
    pytest.param(
        "openai/gpt-6.2-sol",
        openai_answer.usage,
        {"usage": {"prompt_tokens": 2_000, "prompt_tokens_details": {"cached_tokens": 1_000}, "completion_tokens": 75,
                   "completion_tokens_details": {"reasoning_tokens": 64}}},
        "0.00285",  # 1 000 x $2 + 1 000 x $0.1 + 75 x $10: reasoning is part of the output
        id="openai",
    ),
    pytest.param(
        "deepseek/deepseek-v4-pro",
        openai_answer.usage,
        {"usage": {"prompt_tokens": 1_000, "prompt_cache_hit_tokens": 400, "prompt_cache_miss_tokens": 600,
                   "completion_tokens": 1_000}},
        "0.0023848",  # off-peak: 600 x $0.66 + 400 x $0.022 + 1 000 x $1.98
        id="deepseek",
    ),
]  # fmt: skip


@pytest.mark.parametrize("name, read, body, dollars", BODIES)
def test_what_a_provider_says_becomes_dollars(
    table: PriceTable, name: str, read: Callable[[object], Usage | None], body: dict[str, Any], dollars: str
) -> None:
    usage = read(body)

    assert usage
    assert table.cost(candidate(name), usage, SUNDAY) == Decimal(dollars)


def test_every_price_of_the_file_is_in_the_table(table: PriceTable) -> None:
    text = (files("pointsman.executor") / "models.json").read_text(encoding="utf-8")

    for row in json.loads(text)["models"]:
        tariff = table.tariffs.get((row["provider"], row["model_id"]))
        assert (tariff is not None) is ("usd_per_mtok_input" in row), row["model_id"]
        if tariff:
            assert len(tariff.above) == len(row.get("price_tiers", ()))
            assert len(tariff.from_dates) == len(row.get("scheduled_prices", ()))
            assert (tariff.off_peak is not None) is ("offpeak_prices" in row)


def test_the_simulated_providers_ask_the_prices_of_the_table_at_every_hour_of_a_week(table: PriceTable) -> None:
    a_week = [MONDAY + timedelta(hours=hour) for hour in range(7 * 24)]

    for kind, model in scenarios.BUSY_HOUR.models:
        for at in a_week:
            prices, share = table.tariffs[kind, model.id].at(at, input_tokens=0), model.price_share(at.timestamp())
            asked = model.usd_per_mtok_input, model.usd_per_mtok_cached_input, model.usd_per_mtok_output
            told = prices.input, prices.cached_input, prices.output
            assert tuple(price * share for price in asked) == told, (model.id, at)


def test_a_local_model_costs_nothing(table: PriceTable) -> None:
    local = candidate("ollama/anything", local=True)

    assert table.cost(local, used(10**6, 10**6), SUNDAY) == 0


def test_an_unknown_price_is_none_and_never_nothing(table: PriceTable) -> None:
    unknown = candidate("openai/gpt-99")

    assert table.prices(unknown, SUNDAY) is None
    assert table.cost(unknown, used(1, 1), SUNDAY) is None
    assert table.estimate(unknown, Estimate(input_tokens=1, output_tokens=1, admitted_tokens=2), SUNDAY) is None


def test_an_estimate_is_priced_as_input_and_output(table: PriceTable) -> None:
    estimate = Estimate(input_tokens=1_000, output_tokens=500, admitted_tokens=99_999)

    assert table.estimate(candidate("anthropic/claude-opus-5-5"), estimate, SUNDAY) == Decimal("0.014")


def test_more_cached_tokens_than_input_do_not_make_a_negative_price(table: PriceTable) -> None:
    cost = table.cost(candidate("openai/gpt-6.2-sol"), used(10, 0, cached=1_000), SUNDAY)

    assert cost == Decimal("0.0001")


def test_an_absurd_count_of_tokens_has_a_price_all_the_same(table: PriceTable) -> None:
    cost = table.cost(candidate("openai/gpt-6.2-sol"), used(10**30, 10**30), SUNDAY)

    assert cost
    assert cost > 10**24


def test_every_price_of_the_table_is_a_decimal(table: PriceTable) -> None:
    for tariff in table.tariffs.values():
        prices = tariff.at(SUNDAY, 10**6)
        assert {type(value) for value in (prices.input, prices.cached_input, prices.cache_write, prices.output)} == {
            Decimal
        }


def test_the_version_is_the_date_of_the_table(table: PriceTable) -> None:
    assert table.version == "2026-11-22"


def test_kinds_lead_from_the_name_of_a_provider_to_its_tariffs() -> None:
    table = load({"work-account": "openai"})

    assert table.cost(candidate("work-account/gpt-6.2-sol", model=MODEL), used(1_000, 0), SUNDAY) == Decimal("0.002")
