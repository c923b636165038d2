import json

import orjson
import pytest

from pointsman.domain.secret import Secret
from pointsman.telemetry.masks import masked_bytes, masked_fields, masked_text, needs_no_mask


@pytest.fixture(autouse=True)
def no_name_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.telemetry.masks._harmless", set())


KEYS = [
    pytest.param("sk-canary0123456789abcdef", id="OpenAI and its like"),
    pytest.param("rk-canary0123456789abcdef", id="a restricted one"),
    pytest.param("pk-canary0123456789abcdef", id="a public one"),
    pytest.param("SK-CANARY0123456789ABCDEF", id="in capitals"),
    pytest.param("pm_canary0123456789abcdef", id="our own"),
    pytest.param("AIza" + "a" * 35, id="Google"),
    pytest.param("Bearer abcdefgh1234", id="a bearer token"),
    pytest.param("user:pass", id="the password of a URL"),
]


@pytest.mark.parametrize("key", KEYS)
def test_what_looks_like_a_key_is_hidden_wherever_it_stands(key: str) -> None:
    text = f"redis://{key}@127.0.0.1/0" if key == "user:pass" else f'said "{key}" 가'

    assert key not in masked_text(text)
    assert masked_bytes(text.encode()).decode() == masked_text(text)


@pytest.mark.parametrize("before", ["\n", "\t", "\0", "\x1b", "é", "키", "\\"])
@pytest.mark.parametrize("key", KEYS[:-1])
def test_a_key_is_hidden_in_a_finished_line_whatever_stands_before_it(before: str, key: str) -> None:
    told = {"note": f"refused:{before}{key}", "error": ValueError(f"{before}{key}"), "bytes": f"{before}{key}".encode()}

    assert key.encode() not in masked_bytes(orjson.dumps(told, default=str))
    assert key not in masked_text(json.dumps({"note": told["note"]}))
    assert key not in masked_text(before + key)


def test_a_bearer_token_on_a_line_of_its_own_is_hidden() -> None:
    assert b"abcdefgh1234" not in masked_bytes(orjson.dumps({"note": "Bearer\nabcdefgh1234"}))


@pytest.mark.parametrize("text", ["http://127.0.0.1:4317/v1", "12:30 a@b", "task-list", "2+2는?"])
def test_what_is_no_key_is_left_alone(text: str) -> None:
    assert masked_text(text) == text


def test_fields_that_speak_of_keys_are_hidden_at_any_depth() -> None:
    assert masked_fields({"a": [{"x-api-key": "short"}], "api_key_env": "NAME", "n": 1}) == {
        "a": [{"x-api-key": "[masked]"}],
        "api_key_env": "NAME",
        "n": 1,
    }


@pytest.mark.parametrize("value", [["short"], ("short",), {"openai": "short"}, [{"openai": ["short"]}], {"short"}])
def test_what_stands_below_a_name_that_speaks_of_keys_is_hidden(value: object) -> None:
    assert "short" not in str(masked_fields({"api_keys": value}))


def test_how_many_keys_there_are_may_be_seen() -> None:
    told = {"api_keys": 3, "secrets": [1, None, True]}

    assert masked_fields(told) == told


def test_a_name_that_speaks_of_keys_does_so_each_time_and_behind_any_number_of_others() -> None:
    told = {**{f"name-{number}": number for number in range(2_000)}, "Password": "short", "n": 1}

    for _ in range(2):
        assert masked_fields(told) == told | {"Password": "[masked]"}


@pytest.mark.parametrize("text", ["sk-canary0123456789abcdef", "\udcff"])
def test_bytes_that_are_no_text_are_searched_all_the_same(text: str) -> None:
    line = b"\xff" + text.encode(errors="surrogateescape")

    assert masked_bytes(line) == (b"\xff[masked]" if text.startswith("sk-") else line)


@pytest.mark.parametrize("key", KEYS)
def test_a_line_with_a_key_in_a_value_or_a_name_is_searched(key: str) -> None:
    text = f"redis://{key}@127.0.0.1/0" if key == "user:pass" else f"said {key}"
    masked_fields({text: 1, "note": 1})  # names that were looked at once

    assert not needs_no_mask({"note": text})
    assert not needs_no_mask({text: 1})


@pytest.mark.parametrize("value", ["short", ["short"], {"a": "short"}, Secret("short")])
def test_a_line_that_is_not_plain_or_speaks_of_keys_is_searched(value: object) -> None:
    told = {"password" if value == "short" else "plain": value}
    masked_fields(told)

    assert not needs_no_mask(told)


def test_a_plain_line_is_not_searched_once_its_names_were_looked_at() -> None:
    told = {"a-name-of-this-test": 1, "code": "OK", "degraded": [], "reason": None}

    before = needs_no_mask(told)
    masked_fields(told)

    assert (before, needs_no_mask(told)) == (False, True)


def test_a_secret_needs_no_net() -> None:
    assert "short" not in str(masked_fields({"anything": Secret("short")}))
