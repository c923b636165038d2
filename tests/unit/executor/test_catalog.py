import json
from importlib.resources import files

import pytest

from pointsman.domain.pool import Model
from pointsman.executor import catalog, prices

ROWS = json.loads((files("pointsman.executor") / "models.json").read_text(encoding="utf-8"))["models"]
POOL_NAMES = {
    "claude-haiku",
    "claude-opus",
    "claude-sonnet",
    "claude-vision",
    "deepseek-coder",
    "gemini-flash",
    "gemini-pro",
    "gemini-vision",
    "gpt-4",
    "moonshot-kimi",
}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['provider']}/{row['model_id']}" for row in ROWS])
def test_every_row_is_a_model_with_sane_facts_and_a_source(row: dict[str, object]) -> None:
    model = catalog.model(str(row["provider"]), str(row["model_id"]))

    assert model is not None
    assert 0 < model.max_input_tokens <= model.context_tokens
    assert 0 < model.max_output_tokens <= model.context_tokens
    assert model.sees_images or not model.takes_image_urls
    assert row["source"]


def test_no_model_stands_in_the_table_twice() -> None:
    keys = [(row["provider"], row["model_id"]) for row in ROWS]

    assert len(keys) == len(set(keys))


def test_every_name_of_the_five_pools_has_a_model() -> None:
    assert {name for row in ROWS for name in row["pool_names"]} == POOL_NAMES


def test_an_unknown_model_is_none() -> None:
    assert catalog.model("openai", "gpt-4") is None


def test_a_model_is_known_at_its_own_provider_only() -> None:
    assert catalog.model("gemini", "claude-opus-5-5") is None


def test_the_output_limit_is_the_one_of_answers_that_are_not_streamed() -> None:
    model = catalog.model("gemini", "gemini-4-argon")

    assert model is not None
    assert model.max_output_tokens == 32_768


def test_a_model_that_takes_temperature_under_conditions_only_does_not_take_it() -> None:
    taking = {row["model_id"] for row in ROWS if row["accepts_temperature"]}

    assert taking == {"gpt-4.1", "gemini-3.1-pro-preview", "gemini-2.5-flash", "qwen2.5:14b-instruct-q8_0"}


def test_the_local_model_is_known_with_the_context_that_is_asked_for_by_default() -> None:
    assert catalog.model("ollama", "qwen2.5:14b-instruct-q8_0") == Model(
        id="qwen2.5:14b-instruct-q8_0",
        context_tokens=8_192,
        max_input_tokens=8_192,
        max_output_tokens=8_192,
        sees_images=False,
        takes_image_urls=False,
        takes_tools=False,
        follows_json_schema=True,
        accepts_temperature=True,
        accepts_stop=True,
    )


def test_the_table_is_dated() -> None:
    assert prices.load({}).version == "2026-11-22"


def test_every_price_tier_names_its_threshold_as_a_number() -> None:
    tiers = [tier for row in ROWS for tier in row.get("price_tiers", ())]

    assert tiers
    assert all(f"> {tier['above_input_tokens']}" in tier["when"] for tier in tiers)
