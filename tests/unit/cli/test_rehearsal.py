from pathlib import Path

import pytest

from pointsman.cli.rehearsal import aimed_at, overrides
from pointsman.config import Settings, load
from pointsman.config.load import SIMULATED_KEY_ENV, api_key

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"
BASE_URLS = {
    "openai": "http://127.0.0.1:9/openai/v1",
    "deepseek": "http://127.0.0.1:9/deepseek",
    "moonshot": "http://127.0.0.1:9/moonshot/v1",
    "anthropic": "http://127.0.0.1:9/anthropic",
    "gemini": "http://127.0.0.1:9/gemini",
    "ollama": "http://127.0.0.1:10",
}


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(REFERENCE, environ={})


def test_every_provider_and_the_classifier_are_aimed_at_the_simulator(reference: Settings) -> None:
    aimed = aimed_at(reference, BASE_URLS)

    assert {each.base_url for each in aimed.providers.values()} == set(BASE_URLS.values())
    assert aimed.classifier.ollama.url == BASE_URLS["ollama"]
    assert aimed.candidates == reference.candidates


def test_no_real_key_can_reach_the_simulator(reference: Settings) -> None:
    aimed = aimed_at(reference, BASE_URLS)

    assert {each.api_key_env for each in aimed.providers.values() if not each.local} == {SIMULATED_KEY_ENV}
    assert api_key(SIMULATED_KEY_ENV, environ={SIMULATED_KEY_ENV: "sk-real"}) == "simulated"


def test_a_provider_that_is_not_simulated_stays_as_it_is(reference: Settings) -> None:
    aimed = aimed_at(reference, {"openai": "http://127.0.0.1:9/openai/v1"})

    assert aimed.providers["anthropic"] == reference.providers["anthropic"]
    assert aimed.classifier == reference.classifier


def test_the_variables_do_the_same_to_a_stack_that_is_started_elsewhere(reference: Settings) -> None:
    variables = overrides(reference, BASE_URLS)

    assert load(REFERENCE, environ=variables) == aimed_at(reference, BASE_URLS)
