from pathlib import Path

import pytest

from pointsman.cli.rehearsal_world import accounts, unlimited
from pointsman.cli.simulated import over
from pointsman.config import Settings, load
from pointsman.executor.pools import candidates
from pointsman.simulator import scenarios

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(REFERENCE, environ={})


def test_the_accounts_enforce_what_the_settings_say_in_the_way_of_each_provider(reference: Settings) -> None:
    settings = over(reference, scenarios.BUSY_HOUR, {})

    made = accounts(settings, candidates(settings))

    for wanted in scenarios.BUSY_HOUR.providers:
        account = made[wanted.kind]
        assert set(account.limits) == set(wanted.limits)
        assert {model.id: set(model.limits) for model in account.models} == {
            model.id: set(model.limits) for model in wanted.models
        }
        assert account.counts_refused == wanted.counts_refused
        assert account.charges_requested_output == wanted.charges_requested_output


def test_candidates_that_nothing_limits_are_named(reference: Settings) -> None:
    assert unlimited(reference) == ["openai/gpt-4"]
