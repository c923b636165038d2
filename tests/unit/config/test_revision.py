import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.config import Settings, load, settings_hash
from pointsman.config.revision import RELOADABLE, revise

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"
SETTINGS = load(REFERENCE, environ={})


def changed(**overrides: str) -> Settings:
    """Return the reference settings with overrides of the environment."""
    return load(REFERENCE, environ={f"POINTSMAN__{name.upper()}": value for name, value in overrides.items()})


def test_settings_that_are_the_same_change_nothing() -> None:
    revision = revise(SETTINGS, load(REFERENCE, environ={}))

    assert revision.settings == SETTINGS
    assert (revision.changed, revision.left) == ((), ())


@pytest.mark.parametrize(
    "variable, value, path",
    [
        ("router__default_category", "quick", "router.default_category"),
        ("classifier__accept_confidence", "0.9", "classifier.accept_confidence"),
        ("classifier__ollama__timeout_s", "0.3", "classifier.ollama.timeout_s"),
        ("executor__max_attempts", "2", "executor.max_attempts"),
        ("limits__text_bytes", "1000", "limits.text_bytes"),
        ("pools__quick__policy", "cheapest", "pools.quick.policy"),
        ("providers__openai__base_url", "http://127.0.0.1:9", "providers.openai.base_url"),
        ("groups__claude_opus__requests_per_minute", "7", "groups.claude-opus.requests_per_minute"),
        ("candidates__openai_gpt_4__effort", "low", 'candidates."openai/gpt-4".effort'),
        ("fallback__queue", "3", "fallback.queue"),
        ("journal__content_characters", "9", "journal.content_characters"),
        ("callers__alice__requests_per_minute", "9", "callers.alice"),
    ],
)
def test_what_can_be_taken_up_is_and_is_named(variable: str, value: str, path: str) -> None:
    after = changed(**{variable: value})

    revision = revise(SETTINGS, after)

    assert revision.settings == after
    assert (revision.changed, revision.left) == ((path,), ())


@pytest.mark.parametrize(
    "variable, value, path",
    [
        ("router__address", "127.0.0.1:6000", "router.address"),
        ("router__executor_address", "127.0.0.1:6001", "router.executor_address"),
        ("executor__grace_s", "1.0", "executor.grace_s"),
        ("ledger__url", "redis://127.0.0.1:6379/0", "ledger.url"),
        ("journal__url", "", "journal.url"),
        ("limits__message_bytes", "1000000", "limits.message_bytes"),
        ("limits__concurrent_calls", "7", "limits.concurrent_calls"),
        ("telemetry__metrics__up", "127.0.0.1:9464", "telemetry.metrics.up"),
        ("router__keys", "keys.jsonl", "router.keys"),
    ],
)
def test_what_was_built_in_stays_as_it_was_and_is_named(variable: str, value: str, path: str) -> None:
    revision = revise(SETTINGS, changed(**{variable: value}))

    assert revision.settings == SETTINGS
    assert (revision.changed, revision.left) == ((), (path,))
    assert settings_hash(revision.settings) == settings_hash(SETTINGS)


def test_what_callers_may_do_can_be_taken_up_where_executors_count_them_together() -> None:
    shared = changed(ledger__url="redis://127.0.0.1:6379/0")
    after = changed(ledger__url="redis://127.0.0.1:6379/0", callers__alice__requests_per_minute="9")

    revision = revise(shared, after)

    assert (revision.settings, revision.changed, revision.left) == (after, ("callers.alice",), ())


def test_a_pool_that_comes_and_one_that_goes_are_named() -> None:
    pools = dict(SETTINGS.pools)
    pools["legal"] = pools.pop("review")

    revision = revise(SETTINGS, replace(SETTINGS, pools=pools))

    assert revision.changed == ("pools.legal", "pools.review")


def test_every_path_that_can_be_taken_up_is_a_setting() -> None:
    for path in RELOADABLE:
        here: object = SETTINGS
        for name in path.split("."):
            assert dataclasses.is_dataclass(here), path
            here = getattr(here, name)
