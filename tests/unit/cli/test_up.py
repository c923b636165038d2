"""What `up` says when it is up."""

from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.cli.up import first_question
from pointsman.config import Settings, load
from pointsman.config.settings import TlsSettings

REFERENCE = load(Path(__file__).parents[3] / "deploy/pointsman.toml", environ={})
TLS = TlsSettings(certificate="c.pem", key="k.pem", authority="my authority.pem")


def with_keys(settings: Settings) -> Settings:
    return replace(settings, router=replace(settings.router, keys="keys.jsonl"))


@pytest.mark.parametrize(
    "settings, needed",
    [
        pytest.param(REFERENCE, "", id="on this machine"),
        pytest.param(with_keys(REFERENCE), " --api-key-env VARIABLE", id="keys"),
        pytest.param(replace(REFERENCE, tls=TLS), " --authority 'my authority.pem'", id="tls"),
        pytest.param(
            with_keys(replace(REFERENCE, tls=replace(TLS, caller_authority="callers.pem"))),
            " --authority 'my authority.pem' --certificate FILE --key FILE",
            id="certificates of callers",
        ),
    ],
)
def test_the_first_question_shows_what_the_router_asks_for(settings: Settings, needed: str) -> None:
    assert first_question("127.0.0.1:50051", settings) == f'pointsman route "2+2는?"{needed}'


def test_the_first_question_names_an_address_that_is_not_the_usual_one() -> None:
    assert first_question("127.0.0.1:6000", REFERENCE) == 'pointsman route "2+2는?" --address 127.0.0.1:6000'
