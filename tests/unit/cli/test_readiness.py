from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.cli.ollama import Look
from pointsman.cli.readiness import Lack, judge, key_places, ollama_urls, pull_advice
from pointsman.config import Settings, load
from pointsman.config.load import SIMULATED_KEY_ENV
from pointsman.config.settings import FallbackSettings

URL = "http://127.0.0.1:11434"
BOTH_MODELS = Look(url=URL, version="0.33.0", models=frozenset({"qwen2.5:14b-instruct-q8_0", "qwen2.5:1.5b-instruct"}))


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(Path(__file__).parents[3] / "deploy/pointsman.toml", environ={})


def test_with_all_keys_and_models_everything_can_be_called(reference: Settings) -> None:
    keys = key_places(reference).values()

    readiness = judge(reference, present_keys=set(keys), looks={URL: BOTH_MODELS})

    assert readiness.usable == tuple(reference.candidates)
    assert readiness.lacks == ()
    assert readiness.fallback == "local/qwen2.5-14b"
    assert readiness.can_answer


def test_who_is_simulated_is_said_with_the_simulators_ollama(reference: Settings) -> None:
    openai = replace(reference.providers["openai"], api_key_env=SIMULATED_KEY_ENV)
    settings = replace(reference, providers=reference.providers | {"openai": openai})

    readiness = judge(settings, present_keys=set(), looks={URL: replace(BOTH_MODELS, is_simulated=True)})

    assert readiness.warning == "SIMULATED: what openai, local answer is invented."
    assert judge(reference, present_keys=set(), looks={URL: BOTH_MODELS}).warning == ""


def test_one_key_makes_the_candidates_of_its_provider_usable(reference: Settings) -> None:
    away = Look(url=URL, problem=f"no Ollama at {URL}")

    readiness = judge(reference, present_keys={"OPENAI_API_KEY"}, looks={URL: away})

    assert readiness.usable == ("openai/gpt-4",)
    assert readiness.fallback == ""
    assert readiness.can_answer


def test_what_is_missing_is_said_once_with_all_who_wait_for_it(reference: Settings) -> None:
    away = Look(url=URL, problem=f"no Ollama at {URL}")

    readiness = judge(reference, present_keys=set(), looks={URL: away})

    assert not readiness.can_answer
    assert readiness.lacks[0] == Lack(
        missing="ANTHROPIC_API_KEY is not set",
        advice="export ANTHROPIC_API_KEY=… with a key from https://console.anthropic.com/settings/keys",
        candidates=(
            "anthropic/claude-opus",
            "anthropic/claude-sonnet",
            "anthropic/claude-haiku",
            "anthropic/claude-vision",
        ),
    )
    assert readiness.lacks[-1].candidates == ("local/qwen2.5-14b",)
    assert "ollama serve" in readiness.lacks[-1].advice


def test_a_missing_local_model_is_to_be_pulled(reference: Settings) -> None:
    empty = Look(url=URL, version="0.33.0")

    readiness = judge(reference, present_keys=set(), looks={URL: empty})

    assert readiness.lacks[-1].missing == f"Ollama at {URL} does not have qwen2.5:14b-instruct-q8_0"
    assert readiness.lacks[-1].advice == "pointsman pull --only fallback"


@pytest.mark.parametrize(
    "model, command",
    [
        ("qwen2.5:14b-instruct-q8_0", "pointsman pull --only fallback"),
        ("qwen2.5:1.5b-instruct", "pointsman pull --only classifier"),
        ("phi", "ollama pull phi"),
    ],
)
def test_the_command_that_brings_a_model_depends_on_its_use(model: str, command: str, reference: Settings) -> None:
    assert pull_advice(reference, model) == command


def test_a_server_is_asked_once_however_many_candidates_it_has(reference: Settings) -> None:
    twice = replace(
        reference,
        candidates=reference.candidates | {"local/again": reference.candidates["local/qwen2.5-14b"]},
        fallback=FallbackSettings(),
    )

    assert ollama_urls(twice) == (URL,)


@pytest.mark.parametrize(
    "version, gives",
    [
        ("0.12.10", False),
        ("0.12.11", True),
        ("0.12.11-rc1", True),
        ("0.33.0-rc2", True),
        ("1.0", True),
        ("0.9", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_log_probabilities_came_with_0_12_11(version: str, gives: bool) -> None:  # noqa: FBT001 - a column of the table
    assert Look(url=URL, version=version).gives_logprobs is gives


@pytest.mark.parametrize(
    "installed, model, has",
    [
        ("qwen2.5:latest", "qwen2.5", True),
        ("qwen2.5:latest", "qwen2.5:1.5b", False),
        ("qwen2.5:1.5b", "qwen2.5:1.5b", True),
    ],
)
def test_a_name_without_a_tag_means_latest(
    installed: str,
    model: str,
    has: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert Look(url=URL, models=frozenset({installed})).has(model) is has
