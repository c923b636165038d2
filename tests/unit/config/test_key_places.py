"""A provider's key that was written into the settings: refused, and never said again."""

import json
from pathlib import Path

import pytest

from pointsman.config import load
from pointsman.config.key_places import check_key_places
from pointsman.domain.errors import SettingsError

KEYS = (
    "sk-proj-abcdefghijklmnop1234567890",
    "sk_live_abcdefghijklmnop1234",
    "gsk_abcdefghijklmnopqrstuvwxyz0123456789",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "0123456789abcdef0123456789abcdef",
    "abcdef0123456789abcdef0123456789",
)


def refusal(**written: object) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        check_key_places({"providers": {"p": written}})
    return caught.value


@pytest.mark.parametrize("value", [*KEYS, "two words", "A-B", "ÄPFEL", "9LIVES", "A\n", ["sk-1"], 7, {"a": "sk-1"}])
def test_what_names_no_variable_is_refused_and_not_said_again(value: object) -> None:
    error = refusal(api_key_env=value)
    assert error.metadata == {"path": "providers.p.api_key_env"}
    assert "api_key_env" in error.message
    assert str(value) not in error.message


@pytest.mark.parametrize("value", [*KEYS, ["sk-1"]])
def test_a_key_in_the_place_of_a_file_is_refused_and_not_said_again(value: object) -> None:
    error = refusal(api_key_file=value)
    assert error.metadata == {"path": "providers.p.api_key_file"}
    assert str(value) not in error.message


@pytest.mark.parametrize("name", ["api_key", "api-key", "apikey", "API_KEY", "key", "token", "secret"])
def test_a_key_below_a_name_of_its_own_is_told_where_keys_belong(name: str) -> None:
    error = refusal(**{name: "sk-proj-abcdefghijklmnop1234567890"})
    assert "put the key into a variable and name that variable in api_key_env" in error.message
    assert "sk-proj" not in error.message


@pytest.mark.parametrize("name", ["", "OPENAI_API_KEY", "_k1", "SK_OF_THE_SECOND_ACCOUNT", "sk_second", "Key2"])
def test_a_name_of_a_variable_is_taken(name: str) -> None:
    check_key_places({"providers": {"p": {"api_key_env": name}}})


@pytest.mark.parametrize("name", ["/run/secrets/openai", "keys/openai.txt", "sk-notes"])
def test_a_path_of_a_file_is_taken(name: str) -> None:
    check_key_places({"providers": {"p": {"api_key_file": name}}})


@pytest.mark.parametrize("table", [{}, {"providers": 1}, {"providers": {"p": 1}}])
def test_what_is_no_table_is_left_to_the_parser(table: dict[str, object]) -> None:
    check_key_places(table)


@pytest.mark.parametrize("key", ["api_key_env", "api_key", "api_key_file"])
@pytest.mark.parametrize("value", KEYS)
def test_no_key_in_a_settings_file_is_in_the_refusal(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "pointsman.toml"
    path.write_text(f'[providers.p]\nwire = "openai"\nbase_url = "https://p.example"\n{key} = {json.dumps(value)}\n')
    with pytest.raises(SettingsError) as caught:
        load(path, environ={})
    assert value not in f"{caught.value.message} {caught.value.metadata} {caught.value.__cause__!r}"


def test_a_key_in_an_override_is_not_in_the_refusal_but_the_variable_that_held_it_is() -> None:
    variable = "POINTSMAN__PROVIDERS__OPENAI__API_KEY_ENV"
    with pytest.raises(SettingsError, match=variable) as caught:
        load(Path(__file__).parents[3] / "deploy/pointsman.toml", environ={variable: KEYS[0]})
    assert KEYS[0] not in f"{caught.value.message} {caught.value.metadata}"
