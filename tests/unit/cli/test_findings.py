from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.cli.findings import (
    Level,
    SelfTest,
    key_findings,
    model_finding,
    ollama_finding,
    pool_findings,
    port_finding,
    quota_findings,
    self_test_finding,
)
from pointsman.cli.ollama import Look
from pointsman.cli.ports import Holder
from pointsman.cli.readiness import Readiness
from pointsman.config import Settings, load
from pointsman.config.load import SIMULATED_KEY_ENV
from pointsman.config.settings import QuotaSettings

URL = "http://127.0.0.1:11434"


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(Path(__file__).parents[3] / "deploy/pointsman.toml", environ={})


@pytest.mark.parametrize(
    "holder, level",
    [
        (Holder.NOBODY, Level.FINE),
        (Holder.POINTSMAN, Level.FINE),
        (Holder.STRANGER, Level.PROBLEM),
        (Holder.UNUSABLE, Level.PROBLEM),
    ],
)
def test_each_holder_of_a_port_is_judged(holder: Holder, level: Level) -> None:
    found = port_finding("router", "127.0.0.1:50051", holder)

    assert found.level is level
    assert bool(found.advice) is (level is Level.PROBLEM)


def test_every_holder_of_a_port_has_a_row() -> None:
    assert all(port_finding("router", "127.0.0.1:1", holder).message for holder in Holder)


@pytest.mark.parametrize(
    "look, level, advice",
    [
        pytest.param(Look(url=URL, version="0.33.0"), Level.FINE, "", id="new enough"),
        pytest.param(Look(url=URL, version="0.11.0"), Level.NOTE, "update Ollama to 0.12.11 or newer", id="old"),
        pytest.param(Look(url=URL, problem="no Ollama"), Level.NOTE, "ollama serve", id="away"),
    ],
)
def test_each_state_of_ollama_is_judged(look: Look, level: Level, advice: str) -> None:
    found = ollama_finding(look, "the classifier")

    assert found.level is level
    assert advice in found.advice


def test_a_missing_model_comes_with_the_command_that_brings_it(reference: Settings) -> None:
    found = model_finding(reference, Look(url=URL), "qwen2.5:1.5b-instruct", "the classifier")

    assert (found.level, found.advice) == (Level.NOTE, "pointsman pull --only classifier")


@pytest.mark.parametrize(
    "test, level",
    [
        pytest.param(SelfTest(coverage=0.5), Level.FINE, id="just enough"),
        pytest.param(SelfTest(coverage=0.49), Level.NOTE, id="too little"),
        pytest.param(SelfTest(problem="Ollama did not answer in time"), Level.NOTE, id="no answer"),
    ],
)
def test_the_self_test_wants_half_of_the_first_token_to_be_about_categories(
    test: SelfTest, level: Level, reference: Settings
) -> None:
    assert self_test_finding(reference, test).level is level


def test_keys_are_told_by_the_names_of_their_variables(reference: Settings) -> None:
    found = {each.subject: each for each in key_findings(reference, {"OPENAI_API_KEY"})}

    assert found["key openai"].message == "OPENAI_API_KEY is set"
    assert found["key gemini"].advice.startswith("export GEMINI_API_KEY=…")
    assert "key local" not in found


def test_the_simulators_key_is_said_to_be_one(reference: Settings) -> None:
    simulated = replace(reference.providers["openai"], api_key_env=SIMULATED_KEY_ENV)
    settings = replace(reference, providers={"openai": simulated})

    (found,) = key_findings(settings, {SIMULATED_KEY_ENV})

    assert found.message == "simulated: answers are invented"


def test_an_ollama_that_says_it_is_simulated_is_told_so() -> None:
    found = ollama_finding(Look(url=URL, version="0.33.0", is_simulated=True), "the classifier")

    assert found.message == "version 0.33.0, simulated (for the classifier)"


@pytest.mark.parametrize("place", ["provider", "group", "candidate"])
def test_a_limit_anywhere_is_a_limit(place: str, reference: Settings) -> None:
    none, some = QuotaSettings(), QuotaSettings(requests_per_minute=10)
    bare = replace(
        reference,
        providers={
            name: replace(each, quota=some if place == "provider" else none)
            for name, each in reference.providers.items()
        },
        groups=dict.fromkeys(reference.groups, some if place == "group" else none),
        candidates={
            name: replace(each, group="gemini-flash", quota=some if place == "candidate" else none)
            for name, each in reference.candidates.items()
        },
    )

    assert list(quota_findings(bare)) == []


def test_only_providers_that_state_nothing_need_limits_in_the_settings(reference: Settings) -> None:
    none = QuotaSettings()
    bare = replace(
        reference,
        providers={name: replace(each, quota=none) for name, each in reference.providers.items()},
        groups=dict.fromkeys(reference.groups, none),
        candidates={name: replace(each, quota=none) for name, each in reference.candidates.items()},
    )

    subjects = [each.subject for each in quota_findings(bare)]

    assert subjects == [
        "quota gemini/gemini-pro",
        "quota gemini/gemini-flash",
        "quota gemini/gemini-vision",
        "quota moonshot/kimi",
    ]


@pytest.mark.parametrize(
    "usable, fallback, level",
    [
        pytest.param(("gemini/gemini-flash",), "", Level.FINE, id="a candidate"),
        pytest.param((), "local/qwen2.5-14b", Level.NOTE, id="only the fallback"),
        pytest.param((), "", Level.PROBLEM, id="nothing"),
    ],
)
def test_a_pool_is_as_good_as_what_can_be_called(
    usable: tuple[str, ...], fallback: str, level: Level, reference: Settings
) -> None:
    readiness = Readiness(usable=usable, lacks=(), fallback=fallback)

    found = {each.subject: each for each in pool_findings(reference, readiness)}

    assert found["pool quick"].level is level
